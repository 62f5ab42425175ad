"""What `nightjar-update-check` lets be installed, and each thing that it refuses with the sentence for it."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rootfs import scripts

script, done = scripts.load("nightjar-update-check"), scripts.load("nightjar-update-done")
records, machine = scripts.part("records"), scripts.part("machine")

MIB = 1 << 20
MANIFEST = """[update]
compatible=nightjar-arm64
version={version}
description=better

[bundle]
format=verity

[image.boot]
filename=boot.vfat

[image.root]
filename=root.squashfs
sha256=00
"""


class Machine:
    """A mounted bundle, a card and the kernel's files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bundle = folder, folder / "bundle"
        for name in ("bundle", "data/nightjar", "notes", "root/proc/net"):
            (folder / name).mkdir(parents=True)
        (folder / "root/proc/sys/kernel/random").mkdir(parents=True)
        (folder / "root/proc/sys/kernel/random/boot_id").write_text("6a1f\n")
        self.tell(MANIFEST.format(version="1.3.0"))
        (self.bundle / "boot.vfat").write_bytes(bytes(MIB))
        (self.bundle / "root.squashfs").write_bytes(bytes(2 * MIB))
        for name in ("root_b", "boot_b"):
            (folder / name).write_bytes(bytes(2 * MIB))
        (folder / "os-release").write_text('IMAGE_VERSION="1.2.0"\n')
        (folder / "data/nightjar/nightjar.db").write_bytes(bytes(1000))
        self.places = script.Places(folder / "data", folder / "notes", folder / "root", folder / "os-release", folder / "cmdline")
        (folder / "cmdline").write_text("root=PARTUUID=1 ro rauc.slot=A quiet\n")
        self.environment = {
            "RAUC_BUNDLE_MOUNT_POINT": str(self.bundle), "RAUC_TARGET_SLOTS": "2 4",
            "RAUC_SLOT_CLASS_2": "root", "RAUC_SLOT_DEVICE_2": str(folder / "root_b"), "RAUC_SLOT_BOOTNAME_2": "B",
            "RAUC_SLOT_CLASS_4": "boot", "RAUC_SLOT_DEVICE_4": str(folder / "boot_b"), "RAUC_SLOT_BOOTNAME_4": "",
        }  # fmt: skip

    def tell(self, manifest: str) -> None:
        (self.bundle / "manifest.raucm").write_text(manifest)

    @property
    def notes(self) -> object:
        return records.Records(self.folder / "notes")

    def ask(self) -> int:
        return int(script.main(self.environment, self.places))


