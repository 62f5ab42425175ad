"""An update by the real `rauc`, under the device's own configuration, bus policy and handlers, in a system of the test's.

This kernel knows no dm-verity, so that the one form that the device takes cannot be mounted here: but for the test that it is the
only one, bundles are of the plain form and the configuration lets those in. All else is what lies in rootfs-overlay.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebuild import keys
from imagebuild.bootfiles import NEW_STATE, state_partition
from imagebuild.keyring import PLACE
from tests.integration.host.busroom import BELOW, COMMANDS, OVERLAY, Room, bus_room, missing_right
from tests.integration.host.test_rauc_policy import POLICY
from tests.unit.rootfs import scripts

pytestmark = [
    pytest.mark.needs(*COMMANDS, "rauc", "mksquashfs"),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]

SYSTEM = Path("/mnt/system")
BEGIN = f"""
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/above /mnt/work {SYSTEM}
mount -t overlay -o lowerdir=/,upperdir=/mnt/above,workdir=/mnt/work overlay {SYSTEM}
mount --rbind /proc {SYSTEM}/proc
mount --rbind /run {SYSTEM}/run
mount -t tmpfs -o mode=0755 tmpfs {SYSTEM}/dev
for name in null urandom loop-control $(cd /dev && echo loop?); do
    : >{SYSTEM}/dev/$name
    mount --bind /dev/$name {SYSTEM}/dev/$name
done
mkdir -p {SYSTEM}/dev/nightjar {SYSTEM}/data/nightjar {SYSTEM}/data/nightjar-update {SYSTEM}/usr/share/nightjar /run/rauc
echo 'root=PARTUUID=1-05 ro rauc.slot=A' >/run/cmdline
mount --bind /run/cmdline {SYSTEM}/proc/cmdline
"""
MIB = 1 << 20
RUNNING = "1.2.0"
MANIFEST = """[update]
compatible={compatible}
version={version}

[image.boot]
filename=boot.vfat

