"""Authority, panel and trust store as three users of a machine, with real certificates, connections and addresses."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from appliance.security.certificate import make_authority, names_of
from appliance.web.issuerapart import WANTED
from tests.integration.host.rooms import COMMANDS, ENVIRONMENT, PYTHON, ROOT, Room, User, missing_right, room

CA, WEB, ANYBODY = User(61001), User(61002), User(61003)
UNITS = ROOT / "rootfs-overlay/usr/lib/systemd/system"
WITHIN_S = 60.0
"""What a changed address may take."""

pytestmark = [
    pytest.mark.needs(*COMMANDS, "openssl", "curl", "update-ca-certificates"),
    pytest.mark.skipif(bool(missing_right()), reason=missing_right()),
]


@dataclass
class Device:
    """The folders of a device, with the owners and modes of `tmpfiles.d`, in a room of its own."""

    root: Path
    room: Room

    @property
    def private(self) -> Path:
        return self.root / "ca"

    @property
    def handed(self) -> Path:
        return self.root / "tls"

    @property
    def wanted(self) -> Path:
        return self.root / "run" / WANTED

    def prepare(self) -> None:
        self.root.chmod(0o755)
        for name, user, group, mode in (
            ("ca", CA, CA, 0o700), ("tls", CA, WEB, 0o2750),
            ("data", WEB, WEB, 0o700), ("data/tls", WEB, WEB, 0o700), ("run", WEB, WEB, 0o700),
        ):  # fmt: skip
            folder = self.root / name
            folder.mkdir()
            os.chown(folder, user.number, group.number)
            folder.chmod(mode)
        (self.root / "machine-id").write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
        (self.root / "machine-id").chmod(0o444)
        # BindReadOnlyPaths= of nightjar.service.d/certificates.conf
        self.room.must("mount", "--bind", self.handed, self.root / "data/tls")
        self.room.must("mount", "-o", "remount,bind,ro", self.root / "data/tls")

    def issue(self, user: User = CA) -> subprocess.CompletedProcess[str]:
        arguments = ("--private", self.private, "--handed", self.handed, "--machine-id", self.root / "machine-id")
        return self.room.run(PYTHON, "-B", "-P", "-m", "appliance", "issue-certificates", *arguments, user=user)

    def names(self) -> tuple[str, ...]:
        return names_of((self.handed / "p256.pem").read_bytes()).texts


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    # Not below pytest's own folder: other users must pass through, and pytest keeps closing that one to them.
    with TemporaryDirectory(prefix="nightjar-") as root, room() as place:
        device = Device(Path(root), place)
        device.prepare()
        ended = device.issue()
        assert ended.returncode == 0, ended.stderr
        yield device


@dataclass
class Panel:
    device: Device
    port: int

    def fetch(self, host: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Ask as curl does that trusts the device's authority, and it alone."""
        trusted = options or ("--cacert", str(self.device.handed / "ca.pem"))
        resolve = ("--resolve", f"nightjar.local:{self.port}:127.0.0.1")
        return self.device.room.run("curl", "-sS", "--max-time", "10", *resolve, *trusted, f"https://{host}:{self.port}/")


