"""One authority for all tests of certificates: making it takes a second."""

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from appliance.domain.secret import Secret
from appliance.security.certificate import Authority, Leaves, issue_leaves, make_authority, new_p256_key, new_rsa_key
from appliance.security.names import Names

NAMES = Names(
    ("roof.local", "nightjar.local", "localhost"), (ip_address("127.0.0.1"), ip_address("::1"), ip_address("192.168.1.17"))
)


@pytest.fixture(scope="session")
def now() -> datetime:
    """Return the moment of the tests: the machine's, for OpenSSL looks at that."""
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Return an authority."""
    return make_authority("7K3M9QXZ")


@pytest.fixture(scope="session")
def other_authority() -> Authority:
    """Return another device's authority."""
    return make_authority("0000000Z")


@pytest.fixture(scope="session")
def keys() -> tuple[Secret[bytes], Secret[bytes]]:
    """Return an RSA and a P-256 key."""
    return new_rsa_key(), new_p256_key()


@pytest.fixture(scope="session")
def names() -> Names:
    """Return names of a machine."""
    return NAMES


@pytest.fixture(scope="session")
def leaves(authority: Authority, keys: tuple[Secret[bytes], Secret[bytes]], names: Names, now: datetime) -> Leaves:
    """Return leaves of the authority."""
    return issue_leaves(authority, names, now, rsa_key=keys[0], p256_key=keys[1])