[image.root]
filename=root.squashfs
"""
STATE = scripts.part("bootstate")


class Device:
    """A system with RAUC in it, as far as an update is concerned."""

    def __init__(self, room: Room, signed: keys.Keys, folder: Path) -> None:
        self.room, self.keys, self.folder = room, signed, folder
        room.must("sh", "-euc", BEGIN)
        self.root = Path(f"/proc/{room.holder}/root") / SYSTEM.relative_to("/")
        for name in ("etc/rauc", "usr/libexec/nightjar"):
            shutil.copytree(OVERLAY / name, self.root / name, dirs_exist_ok=True)
        (self.root / PLACE).write_bytes(signed.keyring.read_bytes())
        release = self.root / "usr/lib/os-release"
        release.write_text(f'ID=debian\nIMAGE_ID=nightjar\nIMAGE_VERSION="{RUNNING}"\n')
        self.devices, self.data = self.root / "dev/nightjar", self.root / "data"
        (self.devices / "bootstate").write_bytes(state_partition(NEW_STATE, 8 * MIB))
        for name in ("boot_a", "boot_b", "root_a", "root_b"):
            (self.devices / name).write_bytes(name.encode() + bytes(2 * MIB - len(name)))

    def take_plain(self) -> None:
        configuration = self.root / "etc/rauc/system.conf"
        text = configuration.read_text()
        assert "bundle-formats=verity\n" in text
        configuration.write_text(text.replace("bundle-formats=verity\n", ""))

    def serve(self) -> None:
        self.room.serve("de.pengutronix.rauc", "chroot", SYSTEM, "rauc", "service")

    def bundle(
        self, *, version: str, compatible: str = "nightjar-arm64", root: bytes = b"hsqs", signer: keys.Keys | None = None
    ) -> str:
        """Make a bundle; return how the device finds it."""
        content, made, by = self.folder / f"{version}-content", self.folder / f"{version}.raucb", signer or self.keys
        content.mkdir()
        (content / "boot.vfat").write_bytes(b"the new boot".ljust(MIB, b"\1"))
        (content / "root.squashfs").write_bytes(root.ljust(MIB, b"\2"))
        (content / "manifest.raucm").write_text(MANIFEST.format(version=version, compatible=compatible))
        signed = [f"--cert={by.signer}", f"--key={by.signer_key}", f"--keyring={by.keyring}"]
        (self.folder / "make.conf").write_text(
            "[system]\ncompatible=nightjar-arm64\nbootloader=noop\n[keyring]\npath=x\ncheck-purpose=codesign\n"
        )
        command = ["rauc", f"--conf={self.folder}/make.conf", *signed, "bundle", str(content), str(made)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        shutil.copy(made, self.room.inside / made.name)
        return f"/{BELOW}/{made.name}"

    def install(self, bundle: str, *options: str) -> tuple[int, str]:
        ended = self.room.run("chroot", SYSTEM, "rauc", "install", *options, bundle)
        return ended.returncode, ended.stdout + ended.stderr

    def state(self) -> dict[str, str]:
        return dict(STATE.read(self.devices / "bootstate", "A"))

    def written(self) -> dict[str, bytes]:
        return {name: (self.devices / name).read_bytes() for name in ("boot_a", "boot_b", "root_a", "root_b")}

    def history(self) -> list[dict[str, str]]:
        file = self.data / "nightjar-update/history.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> keys.Keys:
    return keys.make(tmp_path_factory.mktemp("keys") / "ours", "Ours", datetime.now(UTC))


@pytest.fixture
def device(signed: keys.Keys, tmp_path: Path) -> Iterator[Device]:
    with bus_room(tmp_path / "logs", {}, {POLICY.name: POLICY.read_text()}) as room:
        yield Device(room, signed, tmp_path)


def test_an_update_is_installed_into_the_other_system_and_starts_next_on_trial(device: Device) -> None:
    device.take_plain()
    device.serve()
    before = device.written()
    code, said = device.install(device.bundle(version="1.3.0"))
    assert code == 0, said
    after = device.written()
    assert (after["boot_a"], after["root_a"]) == (before["boot_a"], before["root_a"]), "the running system is not touched"
    assert after["boot_b"].startswith(b"the new boot\1")
    assert after["root_b"].startswith(b"hsqs\2")
    assert device.state() == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
    notes = device.data / "nightjar-update"
    trial = json.loads((notes / "trial.json").read_text())
    assert trial.pop("at").endswith("Z")
    assert trial == {"version": "1.3.0", "from_version": RUNNING, "network": {"route": False, "address": False}}
    assert [(line["outcome"], line["version"], line["from_version"]) for line in device.history()] == [
        ("installed", "1.3.0", RUNNING)
    ]
    told = device.room.must("chroot", SYSTEM, "rauc", "status", "--detailed", "--output-format=json")
    slots = {name: slot for one in json.loads(told)["slots"] for name, slot in one.items()}
    assert slots["root.1"]["slot_status"]["bundle"]["version"] == "1.3.0", "RAUC remembers it on the data partition"
    assert (notes / "rauc").is_dir()


def test_what_must_not_be_installed_is_refused_before_a_byte_is_written_whatever_rauc_was_told(device: Device) -> None:
    device.take_plain()
    device.serve()
    before, state = device.written(), device.state()
    refused = {
        device.bundle(version="1.1.9"): "version 1.1.9 is older than 1.2.0",
        device.bundle(version="1.2.0-rc.1"): "version 1.2.0-rc.1 is older than 1.2.0",
        device.bundle(version="1.4.0", compatible="other-arm64"): "for another kind of machine",
        device.bundle(version="1.5.0", root=bytes(3 * MIB)): "has 3 MiB, and its place on the card 2",
        device.bundle(version="newest"): "none that can be compared",
    }
    for bundle, reason in refused.items():
        code, said = device.install(bundle, "--ignore-compatible")
        assert code != 0, said
        assert reason in device.history()[-1]["reason"], said
        assert device.history()[-1]["outcome"] == "refused"
    assert device.written() == before
    assert device.state() == state
    assert not (device.data / "nightjar-update/trial.json").exists()
    assert len(device.history()) == len(refused)


def test_what_is_signed_by_nobody_that_counts_or_of_another_form_is_refused_by_rauc(device: Device, tmp_path: Path) -> None:
    other = keys.make(tmp_path / "other", "Nightjar development", datetime.now(UTC))
    stranger, plain = device.bundle(version="1.3.1", signer=other), device.bundle(version="1.3.2")
    damaged = device.room.inside / "damaged.raucb"
    data = bytearray((device.room.inside / "1.3.2.raucb").read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    before = device.written()
    device.serve()
    code, said = device.install(plain)
    assert (code, "not allowed" in said) == (1, True), said
    for bundle in (stranger, f"/{BELOW}/damaged.raucb"):
        code, said = device.install(bundle)
        assert code == 1, said
        assert "signature" in said
    assert device.written() == before
    assert device.history() == []
