"""The device's certificates, as the openssl command reads and verifies them."""

import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.domain.errors import SecurityError
from appliance.domain.secret import Secret
from appliance.security.certificate import (
    AUTHORITY_BEGINS,
    AUTHORITY_ENDS,
    Authority,
    Leaves,
    Signed,
    fingerprint,
    fits,
    is_whole,
    issue_leaves,
    key_in,
    names_of,
    needs_renewal,
    new_p256_key,
    not_after,
    to_der,
)
from appliance.security.names import Names

Keys = tuple[Secret[bytes], Secret[bytes]]

pytestmark = pytest.mark.needs("openssl")


class Files:
    """The PEMs as files, for the openssl command."""

    def __init__(self, folder: Path, authority: Authority, leaves: Leaves) -> None:
        self.root, self.middle = folder / "ca.pem", folder / "middle.pem"
        self.rsa, self.p256 = folder / "rsa.pem", folder / "p256.pem"
        self.root.write_bytes(authority.root.certificate)
        self.middle.write_bytes(authority.intermediate.certificate)
        self.rsa.write_bytes(leaves.rsa.reveal())
        self.p256.write_bytes(leaves.p256.reveal())

    def verify(self, leaf: Path, *more: str) -> bool:
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(self.root)]
        command += ["-untrusted", str(self.middle), *more, str(leaf)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def text(path: Path) -> str:
    return subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def files(tmp_path: Path, authority: Authority, leaves: Leaves) -> Files:
    return Files(tmp_path, authority, leaves)


def test_openssl_reads_the_demanded_keys_and_signatures(files: Files) -> None:
    root, middle, rsa, p256 = (text(path) for path in (files.root, files.middle, files.rsa, files.p256))
    for certificate in (root, rsa):
        assert "Signature Algorithm: sha512WithRSAEncryption" in certificate
        assert "Public-Key: (4096 bit)" in certificate
    assert "Signature Algorithm: sha512WithRSAEncryption" in middle
    assert "Signature Algorithm: ecdsa-with-SHA256" in p256
    for certificate in (middle, p256):
        assert "ASN1 OID: prime256v1" in certificate
    assert "CA:TRUE, pathlen:1" in root
    assert "CA:TRUE, pathlen:0" in middle
    for leaf in (rsa, p256):
        assert "CA:FALSE" in leaf
        assert "TLS Web Server Authentication" in leaf
        assert "DNS:roof.local, DNS:nightjar.local, DNS:localhost, IP Address:127.0.0.1" in leaf


def test_both_authorities_are_constrained_to_local_names(files: Files) -> None:
    permitted = [
        "DNS:local", "DNS:localhost", "IP:10.0.0.0/255.0.0.0", "IP:172.16.0.0/255.240.0.0", "IP:192.168.0.0/255.255.0.0",
        "IP:169.254.0.0/255.255.0.0", "IP:FE80:0:0:0:0:0:0:0/FFC0:0:0:0:0:0:0:0", "IP:FC00:0:0:0:0:0:0:0/FE00:0:0:0:0:0:0:0",
        "IP:127.0.0.0/255.0.0.0", "IP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF",
    ]  # fmt: skip
    for path in (files.root, files.middle):
        lines = [line.strip() for line in text(path).splitlines()]
        assert "X509v3 Name Constraints: critical" in lines
        assert [line for line in lines if line.startswith(("DNS:", "IP:"))] == permitted


@pytest.mark.parametrize("leaf", ["rsa", "p256"])
@pytest.mark.parametrize(
    "more",
    [
        ("-verify_hostname", "nightjar.local"),
        ("-verify_hostname", "localhost"),
        ("-verify_ip", "192.168.1.17"),
        ("-verify_ip", "::1"),
    ],
)
def test_openssl_accepts_both_chains_for_each_kind_of_name(files: Files, leaf: str, more: tuple[str, str]) -> None:
    assert files.verify(getattr(files, leaf), *more)


@pytest.mark.parametrize("more", [("-verify_hostname", "example.org"), ("-verify_ip", "192.168.1.18")])
def test_openssl_refuses_another_name(files: Files, more: tuple[str, str]) -> None:
    assert not files.verify(files.rsa, *more)


def test_openssl_refuses_another_devices_chain(tmp_path: Path, other_authority: Authority, leaves: Leaves) -> None:
    foreign = Files(tmp_path, other_authority, leaves)
    assert not foreign.verify(foreign.rsa)
    assert not foreign.verify(foreign.p256)


@pytest.mark.parametrize(
    "foreign",
    [Names(("bank.example",), ()), Names(("nightjar.local.example",), ()), Names(("nightjar.local",), (ip_address("8.8.8.8"),))],
)
def test_a_stolen_authority_cannot_pretend_to_be_somebody_else(
    tmp_path: Path, authority: Authority, keys: Keys, now: datetime, foreign: Names
) -> None:
    files = Files(tmp_path, authority, issue_leaves(authority, foreign, now, rsa_key=keys[0], p256_key=keys[1]))
    assert not files.verify(files.rsa)
    assert not files.verify(files.p256)


def test_a_leaf_lives_365_days_and_begins_an_hour_early(leaves: Leaves, now: datetime) -> None:
    for pem in (leaves.rsa, leaves.p256):
        ends = not_after(pem.reveal())
        assert ends - (now.replace(microsecond=0) - timedelta(hours=1)) == timedelta(days=365, seconds=-1)


@pytest.mark.parametrize(
    ("days", "reason"), [(0, ""), (304, ""), (306, "it ends soon"), (366, "it ends soon"), (-1, "the clock was set back")]
)
def test_a_leaf_is_renewed_before_it_ends_and_after_the_clock_was_set_back(
    leaves: Leaves, names: Names, now: datetime, days: int, reason: str
) -> None:
    assert needs_renewal(leaves.p256.reveal(), names, now + timedelta(days=days)) == reason


def test_a_leaf_is_renewed_when_a_name_or_address_comes_or_goes(leaves: Leaves, names: Names, now: datetime) -> None:
    more = Names(names.hosts, (*names.addresses, ip_address("10.0.0.9")))
    fewer = Names(names.hosts[1:], names.addresses)
    for changed in (more, fewer):
        assert needs_renewal(leaves.rsa.reveal(), changed, now) == "names or addresses changed"


def test_the_names_of_a_leaf_are_read_back(leaves: Leaves, names: Names) -> None:
    assert names_of(leaves.rsa.reveal()) == names_of(leaves.p256.reveal()) == names


def test_a_device_without_a_clock_gets_a_leaf_within_the_life_of_its_authority(
    authority: Authority, keys: Keys, names: Names
) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    leaves = issue_leaves(authority, names, epoch + timedelta(days=19720), rsa_key=keys[0], p256_key=keys[1])
    assert not_after(leaves.rsa.reveal()) == AUTHORITY_BEGINS + timedelta(days=365, seconds=-1)
    assert needs_renewal(leaves.rsa.reveal(), names, epoch + timedelta(days=19720)) == ""


def test_after_the_end_of_the_authority_no_leaf_is_issued(authority: Authority, keys: Keys, names: Names) -> None:
    with pytest.raises(SecurityError, match="set the clock"):
        issue_leaves(authority, names, AUTHORITY_ENDS + timedelta(days=2), rsa_key=keys[0], p256_key=keys[1])


def test_files_of_one_making_fit_and_mixed_ones_do_not(
    authority: Authority, other_authority: Authority, leaves: Leaves, names: Names, keys: Keys, now: datetime
) -> None:
    assert fits(leaves, authority.root.certificate)
    assert not fits(leaves, other_authority.root.certificate)
    others = issue_leaves(other_authority, names, now, rsa_key=keys[0], p256_key=keys[1])
    assert not fits(Leaves(leaves.rsa, others.p256), authority.root.certificate)
    certificate, marker, _ = leaves.rsa.reveal().partition(b"-----BEGIN PRIVATE KEY-----")
    assert not fits(Leaves(Secret(certificate + new_p256_key().reveal()), leaves.p256), authority.root.certificate)
    assert not fits(Leaves(Secret(certificate), leaves.p256), authority.root.certificate)
    assert not fits(Leaves(Secret(certificate + marker), leaves.p256), authority.root.certificate)
    assert not fits(leaves, b"")


def test_an_authority_is_whole_only_with_its_own_keys(authority: Authority, other_authority: Authority) -> None:
    assert is_whole(authority)
    assert not is_whole(Authority(Signed(authority.root.certificate, other_authority.root.key), authority.intermediate))
    assert not is_whole(Authority(authority.root, other_authority.intermediate))
    assert not is_whole(Authority(authority.root, Signed(authority.intermediate.certificate, Secret(b"x"))))
    assert not is_whole(Authority(Signed(b"x", authority.root.key), authority.intermediate))


def test_the_fingerprint_is_the_one_that_openssl_shows(files: Files, authority: Authority) -> None:
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(files.root), "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip().partition("=")[2] == fingerprint(authority.root.certificate)


def test_der_is_the_same_certificate(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "ca.der").write_bytes(to_der(authority.root.certificate))
    command = ["openssl", "x509", "-inform", "DER", "-in", str(tmp_path / "ca.der"), "-outform", "PEM"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == authority.root.certificate


def test_a_key_is_found_in_a_leafs_file_and_a_file_without_one_is_refused(
    leaves: Leaves, keys: Keys, authority: Authority
) -> None:
    assert key_in(leaves.rsa).reveal() == keys[0].reveal()
    assert key_in(leaves.p256).reveal() == keys[1].reveal()
    with pytest.raises(SecurityError, match="cannot be read"):
        key_in(Secret(authority.root.certificate))
