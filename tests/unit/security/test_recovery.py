"""The recovery file: taken only from who names this device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError, RefusedError
from appliance.security.recovery import LARGEST, read_recovery_file

DEVICE = "7K3M9QXZ"


@pytest.mark.parametrize(
    "content",
    [
        b"reset-admin 7K3M9QXZ",
        b"\xef\xbb\xbfRESET-ADMIN 7k3m-9qxz\r\n",
        b"# I forgot my password\n\n  reset-admin   7K3M 9QXZ  \n",
    ],
)
def test_a_file_that_names_this_device_is_taken(content: bytes) -> None:
    read_recovery_file(content, DEVICE)


def test_a_file_for_another_device_is_refused() -> None:
    with pytest.raises(RefusedError, match="another device"):
        read_recovery_file(b"reset-admin 7K3M9QX0", DEVICE)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"reset-admin", b"7K3M9QXZ", b"reset-admin 7K3M9QXZ\nreset-admin 7K3M9QXZ", b"password 7K3M9QXZ", b"reset-admin *",
        b"reset-admin 7K3M9QXZ rm", b"\xff\xfe\x00", b"#" * (LARGEST + 1), b"reset-admin 7K3M9QXZ".decode().encode("utf-16"),
    ],
)  # fmt: skip
def test_any_other_file_is_refused_with_what_to_write(content: bytes) -> None:
    with pytest.raises(InputError):
        read_recovery_file(content, DEVICE)


@given(st.binary(max_size=2 * LARGEST))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with pytest.raises((InputError, RefusedError)):
        read_recovery_file(content, DEVICE)
