"""The keeper of the certificates: made once, followed, renewed, imported; what it answers about names."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.domain.errors import InputError, SecurityError
from appliance.domain.secret import Secret
from appliance.security.addresses import LocalAddresses
from appliance.security.certificate import AUTHORITY_ENDS, key_in
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.web.certificates import CHECK_EVERY_S, CertificateKeeper, Machine
from appliance.web.issuer import Issuer
from tests.unit.web.gatehouse import SettableClock


class Place:
    """A data folder, a clock and a machine whose names and addresses a test changes."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder, self.clock = folder, SettableClock()
        self.clock.wall = datetime.now(UTC)
        self.board = HealthBoard(self.clock)
        self.machine = Machine("Roof.example.org", LocalAddresses((ip_address("192.168.1.17"),), (ip_address("203.0.113.9"),)))
        self.keeper = self.new_keeper()

    def new_keeper(self, *, issues: bool = True) -> CertificateKeeper:
        issuer = Issuer(self.folder, "7K3M9QXZ") if issues else None
        return CertificateKeeper(self.folder, self.clock, self.board, issuer, lambda: self.machine)

    def move(self, *addresses: str, host_name: str = "roof") -> None:
        self.machine = Machine(host_name, LocalAddresses(tuple(map(ip_address, addresses)), ()))

    def later(self, seconds: float = CHECK_EVERY_S) -> None:
        self.clock.run(seconds)
        self.keeper.step()

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder.root / "tls").iterdir()}

    def issues(self) -> list[str]:
        return [issue.key for issue in self.board.issues]


@pytest.fixture(scope="module")
def first_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = DataFolder(tmp_path_factory.mktemp("first") / "data")
    folder.open()
    place = Place(folder)
    place.keeper.open()
    folder.close()
    return place.files()


@pytest.fixture
def place(tmp_path: Path, first_files: dict[str, bytes]) -> Iterator[Place]:
    """Give a place at its second start: the keys are there."""
    folder = DataFolder(tmp_path / "data")
    folder.open()
    for name, content in first_files.items():
        folder.write_tls(name, content)
    yield Place(folder)
    folder.close()


def own(host: str = "allsky.example.org", days: int = 90, begins: datetime | None = None) -> tuple[bytes, Secret[bytes]]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    begins = begins or datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), Secret(pem)


def test_the_first_start_makes_six_private_files(first_files: dict[str, bytes], place: Place) -> None:
    assert sorted(first_files) == ["ca-key.pem", "ca.pem", "intermediate-key.pem", "intermediate.pem", "p256.pem", "rsa.pem"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (place.folder.root / "tls").iterdir())
    assert b"PRIVATE" not in first_files["ca.pem"]
    assert b"PRIVATE" not in first_files["intermediate.pem"]


def test_the_second_start_makes_nothing(place: Place, first_files: dict[str, bytes]) -> None:
    place.keeper.open()
    assert place.files() == first_files
    assert place.issues() == []


def test_the_keeper_tells_names_addresses_left_out_and_fingerprint(place: Place) -> None:
    place.keeper.open()
    assert place.keeper.names.texts == ("roof.local", "nightjar.local", "localhost", "127.0.0.1", "::1", "192.168.1.17")
    assert [str(address) for address in place.keeper.left_out] == ["203.0.113.9"]
    assert len(place.keeper.fingerprint.split(":")) == 32
    assert place.keeper.authority_pem.startswith(b"-----BEGIN CERTIFICATE-----")
    assert ssl.DER_cert_to_PEM_cert(place.keeper.authority_der).split() == place.keeper.authority_pem.decode().split()
    assert timedelta(days=364) < place.keeper.not_after - place.clock.now() < timedelta(days=365)


def test_a_changed_address_or_name_is_in_the_next_check_and_the_keys_stay(place: Place, first_files: dict[str, bytes]) -> None:
    place.keeper.open()
    place.move("10.0.0.9", host_name="barn")
    place.later()
    assert place.keeper.names.texts == ("barn.local", "nightjar.local", "localhost", "127.0.0.1", "::1", "10.0.0.9")
    files = place.files()
    for name in ("rsa.pem", "p256.pem"):
        assert files[name] != first_files[name]
        assert key_in(Secret(files[name])).reveal() == key_in(Secret(first_files[name])).reveal()
    assert files["ca.pem"] == first_files["ca.pem"]


def test_between_two_checks_nothing_is_looked_at(place: Place) -> None:
    place.keeper.open()
    place.move("10.0.0.9")
    place.later(CHECK_EVERY_S - 1)
    assert ip_address("10.0.0.9") not in place.keeper.names.addresses
    assert CHECK_EVERY_S * 2 < 60


def test_before_its_end_a_leaf_is_renewed_with_new_keys(place: Place, first_files: dict[str, bytes]) -> None:
    place.keeper.open()
    place.clock.jump(320)
    place.later()
    assert place.keeper.not_after > place.clock.now() + timedelta(days=363)
    assert key_in(Secret(place.files()["rsa.pem"])).reveal() != key_in(Secret(first_files["rsa.pem"])).reveal()
    assert place.files()["ca.pem"] == first_files["ca.pem"]


@pytest.mark.parametrize("days", [-30, 400])
def test_after_a_clock_jump_the_leaf_is_valid_again_at_the_next_check(place: Place, days: int) -> None:
    place.keeper.open()
    place.clock.jump(days)
    place.later()
    assert timedelta(days=364) < place.keeper.not_after - place.clock.now() < timedelta(days=365)


