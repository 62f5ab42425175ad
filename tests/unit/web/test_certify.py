"""Issuing apart from the panel: the command on one side, what the panel asks and takes up on the other."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.domain.errors import SecurityError, StartError, StoreError
from appliance.domain.secret import Secret
from appliance.security.addresses import LocalAddresses
from appliance.security.certificate import key_in, load_certificate, names_of
from appliance.security.tokens import CROCKFORD, device_id_of
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.web import issuerapart
from appliance.web.certificates import CHECK_EVERY_S, CertificateKeeper, Machine
from appliance.web.certify import Places, issue, run
from appliance.web.issuerapart import PATIENCE_S, WANTED, IssuerApart
from tests.unit.web.gatehouse import SettableClock

MACHINE_ID = b"3d1219c7c4c5404aaa1f6d2a48adfda4\n"
LEAVES = {"rsa.pem", "p256.pem"}


BEAT_S = 0.5
"""What passes between two signs of whoever waits."""


class Device:
    """Both sides: the authority's folders, and the data folder of the panel."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root / "ca", root / "tls", root / "machine-id")
        self.places.private.mkdir(0o700)
        self.places.handed.mkdir()
        self.places.handed.chmod(0o2750)
        self.places.machine_id.write_bytes(MACHINE_ID)
        self.clock = SettableClock()
        self.clock.wall = datetime.now(UTC)
        self.board = HealthBoard(self.clock)
        self.machine = Machine("roof", LocalAddresses((ip_address("192.168.1.17"),), ()))
        self.folder = DataFolder(root / "data")
        self.runtime = root / "run"
        self.runtime.mkdir()
        self.beats = 0
        self.meanwhile: float | None = None
        """When the other user has made its certificates."""
        self.keeper = self.new_keeper()

    def new_keeper(self) -> CertificateKeeper:
        apart = IssuerApart(self.folder, self.runtime, self.clock)
        return CertificateKeeper(self.folder, self.clock, self.board, apart, lambda: self.machine)

    def beat(self) -> None:
        """Let time pass for whoever waits."""
        self.beats += 1
        self.clock.run(BEAT_S)
        if self.meanwhile is not None and self.clock.monotonic() > self.meanwhile:
            self.meanwhile = None
            self.issue()

    def issue(self) -> set[str]:
        """Run the command, and show the panel what it handed over; on the device a mount does that."""
        written = issue(self.places, self.clock, lambda: self.machine)
        for path in self.places.handed.iterdir():
            self.folder.write_tls(path.name, path.read_bytes())
        return set(written)

    def later(self, seconds: float = CHECK_EVERY_S) -> None:
        self.clock.run(seconds)
        self.keeper.step()

    def was_asked(self) -> bool:
        wanted = self.runtime / WANTED
        is_there = wanted.exists()
        wanted.unlink(missing_ok=True)
        return is_there

    def handed(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.places.handed.iterdir()}

    def issues(self) -> list[str]:
        return [issue.key for issue in self.board.issues]


@pytest.fixture(autouse=True)
def no_real_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuerapart, "_LOOK_EVERY_S", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Device:
    device = Device(tmp_path_factory.mktemp("made"))
    device.issue()
    return device


@pytest.fixture
def device(tmp_path: Path, made: Device) -> Iterator[Device]:
    """Give a device whose authority was made before."""
    device = Device(tmp_path)
    (device.places.private / "tls").mkdir()
    for path in (made.places.private / "tls").iterdir():
        (device.places.private / "tls" / path.name).write_bytes(path.read_bytes())
    yield device
    device.folder.close()


def test_root_and_leaves_are_handed_over_and_no_key_of_an_authority(made: Device) -> None:
    handed = made.handed()
    assert set(handed) == LEAVES | {"ca.pem"}
    kept = {path.name: path.read_bytes() for path in (made.places.private / "tls").iterdir()}
    assert set(kept) == set(handed) | {"ca-key.pem", "intermediate.pem", "intermediate-key.pem"}
    for key in (kept["ca-key.pem"], kept["intermediate-key.pem"]):
        assert not any(key.strip() in content for content in handed.values())
    assert b"PRIVATE" not in handed["ca.pem"]


def test_the_authority_bears_the_device_id(made: Device) -> None:
    assert device_id_of(MACHINE_ID) in load_certificate(made.handed()["ca.pem"]).subject.rfc4514_string()


def test_where_nothing_is_due_nothing_is_written(device: Device) -> None:
    assert device.issue() == LEAVES | {"ca.pem"}
    before = {path: path.stat().st_mtime_ns for path in (*device.places.handed.iterdir(), *device.places.private.rglob("*"))}
    assert device.issue() == set()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_new_address_brings_new_leaves_and_keeps_their_keys(device: Device) -> None:
    device.issue()
    before = device.handed()
    device.machine = Machine("barn", LocalAddresses((ip_address("10.0.0.9"),), ()))
    assert device.issue() == LEAVES
    after = device.handed()
    assert names_of(after["p256.pem"]).texts == ("barn.local", "nightjar.local", "localhost", "127.0.0.1", "::1", "10.0.0.9")
    assert all(key_in(Secret(after[name])).reveal() == key_in(Secret(before[name])).reveal() for name in LEAVES)


def test_leaves_are_renewed_before_they_end(device: Device) -> None:
    device.issue()
    device.clock.jump(320)
    assert device.issue() == LEAVES


def test_what_was_lost_on_the_way_is_handed_over_again(device: Device) -> None:
    device.issue()
    (device.places.handed / "rsa.pem").unlink()
    (device.places.handed / "ca.pem").write_bytes(b"another's")
    assert device.issue() == {"rsa.pem", "ca.pem"}


