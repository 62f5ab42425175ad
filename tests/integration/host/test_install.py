"""An update by the real `rauc`, under the device's own configuration, bus policy and handlers, in a system of the test's.

This kernel knows no dm-verity, so that the one form that the device takes cannot be mounted here: but for the test that it is the
only one, bundles are of the plain form and the configuration lets those in. All else is what lies in rootfs-overlay.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.security.certificate import issue_leaves, make_authority, new_p256_key, new_rsa_key
from appliance.security.names import names_for
from imagebuild import keys
from imagebuild.bootfiles import NEW_STATE, state_partition
from imagebuild.keyring import PLACE
from tests.integration.host.busroom import COMMANDS, OVERLAY, PANEL, Room, bus_room, missing_right, wait_for
from tests.integration.host.test_rauc_policy import POLICY, RAUC
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
echo 0 >/run/boot_id
mount --bind /run/boot_id {SYSTEM}/proc/sys/kernel/random/boot_id
"""
MIB = 1 << 20
FAT = b"\0" * 510 + b"\x55\xaa"
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
PANEL_ON_443 = """
import http.server, ssl
class Panel(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
        self.wfile.write(b'{"status": "degraded"}')
server = http.server.HTTPServer(("127.0.0.1", 443), Panel)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/leaf.pem")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""


def rights_of(unit: str) -> tuple[str, ...]:
    """Return the command that leaves root the capabilities of a unit, and no way to get others."""
    lines = (OVERLAY / "usr/lib/systemd/system" / unit).read_text().splitlines()
    bound = next(line for line in lines if line.startswith("CapabilityBoundingSet="))
    kept = ",".join(["-all", *(f"+{name.lower()}" for name in re.findall("CAP_([A-Z_]+)", bound))])
    return ("setpriv", f"--bounding-set={kept}", "--inh-caps=-all", "--no-new-privs")


class Device:
    """A system with RAUC in it, as far as an update is concerned."""

    def __init__(self, room: Room, signed: keys.Keys, folder: Path) -> None:
        self.room, self.keys, self.folder = room, signed, folder
        self.versions, self.starts = {"A": RUNNING}, 0
        room.must("sh", "-euc", BEGIN)
        self.root = Path(f"/proc/{room.holder}/root") / SYSTEM.relative_to("/")
        for name in ("etc/rauc", "usr/libexec/nightjar"):
            shutil.copytree(OVERLAY / name, self.root / name, dirs_exist_ok=True)
        (self.root / PLACE).write_bytes(signed.keyring.read_bytes())
        release = self.root / "usr/lib/os-release"
        release.write_text(f'ID=debian\nIMAGE_ID=nightjar\nIMAGE_VERSION="{RUNNING}"\n')
        self.devices, self.data = self.root / "dev/nightjar", self.root / "data"
        self.uploads = self.data / "nightjar/updates"
        self.uploads.mkdir()
        for folder in (self.uploads, self.uploads.parent):  # the panel's, closed to everybody else
            folder.chmod(0o700)
            os.chown(folder, PANEL.uid, PANEL.gid)
        (self.devices / "bootstate").write_bytes(state_partition(NEW_STATE, 8 * MIB))
        for name, begin in (("boot_a", FAT), ("root_a", b"hsqs"), ("boot_b", b""), ("root_b", b"")):
            (self.devices / name).write_bytes(begin.ljust(2 * MIB, b"\0"))

    def take_plain(self) -> None:
        configuration = self.root / "etc/rauc/system.conf"
        text = configuration.read_text()
        assert "bundle-formats=verity\n" in text
        configuration.write_text(text.replace("bundle-formats=verity\n", ""))

    def serve(self) -> None:
        """Start RAUC with the capabilities of its unit, and no way to get others."""
        self.room.serve(RAUC, "chroot", SYSTEM, *rights_of("rauc.service"), "rauc", "service")

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def be_an_appliance(self) -> None:
        """Have a panel on port 443, with a certificate of a device's own authority, and a whole database."""
        authority = make_authority("ABCDEFGH")
        now = datetime.now(UTC)
        leaves = issue_leaves(authority, names_for("nightjar", ()), now, rsa_key=new_rsa_key(), p256_key=new_p256_key())
        self.put("/data/nightjar-tls/ca.pem", authority.root.certificate.decode())
        self.put("/run/leaf.pem", leaves.p256.reveal().decode())
        database = sqlite3.connect(self.folder / "nightjar.db")
        database.execute("create table frame (id)")
        database.close()
        shutil.copy(self.folder / "nightjar.db", self.data / "nightjar")
        (self.data / "nightjar/nightjar.db").chmod(0o600)
        os.chown(self.data / "nightjar/nightjar.db", PANEL.uid, PANEL.gid)
        self.room.must("ip", "link", "set", "lo", "up")
        self.room.start("chroot", SYSTEM, "/usr/bin/python3", "-c", PANEL_ON_443)
        answers = ("chroot", SYSTEM, "/usr/bin/python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 443))")
        wait_for(lambda: self.room.run(*answers).returncode == 0, "the panel")

    def boot(self, *, restarts: int = 0) -> tuple[str, str, bool]:
        """Start as the boot script does, with a program that ended so often by itself.

        Return the system, the version that was installed there, and whether the machine restarts.
        """
        state = self.state()
        name = next(name for name in state["BOOT_ORDER"].split() if state[f"BOOT_{name}_LEFT"] != "0")
        left = str(int(state[f"BOOT_{name}_LEFT"]) - 1)
        (self.devices / "bootstate").write_bytes(state_partition({**state, f"BOOT_{name}_LEFT": left}, 8 * MIB))
        self.starts += 1
        (self.room.inside.parent / "cmdline").write_text(f"root=PARTUUID=1-05 ro rauc.slot={name}\n")
        (self.room.inside.parent / "boot_id").write_text(f"{self.starts}\n")
        (number,) = self.room.client.bus("GetConnectionUnixProcessID", "s", RAUC)
        self.room.must("kill", str(number))
        wait_for(lambda: not self.room.has(RAUC), "RAUC to end")
        self.serve()
        said = f"ActiveState=active\\nNRestarts={restarts}\\nActiveEnterTimestampMonotonic=1\\n"
        self.put("/usr/bin/systemctl", f"#!/bin/sh\nprintf '{said}'\n", 0o755)
        self.put("/usr/bin/journalctl", "#!/bin/sh\n", 0o755)
        stays = self.root / "run/nightjar-slot-health/stays"
        stays.parent.mkdir(exist_ok=True)
        stays.unlink(missing_ok=True)
        (self.root / "usr/lib/os-release").write_text(f'IMAGE_VERSION="{self.versions[name]}"\n')
        self.room.run("chroot", SYSTEM, *rights_of("nightjar-slot-health.service"), "/usr/libexec/nightjar/nightjar-slot-health")
        return name, self.versions[name], not stays.exists() and (self.data / "nightjar-update/trial.json").exists()

    def bundle(
        self, *, version: str, compatible: str = "nightjar-arm64", root: bytes = b"hsqs", signer: keys.Keys | None = None
    ) -> str:
        """Make a bundle; return how the device finds it."""
        content, made, by = self.folder / f"{version}-content", self.folder / f"{version}.raucb", signer or self.keys
        content.mkdir()
        (content / "boot.vfat").write_bytes(FAT.ljust(MIB, b"\1"))
        (content / "root.squashfs").write_bytes(root.ljust(MIB, b"\2"))
        (content / "manifest.raucm").write_text(MANIFEST.format(version=version, compatible=compatible))
        signed = [f"--cert={by.signer}", f"--key={by.signer_key}", f"--keyring={by.keyring}"]
        (self.folder / "make.conf").write_text(
            "[system]\ncompatible=nightjar-arm64\nbootloader=noop\n[keyring]\npath=x\ncheck-purpose=codesign\n"
        )
        command = ["rauc", f"--conf={self.folder}/make.conf", *signed, "bundle", str(content), str(made)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        shutil.copy(made, self.uploads / made.name)
        return f"/data/nightjar/updates/{made.name}"

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
    for command in ("link set lo up", "address add 192.0.2.7/24 dev lo", "route add default via 192.0.2.1 dev lo"):
        device.room.must("ip", *command.split())
    before = device.written()
    code, said = device.install(device.bundle(version="1.3.0"))
    assert code == 0, said
    after = device.written()
    assert (after["boot_a"], after["root_a"]) == (before["boot_a"], before["root_a"]), "the running system is not touched"
    assert after["boot_b"].startswith(FAT + b"\1")
    assert after["root_b"].startswith(b"hsqs\2")
    assert device.state() == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
    notes = device.data / "nightjar-update"
    trial = json.loads((notes / "trial.json").read_text())
    assert trial.pop("at").endswith("Z")
    assert trial == {"version": "1.3.0", "from_version": RUNNING, "network": {"route": True, "address": True}}
    assert [(line["outcome"], line["version"], line["from_version"]) for line in device.history()] == [
        ("installed", "1.3.0", RUNNING)
    ]
    told = device.room.must("chroot", SYSTEM, "rauc", "status", "--detailed", "--output-format=json")
    slots = {name: slot for one in json.loads(told)["slots"] for name, slot in one.items()}
    assert slots["root.1"]["slot_status"]["bundle"]["version"] == "1.3.0", "RAUC remembers it on the data partition"
    assert (notes / "rauc").is_dir()


def test_an_update_proves_itself_under_the_real_rauc_and_the_next_one_falls_back(device: Device) -> None:
    device.take_plain()
    device.serve()
    device.be_an_appliance()
    assert device.boot() == ("A", RUNNING, False)
    assert device.state()["BOOT_A_LEFT"] == "3"
    code, said = device.install(device.bundle(version="1.3.0"))
    assert code == 0, said
    device.versions["B"] = "1.3.0"
    assert device.boot() == ("B", "1.3.0", False)
    assert device.history()[-1]["outcome"] == "good", device.room.said()
    assert device.state() == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
    code, said = device.install(device.bundle(version="1.4.0"))
    assert code == 0, said
    device.versions["A"] = "1.4.0"
    before = device.written()
    assert [device.boot(restarts=5) for _ in range(3)] == [("A", "1.4.0", True)] * 3
    code, said = device.install(device.bundle(version="1.5.0"))
    assert code == 1, said
    assert "has not proved itself yet" in device.history()[-1]["reason"]
    assert device.boot(restarts=0) == ("B", "1.3.0", False)
    told = device.history()[-1]
    assert (told["outcome"], told["version"], told["from_version"]) == ("fell back", "1.4.0", "1.3.0")
    assert told["reason"] == "the appliance's program ended 5 times by itself"
    assert json.loads((device.data / "nightjar-update/bad.json").read_text()) == ["1.4.0"]
    assert device.state() == {"BOOT_ORDER": "B", "BOOT_A_LEFT": "0", "BOOT_B_LEFT": "3"}
    assert device.written() == before, "the system to fall back to was there all the time"


def test_the_other_system_is_made_the_next_one_by_root_without_a_capability(device: Device) -> None:
    device.take_plain()
    device.serve()
    command = ("chroot", str(SYSTEM), *rights_of("nightjar-other-slot.service"), "/usr/libexec/nightjar/nightjar-other-slot")
    refused = device.room.run(*command)
    assert (refused.returncode, "system B takes no part" in refused.stderr) == (1, True)
    assert device.install(device.bundle(version="1.3.0"))[0] == 0
    (device.root / "data/nightjar-update/trial.json").unlink()
    (device.devices / "bootstate").write_bytes(state_partition({**device.state(), "BOOT_ORDER": "A B"}, 8 * MIB))
    assert device.room.must(*command) == "nightjar-other-slot: system B starts next\n"
    assert device.state()["BOOT_ORDER"] == "B A"
    trial = json.loads((device.data / "nightjar-update/trial.json").read_text())
    assert (trial["version"], trial["from_version"]) == ("1.3.0", RUNNING)


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
    damaged = device.uploads / "damaged.raucb"
    data = bytearray((device.uploads / "1.3.2.raucb").read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    before = device.written()
    device.serve()
    code, said = device.install(plain)
    assert (code, "not allowed" in said) == (1, True), said
    for bundle in (stranger, "/data/nightjar/updates/damaged.raucb"):
        code, said = device.install(bundle)
        assert code == 1, said
        assert "signature" in said
    assert device.written() == before
    assert device.history() == []