@pytest.fixture
def device(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def refused(device: Machine, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the sentence; what is on trial stays as it was, and the sentence stands in the history."""
    before = records.Records(device.folder / "notes").trial
    assert device.ask() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    sentence = said.removeprefix("nightjar-update-check: ").rstrip("\n")
    notes = records.Records(device.folder / "notes")
    assert notes.trial == before
    assert sentence[:300] in (device.folder / "notes/history.jsonl").read_text().splitlines()[-1]
    return sentence


def test_a_system_that_this_kind_of_image_still_needs_is_not_written_over(
    device: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def kept(slot: str, devices: Path) -> str:
        asked.append((slot, devices))
        return "the firmware starts from it"

    monkeypatch.setattr(script, "kept_from_being_written", kept)
    assert refused(device, capsys) == "the firmware starts from it"
    assert asked == [("B", Path("/dev/nightjar"))]


@pytest.mark.parametrize("version", ["1.2.0", "1.2.1-rc.1", "1.3.0", "2.0.0+build.7"])
def test_the_same_version_and_newer_ones_are_let_through_and_put_on_trial(device: Machine, version: str) -> None:
    device.tell(MANIFEST.format(version=version))
    (device.folder / "root/proc/net/if_inet6").write_text(f"fd00{'0' * 27}1 02 40 00 80     end0\n")
    assert device.ask() == 0
    trial = records.Records(device.folder / "notes").trial
    assert (trial.version, trial.from_version, trial.slot, trial.start) == (version, "1.2.0", "B", "6a1f")
    assert trial.network == machine.Network(route=False, address=True)
    assert records.Records(device.folder / "notes").slots.versions == {"B": ""}, "what is half written has no version"
    assert done.main(device.folder / "notes") == 0
    assert records.Records(device.folder / "notes").slots.versions == {"B": version}
    assert '"outcome": "installed"' in (device.folder / "notes/history.jsonl").read_text()


@pytest.mark.parametrize("version", ["1.1.9", "1.2.0-rc.9", "0.99.99"])
def test_an_older_version_is_refused(device: Machine, capsys: pytest.CaptureFixture[str], version: str) -> None:
    device.tell(MANIFEST.format(version=version))
    assert refused(device, capsys) == f"version {version} is older than 1.2.0, which runs here: an older version is not installed"


@pytest.mark.parametrize("version", ["", "newest", "1.3", "1.3.0 1", "9" * 100 + ".0.0"])
def test_what_is_no_version_is_refused(device: Machine, capsys: pytest.CaptureFixture[str], version: str) -> None:
    device.tell(MANIFEST.format(version=version))
    assert "none that can be compared" in refused(device, capsys)


def test_a_running_system_without_a_version_takes_none(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (device.folder / "os-release").write_text("ID=debian\n")
    assert "does not say which version it is" in refused(device, capsys)


def test_an_update_for_another_machine_is_refused(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    device.tell(MANIFEST.format(version="1.3.0").replace("nightjar-arm64", "nightjar-x86"))
    assert refused(device, capsys) == "the update is for another kind of machine"


@pytest.mark.parametrize(("name", "part"), [("boot.vfat", "boot"), ("root.squashfs", "root")])
def test_a_part_that_is_larger_than_its_place_is_refused(
    device: Machine, capsys: pytest.CaptureFixture[str], name: str, part: str
) -> None:
    (device.bundle / name).write_bytes(bytes(2 * MIB + 1))
    assert refused(device, capsys) == f"the update's {part} part has 2 MiB, and its place on the card 2"


@pytest.mark.parametrize(
    "change",
    [
        {"RAUC_TARGET_SLOTS": ""},
        {"RAUC_TARGET_SLOTS": "2"},
        {"RAUC_SLOT_CLASS_4": "data"},
        {"RAUC_SLOT_BOOTNAME_2": ""},
        {"RAUC_SLOT_BOOTNAME_4": "A"},
    ],
)
def test_what_would_not_write_one_whole_system_is_refused(
    device: Machine, capsys: pytest.CaptureFixture[str], change: dict[str, str]
) -> None:
    device.environment.update(change)
    assert "exactly a boot part and a root part" in refused(device, capsys)


def test_an_update_of_a_root_alone_is_refused(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    device.tell(MANIFEST.format(version="1.3.0").replace("[image.boot]", "[image.other]"))
    assert "exactly a boot part and a root part" in refused(device, capsys)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/b", ".hidden", "", "a b"])
def test_a_part_is_a_file_beside_the_manifest(device: Machine, capsys: pytest.CaptureFixture[str], name: str) -> None:
    device.tell(MANIFEST.format(version="1.3.0").replace("boot.vfat", name))
    assert "a name that is none of a file" in refused(device, capsys)


def test_a_part_or_a_place_that_is_not_there_is_refused(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (device.folder / "boot_b").unlink()
    assert "boot part cannot be measured" in refused(device, capsys)


def test_the_running_system_is_not_written_over(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (device.folder / "cmdline").write_text("ro rauc.slot=B\n")
    assert refused(device, capsys) == "system B runs, and is not written over"
    (device.folder / "cmdline").write_text("root=/dev/sda1\n")
    assert "cannot be told which system must not be written over" in refused(device, capsys)


def test_as_long_as_this_version_is_on_trial_the_one_before_is_kept(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    trial = records.Trial("1.2.0", "1.1.0", "2026-01-31T22:00:00Z", machine.Network(route=True, address=True), "A")
    records.Records(device.folder / "notes").begin(trial)
    assert "has not proved itself yet" in refused(device, capsys)
    records.Records(device.folder / "notes").end()
    assert device.ask() == 0


def test_without_room_for_a_copy_of_the_database_it_is_refused(
    device: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (device.folder / "data/nightjar/nightjar.db").write_bytes(bytes(10 * MIB))
    (device.folder / "data/nightjar/nightjar.db-wal").write_bytes(bytes(MIB))
    free = 86 * MIB - 4096  # twice eleven, and 64
    monkeypatch.setattr(script.os, "statvfs", lambda path: SimpleNamespace(f_bavail=free // 4096, f_frsize=4096))
    said = refused(device, capsys)
    assert said == "85 MiB are free on the card and 86 are needed to keep a copy of the database: remove old nights first"
    free = 86 * MIB
    assert device.ask() == 0
    (device.folder / "data/nightjar/nightjar.db").unlink()
    assert device.ask() == 0, "a device without a database needs no room for one"


def test_while_the_power_is_too_weak_it_is_refused(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    sensor = device.folder / "root/sys/class/hwmon/hwmon0"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("rpi_volt\n")
    (sensor / "in0_lcrit_alarm").write_text("1\n")
    assert "power supply is too weak" in refused(device, capsys)
    (sensor / "in0_lcrit_alarm").write_text("0\n")
    assert device.ask() == 0


@pytest.mark.parametrize(("name", "part"), [("boot.vfat", "boot"), ("root.squashfs", "root")])
def test_a_part_that_cannot_be_read_to_its_end_is_refused(
    device: Machine, capsys: pytest.CaptureFixture[str], name: str, part: str
) -> None:
    (device.bundle / name).unlink()
    (device.bundle / name).symlink_to("/proc/self/mem")  # as a damaged block does, it gives an error when it is read
    assert refused(device, capsys) == f"the update is damaged: its {part} part cannot be read to the end: fetch it again"


@pytest.mark.parametrize(
    "manifest", ["", "x", "[update]\nversion=1.3.0\n", "[update]\n[update]\n", "\0", "[update]\n" + "#" * 70000]
)
def test_a_manifest_of_another_form_is_refused(device: Machine, capsys: pytest.CaptureFixture[str], manifest: str) -> None:
    device.tell(manifest)
    assert "the update's manifest" in refused(device, capsys)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_manifest_or_refused(tmp_path_factory: pytest.TempPathFactory, untrusted: bytes) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    for content in (untrusted, MANIFEST.format(version="1.3.0").encode() + untrusted):
        (folder / "manifest.raucm").write_bytes(content)
        with contextlib.suppress(script.Refusal):
            manifest = script.manifest_of(folder)
            assert manifest.version.strip() == manifest.version


def test_nothing_is_let_through_that_cannot_be_written_down(
    device: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.Records, "_write", full)
    assert device.ask() == 1
    assert "nothing can be written down on the card: No space left" in capsys.readouterr().err
    assert done.main(device.folder / "notes") == 0, "what lies in its place starts, written down or not"


def test_nobody_but_rauc_calls_it(device: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    device.environment = {}
    assert "it is RAUC that calls this" in refused(device, capsys)