@pytest.fixture(scope="module")
def panel(device: Device) -> Iterator[Panel]:
    command = device.room.command(
        PYTHON, "-B", "-P", "-m", "tests.integration.host.panel", device.root / "data", device.root / "run", user=WEB
    )
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Panel(device, int(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(20)


def wait_for(is_true: Callable[[], bool]) -> float:
    """Return after how many seconds something became true."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < WITHIN_S
        time.sleep(0.1)
    return time.monotonic() - began


def test_the_authority_is_made_by_a_user_that_is_neither_root_nor_the_panels(device: Device) -> None:
    owners = {path.name: path.stat() for path in (device.private / "tls").iterdir()}
    assert {(found.st_uid, found.st_mode & 0o777) for found in owners.values()} == {(CA.number, 0o600)}
    handed = {path.name: path.stat() for path in device.handed.iterdir()}
    assert set(handed) == {"ca.pem", "rsa.pem", "p256.pem"}
    assert {(s.st_uid, s.st_gid, s.st_mode & 0o777) for s in handed.values()} == {(CA.number, WEB.number, 0o640)}


@pytest.mark.parametrize("name", ["ca-key.pem", "intermediate-key.pem", "ca.pem"])
def test_the_panels_user_cannot_read_what_the_authority_keeps(device: Device, name: str) -> None:
    path = device.private / "tls" / name
    assert path.is_file()
    ended = device.room.run("cat", path, user=WEB)
    assert ended.stdout == ""
    assert "Permission denied" in ended.stderr


def test_the_panels_user_reads_and_cannot_change_what_is_handed_over(device: Device) -> None:
    assert "BEGIN CERTIFICATE" in device.room.must("cat", device.handed / "rsa.pem", user=WEB)
    for folder in (device.handed, device.root / "data/tls"):
        for command in (("touch", folder / "new"), ("rm", "-f", folder / "rsa.pem"), ("tee", folder / "rsa.pem")):
            ended = device.room.run(*command, user=WEB)
            assert ended.returncode != 0
            assert re.search("Permission denied|Read-only", ended.stderr)


def test_others_can_read_neither(device: Device) -> None:
    for path in (device.handed / "ca.pem", device.handed / "rsa.pem", device.private / "tls/ca-key.pem"):
        assert "Permission denied" in device.room.run("cat", path, user=ANYBODY).stderr


def test_neither_the_panels_user_nor_root_can_issue(device: Device) -> None:
    for user, reason in ((WEB, "Permission denied|another user"), (User(0), "as root")):
        ended = device.issue(user)
        assert ended.returncode == 2
        assert re.search(reason, ended.stderr)
        assert ended.stderr.count("nightjar: ") == 1
        assert "Traceback" not in ended.stderr


def test_a_second_run_writes_nothing(device: Device) -> None:
    before = {path: path.stat().st_mtime_ns for path in (*device.handed.iterdir(), *(device.private / "tls").iterdir())}
    assert device.issue().returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_panel_serves_with_leaves_whose_authority_it_cannot_read(panel: Panel) -> None:
    for host in ("nightjar.local", "127.0.0.1"):
        assert "a trusted panel" in panel.fetch(host).stdout
    for signatures, kind in (("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256:RSA+SHA512", "RSA")):
        said = panel.device.room.run(
            "openssl", "s_client", "-connect", f"127.0.0.1:{panel.port}", "-CAfile", panel.device.handed / "ca.pem",
            "-verify_return_error", "-verify_hostname", "nightjar.local", "-sigalgs", signatures,
        ).stdout  # fmt: skip
        assert "Verify return code: 0 (ok)" in said
        assert re.search(f"Peer signature type: {kind}", said)


def test_a_new_address_and_a_new_name_are_asked_for_issued_and_served(panel: Panel) -> None:
    device = panel.device
    address = "10.77.0.1"
    device.room.must("ip", "address", "add", f"{address}/24", "dev", "lo")
    assert panel.fetch(address).returncode == 60, "not in the certificate yet"
    asked_after = wait_for(device.wanted.exists)
    assert device.wanted.read_bytes() == b""
    device.room.must("hostname", "barn")
    assert device.issue().returncode == 0  # what the path unit starts
    served_after = wait_for(lambda: "a trusted panel" in panel.fetch(address).stdout)
    assert {address, "barn.local"} <= set(device.names())
    assert "roof.local" not in device.names()
    print(f"asked for after {asked_after:.1f} s, served after {served_after:.1f} s more; the panel looked every 0.5 s")

    device.room.must("ip", "address", "delete", f"{address}/24", "dev", "lo")
    assert device.issue().returncode == 0
    assert address not in device.names()


def test_a_public_address_is_not_certified(device: Device) -> None:
    device.room.must("ip", "address", "add", "203.0.113.9/24", "dev", "lo")
    assert device.issue().returncode == 0
    assert "203.0.113.9" not in device.names()
    assert "127.0.0.1" in device.names()


@dataclass
class System:
    """The device's system tree, mounted together from this machine's and our overlay, with a trust store of its own."""

    device: Device
    root: Path

    def prepare(self) -> None:
        mount_unit = (UNITS / "usr-local-share-ca\\x2dcertificates.mount").read_text()
        options = next(line for line in mount_unit.splitlines() if line.startswith("Options=")).partition("=")[2]
        script = f"""
            mount -t tmpfs -o mode=0755 tmpfs {self.root}
            cd {self.root}
            mkdir usr etc etc/ssl etc/ssl/certs data tmp dev
            mkdir -m 2750 data/nightjar-tls
            chown {CA.number}:{WEB.number} data/nightjar-tls
            chmod 2750 data/nightjar-tls
            mount --bind /usr usr
            mount -o remount,bind,ro usr
            for name in bin sbin lib lib64; do ln -s usr/$name $name; done
            cp -a /etc/ca-certificates.conf etc/
            cp -a /etc/ssl/openssl.cnf etc/ssl/
            : >dev/null
            mount --bind /dev/null dev/null
            mount -t tmpfs -o {options} tmpfs usr/local/share/ca-certificates
            mount -t tmpfs -o mode=0755 tmpfs usr/libexec
            mkdir usr/libexec/nightjar
            cp -a {ROOT}/rootfs-overlay/usr/libexec/nightjar/nightjar-trust usr/libexec/nightjar/
        """
        self.device.room.must("sh", "-euc", script)
        assert self.run("/usr/sbin/update-ca-certificates").returncode == 0  # as the making of the image does
        self.bring((self.device.handed / "ca.pem").read_bytes())

    def bring(self, pem: bytes) -> None:
        """Put a file where nightjar-ca would put it."""
        (self.device.root / "brought.pem").write_bytes(pem)
        script = f"""
            cd {self.root}/data/nightjar-tls
            rm -f ca.pem
            cp {self.device.root}/brought.pem ca.pem
            chown {CA.number}:{WEB.number} ca.pem
            chmod 0640 ca.pem
        """
        self.device.room.must("sh", "-euc", script)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the tree as root without any capability, in the group of the panel, as the unit says."""
        as_the_unit = ("setpriv", f"--groups={WEB.number}", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
        plain = {"PATH": ENVIRONMENT["PATH"]}
        return self.device.room.run("chroot", self.root, *as_the_unit, *command, environment=plain)

    def trust(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        unit = (UNITS / "nightjar-trust.service").read_text()
        command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
        return self.run(*command.split(), *arguments)

    def ours(self) -> list[str]:
        """Return our entries in the trust store: the file, its link, and the hash links that lead to the link."""
        folders, ours = ("/etc/ssl/certs", "/usr/local/share/ca-certificates"), "*nightjar*"
        found = self.run("find", *folders, "-name", ours, "-o", "-lname", ours)
        assert found.returncode == 0
        return sorted(found.stdout.split())

    def fetch(self, port: int) -> int:
        """Return what curl ends with that trusts the system's bundle: 60 where the certificate is not trusted."""
        resolve = ("--resolve", f"nightjar.local:{port}:127.0.0.1")
        return self.run("curl", "-sS", "--max-time", "10", *resolve, f"https://nightjar.local:{port}/").returncode

    def trusts_by_hash(self, port: int) -> bool:
        """Say whether a program that looks for issuers by hash link trusts the panel."""
        only_links = ("-no-CAfile", "-no-CAstore", "-CApath", "/etc/ssl/certs", "-verify_return_error")
        said = self.run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *only_links)
        return said.returncode == 0 and "Verify return code: 0 (ok)" in said.stdout


@pytest.fixture
def system(device: Device, tmp_path: Path) -> Iterator[System]:
    (tmp_path / "system").mkdir()
    system = System(device, tmp_path / "system")
    system.prepare()
    yield system
    device.room.must("umount", "--recursive", system.root)


def test_root_trusts_the_authority_and_then_every_program_trusts_the_panel(system: System, panel: Panel) -> None:
    assert system.fetch(panel.port) == 60
    assert not system.trusts_by_hash(panel.port)
    ended = system.trust()
    assert ended.returncode == 0, ended.stderr
    assert "installed: SHA-256" in ended.stdout
    assert system.fetch(panel.port) == 0
    assert system.trusts_by_hash(panel.port)
    again = system.trust()
    assert "trusted already" in again.stdout


def test_the_store_is_what_debians_program_would_make_of_it(system: System) -> None:
    bundle = ("openssl", "dgst", "-sha256", "/etc/ssl/certs/ca-certificates.crt")
    assert system.trust().returncode == 0
    made, ours = system.run(*bundle), system.ours()
    assert made.returncode == 0
    assert system.run("/usr/sbin/update-ca-certificates", "--fresh").returncode == 0
    assert system.run(*bundle).stdout == made.stdout
    assert system.ours() == ours


def test_a_new_authority_takes_the_place_of_the_old_one(system: System, panel: Panel) -> None:
    assert system.trust().returncode == 0
    old = system.ours()
    system.bring(make_authority("0000000Z").root.certificate)
    assert system.trust().returncode == 0
    assert system.fetch(panel.port) == 60, "the panel still has the old authority's certificate"
    assert not system.trusts_by_hash(panel.port)
    assert len(system.ours()) == len(old)
    assert system.ours() != old, "the hash link is another"
    system.bring((panel.device.handed / "ca.pem").read_bytes())
    assert system.trust().returncode == 0
    assert system.ours() == old


def test_what_is_refused_changes_nothing(system: System, panel: Panel) -> None:
    assert system.trust().returncode == 0
    before = system.ours()
    whole = (panel.device.handed / "ca.pem").read_bytes()
    leaf = (panel.device.handed / "rsa.pem").read_bytes().partition(b"-----BEGIN PRIVATE")[0]
    for untrusted in (whole + whole, whole + b"junk", leaf, b"", whole.ljust(10 << 20, b"\n"), whole[:-30]):
        system.bring(untrusted)
        ended = system.trust()
        assert ended.returncode == 2
        assert ended.stdout == ""
        assert re.fullmatch(r"nightjar-trust: refused, nothing changed: /data/nightjar-tls/ca\.pem .+\n", ended.stderr)
    assert system.ours() == before
    assert system.fetch(panel.port) == 0


def test_a_link_in_place_of_the_certificate_is_refused(system: System) -> None:
    folder = f"{system.root}/data/nightjar-tls"
    system.device.room.must("sh", "-euc", f"mv {folder}/ca.pem {folder}/there.pem; ln -s there.pem {folder}/ca.pem")
    assert system.trust().returncode == 2
    assert system.ours() == []


def test_an_argument_is_refused(system: System) -> None:
    assert system.trust("/etc/passwd").returncode == 2
    assert system.ours() == []


def test_the_machines_own_trust_store_was_not_touched(system: System) -> None:
    fingerprint_of = ("openssl", "dgst", "-sha256", "/etc/ssl/certs/ca-certificates.crt")
    before = subprocess.run(fingerprint_of, capture_output=True, text=True, check=True).stdout
    assert system.trust().returncode == 0
    assert subprocess.run(fingerprint_of, capture_output=True, text=True, check=True).stdout == before
    assert not Path("/usr/local/share/ca-certificates/nightjar.crt").exists()