def test_root_is_refused(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(StartError, match="nightjar-ca"):
        run(device.places)
    assert device.handed() == {}


def test_another_user_issues_for_this_machine(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    own = device.places.private.stat().st_uid
    monkeypatch.setattr(os, "geteuid", iter((1, *[own] * 99)).__next__)
    assert run(device.places) == 0
    assert {"127.0.0.1", "::1"} <= set(names_of(device.handed()["p256.pem"]).texts)


@pytest.mark.parametrize("content", [b"", b"uninitialized\n", b"3d1219c7", MACHINE_ID.upper(), MACHINE_ID * 2])
def test_without_a_machine_id_nothing_is_made(device: Device, content: bytes) -> None:
    device.places.machine_id.write_bytes(content)
    with pytest.raises(SecurityError, match="no id yet"):
        device.issue()
    device.places.machine_id.unlink()
    with pytest.raises(SecurityError, match="cannot be read"):
        device.issue()
    assert device.handed() == {}


def test_a_device_id_hides_the_machine_id_and_stays_the_same() -> None:
    device_id = device_id_of(MACHINE_ID)
    assert len(device_id) == 8
    assert set(device_id) <= set(CROCKFORD)
    assert device_id == device_id_of(MACHINE_ID.strip())
    assert device_id != device_id_of(b"4" + MACHINE_ID[1:])


def test_the_panel_asks_for_what_is_missing_and_opens_when_it_is_there(device: Device) -> None:
    with pytest.raises(SecurityError, match="wait for them to be made"):
        device.keeper.open(device.beat)
    assert device.was_asked()
    device.issue()
    device.keeper.open()
    assert not device.was_asked()
    assert "192.168.1.17" in device.keeper.names.texts
    assert device.issues() == []


def test_a_first_start_waits_for_what_is_being_made_and_gives_a_sign_all_the_while(device: Device) -> None:
    began = device.clock.monotonic()
    device.meanwhile = began + PATIENCE_S / 2
    device.keeper.open(device.beat)
    assert PATIENCE_S / 2 < device.clock.monotonic() - began < PATIENCE_S / 2 + 5
    assert device.beats >= PATIENCE_S / 2 / BEAT_S, "else the process would end itself"
    assert device.keeper.fingerprint
    assert device.issues() == []


def test_a_start_waits_no_longer_than_a_small_machine_needs(device: Device) -> None:
    began = device.clock.monotonic()
    with pytest.raises(SecurityError, match="wait for them to be made"):
        device.keeper.open(device.beat)
    assert PATIENCE_S <= device.clock.monotonic() - began < PATIENCE_S + 5


def test_the_panel_asks_for_a_new_address_and_takes_it_up_within_a_minute(device: Device) -> None:
    device.issue()
    device.keeper.open()
    device.machine = Machine("barn", LocalAddresses((ip_address("10.0.0.9"),), ()))
    device.later()
    assert device.was_asked()
    assert (device.runtime / WANTED).exists() is False
    device.issue()
    device.later()
    assert not device.was_asked()
    assert device.keeper.names.texts[:1] == ("barn.local",)
    assert "10.0.0.9" in device.keeper.names.texts
    assert 2 * CHECK_EVERY_S + 15 < 60, "two looks of the panel, and a renewal on the smallest Pi"


def test_what_the_panel_asks_with_says_nothing(device: Device) -> None:
    with pytest.raises(SecurityError):
        device.keeper.open(device.beat)
    assert (device.runtime / WANTED).read_bytes() == b""


def test_an_issuer_that_does_not_answer_becomes_an_issue_and_is_forgiven(device: Device) -> None:
    device.issue()
    device.keeper.open()
    device.machine = Machine("barn", LocalAddresses((), ()))
    device.later()
    assert device.issues() == []
    device.later(PATIENCE_S + 1)
    assert device.issues() == ["certificate.renewal"]
    assert device.was_asked(), "it goes on asking"
    device.issue()
    device.later()
    assert device.issues() == []


def test_a_clock_that_jumps_makes_nobody_impatient(device: Device) -> None:
    device.issue()
    device.keeper.open()
    device.machine = Machine("barn", LocalAddresses((), ()))
    device.later()
    device.clock.jump(30)
    device.later()
    assert device.issues() == []


def test_a_new_authority_is_told(device: Device, made: Device) -> None:
    device.issue()
    device.keeper.open()
    (device.places.private / "tls/ca-key.pem").write_bytes(b"damaged")
    assert device.issue() == LEAVES | {"ca.pem"}
    device.later()
    assert device.issues() == ["certificate.authority"]
    assert device.keeper.authority_pem != made.handed()["ca.pem"]


def test_a_runtime_folder_that_is_gone_becomes_an_issue(device: Device) -> None:
    device.issue()
    device.keeper.open()
    device.machine = Machine("barn", LocalAddresses((), ()))
    device.runtime.rmdir()
    device.later()
    assert device.issues() == ["certificate.renewal"]
    with pytest.raises(StoreError, match=WANTED):
        IssuerApart(device.folder, device.runtime, device.clock).ensure(
            names_of(made_leaf(device)), device.clock.now().replace(year=2050)
        )


def made_leaf(device: Device) -> bytes:
    return device.handed()["p256.pem"]


def test_without_anybody_to_ask_a_mended_file_clears_the_issue(device: Device) -> None:
    device.issue()
    device.keeper = CertificateKeeper(device.folder, device.clock, device.board, None, lambda: device.machine)
    device.keeper.open()
    whole = device.folder.read_tls("rsa.pem") or b""
    device.folder.write_tls("rsa.pem", b"damaged")
    device.later()
    assert device.issues() == ["certificate.renewal"]
    device.folder.write_tls("rsa.pem", whole)
    device.later()
    assert device.issues() == []