def test_a_clock_beyond_the_authoritys_life_is_an_issue_and_the_panel_goes_on(place: Place) -> None:
    place.keeper.open()
    context = place.keeper.context
    now = place.clock.wall
    place.clock.wall = AUTHORITY_ENDS + timedelta(days=1)
    place.later()
    assert place.issues() == ["certificate.renewal"]
    assert place.keeper.context is context
    place.clock.wall = now
    place.later()
    assert place.issues() == []


@pytest.mark.parametrize("name", ["rsa.pem", "p256.pem"])
def test_a_missing_or_damaged_leaf_is_made_again(place: Place, first_files: dict[str, bytes], name: str) -> None:
    place.folder.write_tls(name, first_files[name][:500])
    place.keeper.open()
    assert place.files()["ca.pem"] == first_files["ca.pem"]
    assert place.issues() == []


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "intermediate.pem", "intermediate-key.pem"])
def test_a_damaged_authority_is_made_again_and_that_is_said(place: Place, first_files: dict[str, bytes], name: str) -> None:
    place.folder.write_tls(name, b"damaged")
    place.keeper.open()
    assert place.files()["ca.pem"] != first_files["ca.pem"]
    assert place.issues() == ["certificate.authority"]


def test_where_another_process_issues_changed_files_are_taken_up_and_broken_ones_not(
    place: Place, first_files: dict[str, bytes]
) -> None:
    place.keeper = place.new_keeper(issues=False)
    place.keeper.open()
    before = place.keeper.names
    place.folder.write_tls("rsa.pem", b"half")
    place.later()
    assert place.keeper.names == before
    assert place.issues() == ["certificate.renewal"]
    place.folder.write_tls("rsa.pem", first_files["rsa.pem"])
    elsewhere = place.new_keeper()
    place.move("10.0.0.9")
    elsewhere.open()
    place.later()
    assert ip_address("10.0.0.9") in place.keeper.names.addresses
    assert place.issues() == []


def test_without_files_and_issuer_there_is_nothing_to_serve(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.open()
    with pytest.raises(SecurityError, match="wait for them"):
        Place(folder).new_keeper(issues=False).open()
    folder.close()


def test_an_imported_certificate_is_kept_over_a_restart_and_can_be_removed(place: Place) -> None:
    place.keeper.open()
    assert place.keeper.import_own(*own()).hosts == ("allsky.example.org",)
    again = place.new_keeper()
    again.open()
    assert again.own is not None
    assert again.is_ours("allsky.example.org", "192.168.1.17")
    assert again.remove_own()
    assert not again.remove_own()
    assert again.own is None
    assert not again.is_ours("allsky.example.org", "192.168.1.17")
    assert (place.folder.root / "keys" / "own.pem").exists() is False


def test_a_bad_import_changes_nothing(place: Place) -> None:
    place.keeper.open()
    place.keeper.import_own(*own())
    before, files = place.keeper.own, place.files()
    with pytest.raises(InputError):
        place.keeper.import_own(own()[0], own()[1])
    assert place.keeper.own is before
    assert place.files() == files


def test_an_imported_certificate_that_ends_is_announced_and_then_not_used(place: Place) -> None:
    place.keeper.open()
    place.keeper.import_own(*own(days=90))
    assert place.issues() == []
    place.clock.jump(75)
    place.later()
    assert place.issues() == ["certificate.own"]
    assert place.keeper.own is not None
    place.clock.jump(20)
    place.later()
    assert place.keeper.own is None
    assert "has ended" in place.board.issues[0].title
    place.keeper.import_own(*own(begins=place.clock.now() - timedelta(days=1)))
    assert place.issues() == []


def test_a_damaged_import_does_not_stop_the_panel(place: Place) -> None:
    place.folder.make_key("own.pem", Secret(b"damaged"))
    place.keeper.open()
    assert place.keeper.own is None
    assert place.issues() == ["certificate.own"]


def test_browsers_are_told_to_insist_for_a_day_only_on_the_devices_own_authority(place: Place) -> None:
    place.keeper.open()
    place.keeper.import_own(*own())
    assert place.keeper.hsts("nightjar.local") == "max-age=86400"
    assert place.keeper.hsts("allsky.example.org") == "max-age=86400", "its root is in no trust store"


@pytest.mark.parametrize(
    "host", ["nightjar.local", "NIGHTJAR.local.", "roof.local", "roof", "roof.example.org", "localhost",
     "192.168.1.17", "203.0.113.9"],
)  # fmt: skip
def test_known_names_and_the_called_address_are_ours(place: Place, host: str) -> None:
    place.keeper.open()
    assert place.keeper.is_ours(host, host if host[0].isdigit() else "192.168.1.17")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "nightjar.local.evil.example", "192.168.1.18", "local", "nightjar.local:443",
     "nightjar.local/x", "[::1]"],
)  # fmt: skip
def test_others_are_not(place: Place, host: str) -> None:
    place.keeper.open()
    assert not place.keeper.is_ours(host, "192.168.1.17")


def test_an_ipv6_address_is_compared_by_value_and_without_its_zone(place: Place) -> None:
    place.keeper.open()
    assert place.keeper.is_ours("fe80:0::1", "fe80::1%eth0")
    assert not place.keeper.is_ours("fe80::2", "fe80::1%eth0")
