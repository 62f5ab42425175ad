"""What `nightjar-trust` installs as root: our own authority and nothing that differs from it in any part."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from appliance.security.certificate import AUTHORITY_BEGINS, AUTHORITY_ENDS, Authority, make_authority
from appliance.security.names import PERMITTED_DOMAINS, PERMITTED_NETWORKS
from tests.unit.rootfs import trust as script

trust = script.load()
INSTALL = trust.install  # a test puts another function in its place
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

SUBJECT = (
    (NameOID.ORGANIZATION_NAME, "Nightjar"),
    (NameOID.SERIAL_NUMBER, "7K3M9QXZ"),
    (NameOID.COMMON_NAME, "Nightjar 7K3M9QXZ authority"),
)
DOMAINS: tuple[x509.GeneralName, ...] = tuple(x509.DNSName(domain) for domain in PERMITTED_DOMAINS)
NETWORKS: tuple[x509.GeneralName, ...] = tuple(x509.IPAddress(network) for network in PERMITTED_NETWORKS)
PERMITTED = DOMAINS + NETWORKS


@dataclass(frozen=True)
class Form:
    """Our authority's form, of which a test changes one part."""

    key: Key
    subject: tuple[tuple[x509.ObjectIdentifier, str], ...] = SUBJECT
    issuer: str | None = None
    signer: Key | None = None
    is_sha256: bool = False
    begins: datetime = AUTHORITY_BEGINS
    ends: datetime = AUTHORITY_ENDS
    serial: int = 1 << 100
    path: tuple[bool, int | None] | None = (True, 1)
    """Whether an authority, and above how many others."""
    is_critical: bool = True
    usage: tuple[bool, bool, bool] = (True, True, False)
    """keyCertSign, cRLSign, digitalSignature."""
    permitted: tuple[x509.GeneralName, ...] | None = PERMITTED
    excluded: tuple[x509.GeneralName, ...] | None = None
    key_id: bytes | None = None
    more: x509.ExtensionType | None = None

    def pem(self) -> bytes:
        subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in self.subject])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.issuer)]) if self.issuer else subject
        public = self.key.public_key()
        builder = x509.CertificateBuilder(issuer, subject, public, self.serial, self.begins, self.ends)
        if self.path:
            builder = builder.add_extension(x509.BasicConstraints(*self.path), critical=self.is_critical)
        sign, revoke, other = self.usage
        usage = x509.KeyUsage(
            digital_signature=other, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=sign, crl_sign=revoke, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(usage, critical=True)
        if self.permitted or self.excluded:
            builder = builder.add_extension(x509.NameConstraints(self.permitted, self.excluded), critical=True)
        key_id = x509.SubjectKeyIdentifier(self.key_id) if self.key_id else x509.SubjectKeyIdentifier.from_public_key(public)
        builder = builder.add_extension(key_id, critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        if self.more:
            builder = builder.add_extension(self.more, critical=False)
        digest = hashes.SHA256() if self.is_sha256 else hashes.SHA512()
        return builder.sign(self.signer or self.key, digest).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("7K3M9QXZ")


@pytest.fixture(scope="module")
def pem(authority: Authority) -> bytes:
    return authority.root.certificate


@pytest.fixture(scope="module")
def form(authority: Authority) -> Form:
    key = serialization.load_pem_private_key(authority.root.key.reveal(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Form(key)


PUBLIC = b"".join(trust.to_pem(bytes([number]) * 100) for number in range(3))
"""What stands for public authorities: the store keeps them, whatever is in them."""


@dataclass
class Store:
    """A trust store in a folder of the test's, laid out as Debian's."""

    folder: Path

    @property
    def anchor(self) -> Path:
        return self.folder / "anchors/nightjar.crt"

    @property
    def bundle(self) -> Path:
        return self.folder / "certs/bundle.crt"

    def install(self, pem: bytes, device_id: bytes | None = None) -> bool:
        return bool(INSTALL(pem, device_id or trust.check_authority(trust.from_pem(pem)), self.anchor, self.bundle))

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    def links(self) -> dict[str, str]:
        return {path.name: str(path.readlink()) for path in self.bundle.parent.iterdir() if path.is_symlink()}

    def holds(self, pem: bytes) -> None:
        """Check that this one is trusted, and no other of ours, by bundle and by hash."""
        assert self.files() == {"anchors/nightjar.crt": pem, "certs/bundle.crt": PUBLIC + pem}
        hashed = subprocess.run(
            ["openssl", "x509", "-noout", "-subject_hash"], input=pem, capture_output=True, check=True, timeout=20
        )
        assert self.links() == {"nightjar.pem": str(self.anchor), f"{hashed.stdout.decode().strip()}.0": "nightjar.pem"}

    def break_down(self) -> None:
        """Let every change of the bundle fail."""
        (self.folder / "certs/bundle.crt.part/in-the-way").mkdir(parents=True)

    def repair(self) -> None:
        shutil.rmtree(self.folder / "certs/bundle.crt.part")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    for path in (made.anchor, made.bundle):
        path.parent.mkdir(parents=True)
    made.bundle.write_bytes(PUBLIC)
    return made


def refusal_of(untrusted: bytes) -> str:
    with pytest.raises(trust.Refusal) as caught:
        trust.check_authority(trust.from_pem(untrusted))
    return str(caught.value)


def test_an_authority_of_ours_is_let_through(pem: bytes) -> None:
    trust.check_authority(trust.from_pem(pem))


def test_the_form_of_these_tests_is_that_of_ours(form: Form) -> None:
    trust.check_authority(trust.from_pem(form.pem()))


def test_the_script_permits_what_the_authority_certifies() -> None:
    assert trust.PERMITTED_DOMAINS == PERMITTED_DOMAINS
    assert tuple(ip_network(text) for text in trust.PERMITTED_NETWORKS) == PERMITTED_NETWORKS


def net(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_network(text))


CHANGES: dict[str, tuple[Callable[[Form], Form], str]] = {
    "not an authority": (lambda f: replace(f, path=(False, None)), "not an authority"),
    "says nothing of authority": (lambda f: replace(f, path=None), "not an authority"),
    "authority, but not critically": (lambda f: replace(f, is_critical=False), "not an authority"),
    "longer path": (lambda f: replace(f, path=(True, 2)), "not an authority"),
    "any path": (lambda f: replace(f, path=(True, None)), "not an authority"),
    "other key usage": (lambda f: replace(f, usage=(True, True, True)), "key usage"),
    "may not sign": (lambda f: replace(f, usage=(False, True, False)), "key usage"),
    "no name constraints": (lambda f: replace(f, permitted=None), "not constrained"),
    "one network more": (lambda f: replace(f, permitted=(*PERMITTED, net("203.0.113.0/24"))), "not constrained"),
    "all networks": (lambda f: replace(f, permitted=(*DOMAINS, net("0.0.0.0/0"))), "not constrained"),
    "one domain more": (lambda f: replace(f, permitted=(x509.DNSName("com"), *PERMITTED)), "not constrained"),
    "wider network": (lambda f: replace(f, permitted=(*DOMAINS, net("10.0.0.0/7"), *NETWORKS[1:])), "not constrained"),
    "no domains: any name": (lambda f: replace(f, permitted=NETWORKS), "not constrained"),
    "no networks: any address": (lambda f: replace(f, permitted=DOMAINS), "not constrained"),
    "excluded only": (lambda f: replace(f, permitted=None, excluded=(x509.DNSName("com"),)), "not constrained"),
    "signed with SHA-256": (lambda f: replace(f, is_sha256=True), "SHA-512"),
    "other issuer": (lambda f: replace(f, issuer="A bank's authority"), "subject or issuer"),
    "other organisation": (lambda f: replace(f, subject=((SUBJECT[0][0], "Nightingale"), *SUBJECT[1:])), "subject or issuer"),
    "two device ids": (lambda f: replace(f, subject=(SUBJECT[0], (SUBJECT[1][0], "00000000"), SUBJECT[2])), "subject or issuer"),
    "one more name": (lambda f: replace(f, subject=((NameOID.COUNTRY_NAME, "AT"), *SUBJECT)), "subject or issuer"),
    "ends later": (lambda f: replace(f, ends=datetime(2055, 1, 1, tzinfo=UTC)), "another day"),
    "begins later": (lambda f: replace(f, begins=datetime(2025, 1, 1, tzinfo=UTC)), "another day"),
    "other key identifier": (lambda f: replace(f, key_id=bytes(20)), "key identifier"),
    "one more extension": (lambda f: replace(f, more=x509.OCSPNoCheck()), "do not have"),
    "another's signature": (lambda f: replace(f, signer=rsa.generate_private_key(65537, 4096)), "not signed by itself"),
    "weak key": (lambda f: replace(f, key=rsa.generate_private_key(65537, 2048)), "RSA"),
    "odd exponent": (lambda f: replace(f, key=rsa.generate_private_key(3, 4096)), "exponent"),
    "elliptic key": (lambda f: replace(f, key=ec.generate_private_key(ec.SECP256R1())), "RSA"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "word"), CHANGES.values(), ids=CHANGES)
def test_one_part_that_differs_is_refused_by_its_name(form: Form, change: Callable[[Form], Form], word: str) -> None:
    assert word in refusal_of(change(form).pem())


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: pem + pem,
        lambda pem: pem + b"junk\n",
        lambda pem: b"junk\n" + pem,
        lambda pem: pem + b"\n",
        lambda pem: b"\xef\xbb\xbf" + pem,
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
        lambda pem: pem[:60] + b"\n" + pem[60:],
        lambda pem: pem[:200],
        lambda pem: b"",
        lambda pem: trust.HEAD + trust.TAIL[:-1],
        lambda pem: pem.replace(b"A", b"\0", 1),
    ],
    ids=[
        "two", "junk after", "junk before", "blank line", "byte order mark", "CRLF", "other label", "odd line", "cut", "empty",
        "no end", "NUL",
    ],
)  # fmt: skip
def test_a_file_that_is_not_exactly_one_certificate_is_refused(pem: bytes, damage: Callable[[bytes], bytes]) -> None:
    assert refusal_of(damage(pem)) == "is not exactly one PEM certificate"


def test_an_empty_certificate_is_refused() -> None:
    assert "certificate" in refusal_of(trust.to_pem(b""))


def test_something_after_the_certificate_within_the_pem_is_refused(pem: bytes) -> None:
    assert "something after" in refusal_of(trust.to_pem(trust.from_pem(pem) + b"\0"))


def test_a_private_key_beside_the_certificate_is_refused(authority: Authority) -> None:
    assert refusal_of(authority.root.certificate + authority.root.key.reveal()) == "is not exactly one PEM certificate"


@given(data=st.data())
def test_no_changed_bit_passes(pem: bytes, data: st.DataObject) -> None:
    der = bytearray(trust.from_pem(pem))
    der[data.draw(st.integers(0, len(der) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert refusal_of(trust.to_pem(bytes(der)))


@given(data=st.data())
def test_no_cut_or_grown_certificate_passes(pem: bytes, data: st.DataObject) -> None:
    der = trust.from_pem(pem)
    at = data.draw(st.integers(0, len(der) - 1))
    grown = der[:at] + data.draw(st.binary(max_size=20)) + der[at + data.draw(st.integers(0, 20)) :]
    if grown != der:
        assert refusal_of(trust.to_pem(grown))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_and_nothing_else_happens(untrusted: bytes) -> None:
    assert refusal_of(untrusted)
    assert refusal_of(trust.to_pem(untrusted))


def test_lengths_that_are_not_in_their_shortest_form_are_refused() -> None:
    for untrusted in (
        b"\x30\x80\0\0",
        b"\x30\x81\x01\0",
        b"\x30\x82\x00\x01\0",
        b"\x30\x05\0",
        b"\x30",
        b"\x30\xff",
        b"\x30\x84\xff\xff\xff\xff",
    ):
        with pytest.raises(trust.Refusal):
            trust.Reader(untrusted).take(0x30, "value")


@pytest.fixture
def source(tmp_path: Path, pem: bytes) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(pem)
    return path


def test_a_plain_file_is_read(source: Path, pem: bytes) -> None:
    assert trust.read_untrusted(source) == pem


def test_a_link_is_not_followed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link.pem").symlink_to(source)
    with pytest.raises(trust.Refusal, match="plain file"):
        trust.read_untrusted(tmp_path / "link.pem")


@pytest.mark.timeout(10)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pem")
    with pytest.raises(trust.Refusal, match="not a plain file"):
        trust.read_untrusted(tmp_path / "pipe.pem")


def test_a_folder_a_device_and_nothing_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "missing.pem"):
        with pytest.raises(trust.Refusal, match="plain file"):
            trust.read_untrusted(path)


@pytest.mark.parametrize("size", [8193, 10 << 20])
def test_a_large_file_is_refused(tmp_path: Path, pem: bytes, size: int) -> None:
    path = tmp_path / "large.pem"
    path.write_bytes(pem.ljust(size, b"\n"))
    with pytest.raises(trust.Refusal, match="larger than 8192"):
        trust.read_untrusted(path)


def test_it_is_installed_for_everybody_to_read_and_once(store: Store, pem: bytes) -> None:
    assert store.install(pem)
    store.holds(pem)
    for path in (store.anchor, store.bundle):
        assert path.stat().st_mode & 0o777 == 0o644
    store.break_down()
    assert not store.install(pem), "nothing is to be done"


def test_a_new_one_takes_the_place_of_the_old_one(store: Store, pem: bytes) -> None:
    store.install(pem)
    successor = make_authority("0000000Z").root.certificate
    assert store.install(successor)
    store.holds(successor)


def test_one_from_before_the_start_does_not_stay(store: Store, pem: bytes) -> None:
    store.install(make_authority("0000000Z").root.certificate)
    store.anchor.unlink()  # its folder is in memory
    assert store.install(pem)
    store.holds(pem)


def test_a_store_that_forgot_it_gets_it_again(store: Store, pem: bytes) -> None:
    store.install(pem)
    store.bundle.write_bytes(PUBLIC)
    assert store.install(pem)
    store.holds(pem)


def test_another_authority_with_the_same_hash_keeps_its_link(store: Store, pem: bytes) -> None:
    store.install(pem)
    ours = next(name for name in store.links() if name != "nightjar.pem")
    (store.bundle.parent / ours).unlink()
    (store.bundle.parent / ours).symlink_to("public.pem")
    store.bundle.write_bytes(PUBLIC)
    assert store.install(pem)
    assert store.links() == {"nightjar.pem": str(store.anchor), ours: "public.pem", ours.replace(".0", ".1"): "nightjar.pem"}


def test_a_store_that_cannot_be_changed_keeps_the_old_one(store: Store, pem: bytes) -> None:
    store.break_down()
    with pytest.raises(OSError, match=r"bundle\.crt\.part"):
        store.install(pem)
    assert (store.files(), store.links()) == ({"certs/bundle.crt": PUBLIC}, {})
    store.repair()
    store.install(pem)
    store.break_down()
    with pytest.raises(OSError, match=r"bundle\.crt\.part"):
        store.install(make_authority("0000000Z").root.certificate)
    store.holds(pem)


def test_a_run_that_broke_off_is_made_good_by_the_next_one(store: Store, pem: bytes) -> None:
    shutil.rmtree(store.anchor.parent)
    with pytest.raises(FileNotFoundError):
        store.install(pem)
    store.anchor.parent.mkdir()
    assert store.install(pem), "something was to be done"
    store.holds(pem)


def test_a_part_that_a_killed_run_left_is_no_hindrance(store: Store, pem: bytes) -> None:
    for path in (store.anchor, store.bundle):
        path.with_name(path.name + ".part").symlink_to(store.folder / "elsewhere")
    assert store.install(pem)
    store.holds(pem)


@pytest.fixture
def redirected(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Let `main` install into the test's store."""
    monkeypatch.setattr(trust, "install", store.install)
    return store


def test_the_command_says_what_it_did(redirected: Store, source: Path, capsys: pytest.CaptureFixture[str], pem: bytes) -> None:
    fingerprint = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()
    assert trust.main([], source) == 0
    assert capsys.readouterr().out == f"nightjar-trust: installed: SHA-256 {fingerprint}\n"
    assert trust.main([], source) == 0
    assert "trusted already" in capsys.readouterr().out


def test_the_command_refuses_in_one_line_and_changes_nothing(
    redirected: Store, source: Path, capsys: pytest.CaptureFixture[str], form: Form
) -> None:
    trust.main([], source)
    before = redirected.files()
    source.write_bytes(replace(form, permitted=None).pem())
    capsys.readouterr()
    assert trust.main([], source) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "refused, nothing changed" in said
    assert "not constrained" in said
    assert redirected.files() == before


def test_the_command_takes_no_arguments(redirected: Store, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trust.main(["/etc/shadow"], source) == 2
    assert "no arguments" in capsys.readouterr().err
    assert redirected.files() == {"certs/bundle.crt": PUBLIC}


def test_a_store_that_fails_is_told_and_not_refused(redirected: Store, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    redirected.break_down()
    assert trust.main([], source) == 1
    assert "could not be changed" in capsys.readouterr().err
