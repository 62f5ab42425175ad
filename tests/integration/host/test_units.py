"""What lies in rootfs-overlay for systemd: read without a complaint, sandboxed as measured, and makes exactly these users."""

import configparser
import os
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from appliance.__main__ import make_parser
from appliance.compose import MEMORY_SHARE
from appliance.host.fifo import FIFO, SOCKET_NAME
from appliance.host.fifo import PORT as INDI_PORT
from appliance.settings.schema import Camera as CameraSettings
from appliance.supervisor.supervisor import STOP_DEADLINE_S, STUCK_AFTER_S
from appliance.surroundings import PLAIN_PORT, PORT, SOCKETS
from appliance.web.issuerapart import WANTED
from imagebuild import bundle, keyring
from tests.unit.rootfs import scripts, trust

ROOT = Path(__file__).parents[3]
OVERLAY = ROOT / "rootfs-overlay/usr/lib"
UNITS = OVERLAY / "systemd/system"

MOST_EXPOSED = {
    "nightjar.service": 1.5, "nightjar-indi.service": 2.0, "nightjar-ca.service": 0.9, "nightjar-trust.service": 1.0,
    "nightjar-firstboot.service": 2.4, "nightjar-factory-reset.service": 1.7, "nightjar-data.service": 1.2,
    "nightjar-slot-health.service": 2.2, "nightjar-other-slot.service": 1.6, "rauc.service": 2.4,
}  # fmt: skip
"""What `systemd-analyze security` may score; Debian 12's gives about 0.3 less, other versions ask about more."""

OURS = {
    "nightjar.service", "nightjar.service.d", "nightjar.socket", "nightjar-indi.service",
    "nightjar-ca.service", "nightjar-ca.path", "nightjar-ca.timer", "nightjar-trust.service", "nightjar-trust.path",
    "usr-local-share-ca\\x2dcertificates.mount", "var-lib-systemd-timesync.mount",
    "nightjar-firstboot.service", "nightjar-firstboot.path", "boot-firmware.mount.d", "nightjar-data.service",
    "nightjar-factory-reset.service", "nightjar-factory-reset.path",
    "nightjar-persist.service", "nightjar-persist.path",
    "nightjar-slot-health.service", "nightjar-other-slot.service", "rauc.service",
    "NetworkManager.service.d", "systemd-repart.service.d", "systemd-timesyncd.service.d",
    "systemd-udev-trigger.service.d",
    "emergency.service.d", "rescue.service.d",
}  # fmt: skip

USERS: dict[str, list[str]] = {"nightjar": [], "nightjar-ca": [], "nightjar-indi": ["dialout", "video"]}
NUMBERS = {"nightjar": 801, "nightjar-indi": 802, "nightjar-ca": 803}


def sections(unit: Path) -> dict[str, list[str]]:
    """Return the values of every key of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.match(r"(\w+)=(.*)\Z", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def complaints(folder: Path) -> tuple[int, list[str]]:
    """Return what `systemd-analyze verify` ends with and says about the units of a folder."""
    units = sorted(str(path) for path in folder.iterdir() if path.is_file())
    environment = {"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    command = ["systemd-analyze", "verify", "--man=no", *units]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return ended.returncode, [line for line in ended.stderr.splitlines() if "nightjar" in line or str(folder) in line]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a folder of our units, in which one finds the other."""
    return Path(shutil.copytree(UNITS, tmp_path / "units"))


@pytest.mark.needs("systemd-analyze", "indiserver")
def test_every_unit_is_read_without_a_complaint(units: Path) -> None:
    assert {unit.name for unit in units.iterdir()} == OURS
    assert complaints(units) == (0, [])


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize(
    ("word", "mistake"),
    [("ProtectHome=yes", "ProtectHouse=yes"), ("/usr/bin/python3", "/usr/bin/missing"), ("oneshot", "twoshot")],
)
def test_a_mistake_in_a_unit_is_complained_of(units: Path, word: str, mistake: str) -> None:
    unit = units / "nightjar-ca.service"
    unit.write_text(unit.read_text().replace(word, mistake))
    assert complaints(units)[1]


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize(("unit", "bound"), MOST_EXPOSED.items())
def test_a_unit_is_sandboxed_as_far_as_was_reached(unit: str, bound: float) -> None:
    ended = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNITS / unit)],
        capture_output=True,
        text=True,
        check=True,
    )
    score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", ended.stdout)
    assert score is not None
    print(f"{unit}: {score[1]}")
    assert float(score[1]) <= bound


def test_no_unit_of_ours_takes_an_argument_from_anybody() -> None:
    for unit in UNITS.iterdir():
        assert "@" not in unit.name
        if unit.is_file():
            for command in sections(unit).get("ExecStart", []):
                assert not re.search(r"[$%]", command), f"{unit.name}: {command}"


def test_only_the_listed_oneshots_are_root() -> None:
    """Beside RAUC, which is no daemon of ours and writes the systems."""
    root = {unit.name for unit in UNITS.glob("*.service") if "User" not in sections(unit)} - {"rauc.service"}
    listed = ("firstboot", "persist", "data", "trust", "slot-health", "other-slot", "factory-reset")
    assert root <= {f"nightjar-{name}.service" for name in listed}
    assert all(sections(UNITS / name)["Type"] == ["oneshot"] for name in root)
    assert sections(UNITS / "nightjar-trust.service")["CapabilityBoundingSet"] == [""]


def test_a_first_start_loads_the_program_while_its_keys_are_made() -> None:
    """The panel waits for certificates by itself; a unit that waited would leave a processor idle."""
    units = (UNITS / "nightjar.service", *(UNITS / "nightjar.service.d").iterdir())
    after = {name for unit in units for line in sections(unit).get("After", []) for name in line.split()}
    assert "nightjar-ca.path" in after, "it sees what the panel asks for"
    assert "nightjar-ca.service" not in after
    assert "nightjar-ca.service" in " ".join(sections(UNITS / "nightjar.service.d/certificates.conf")["Wants"])


def test_what_the_panel_writes_is_what_the_path_unit_watches() -> None:
    drop_in = sections(UNITS / "nightjar.service.d/certificates.conf")
    assert sections(UNITS / "nightjar-ca.path")["PathChanged"] == [f"/run/{drop_in['RuntimeDirectory'][0]}/{WANTED}"]


def test_what_starts_by_itself_is_what_says_so() -> None:
    """A unit that is wanted by a target and left out of the list is never started: no test of what it does would tell."""
    preset = (OVERLAY / "systemd/system-preset/00-nightjar.preset").read_text().splitlines()
    enabled = {line.removeprefix("enable ") for line in preset if line.startswith("enable ")}
    wanted = {unit.name for unit in UNITS.iterdir() if unit.is_file() and "[Install]" in unit.read_text().splitlines()}
    assert wanted == {unit for unit in enabled if unit.startswith("nightjar")}
    assert preset[-1] == "disable *"


def test_each_path_unit_watches_one_thing() -> None:
    """Of several of which one is missing systemd sees none replaced (257, and since 249 at the least)."""
    found = {
        unit.name: [line for line in unit.read_text().splitlines() if line.startswith("Path")] for unit in UNITS.glob("*.path")
    }
    assert len(found) == 5
    assert all(len(lines) == 1 for lines in found.values()), found


@pytest.mark.needs("udevadm")
def test_udev_is_told_of_every_device_but_text_screens() -> None:
    unit = (UNITS / "systemd-udev-trigger.service.d/nightjar.conf").read_text().replace("\\\n", "")
    (ours,) = re.findall(r"^ExecStart=-(udevadm trigger .*)$", unit, re.MULTILINE)
    told = [
        set(subprocess.run([*command, "--dry-run", "--verbose"], check=True, capture_output=True, text=True).stdout.split())
        for command in (["udevadm", "trigger", "--type=all"], shlex.split(ours))
    ]
    left_out = {path.partition("/tty/tty")[2] for path in told[0] - told[1]}
    assert left_out == {str(number) for number in range(64)}
    assert told[1] < told[0]


def test_the_units_and_the_programs_mean_the_same_folders() -> None:
    options = make_parser().parse_args(["issue-certificates"])
    assert sections(UNITS / "nightjar-ca.service")["ReadWritePaths"] == [f"{options.private} {options.handed}"]
    assert sections(UNITS / "nightjar.service.d/certificates.conf")["BindReadOnlyPaths"] == [
        f"{options.handed}:/data/nightjar/tls"
    ]
    script = trust.load()
    assert options.handed / "ca.pem" == script.SOURCE
    assert sections(UNITS / "nightjar-trust.path")["PathChanged"] == [str(script.SOURCE)]
    assert sections(UNITS / "nightjar-trust.service")["ReadWritePaths"] == [f"{script.ANCHOR.parent} {script.BUNDLE.parent}"]
    assert sections(UNITS / "usr-local-share-ca\\x2dcertificates.mount")["Where"] == [str(script.ANCHOR.parent)]


def test_the_supervisors_unit_is_what_the_program_and_polkits_rule_rely_on() -> None:
    unit = sections(UNITS / "nightjar.service")
    options = make_parser().parse_args(unit["ExecStart"][0].partition(" -m appliance ")[2].split())
    assert (options.command, str(options.data)) == ("run", *unit["ReadWritePaths"])
    assert (options.development, options.listen, options.port, options.camera) == (False, None, None, None)
    assert (unit["User"], unit["Group"], unit["NoNewPrivileges"]) == (["nightjar"], ["nightjar"], ["yes"])
    assert "SupplementaryGroups" not in unit
    assert (unit["Type"], unit["Restart"]) == (["notify"], ["always"])
    assert "ProtectHostname" not in unit, "it follows the machine's name"
    assert set(unit["RestrictAddressFamilies"][0].split()) == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}
    assert int(unit["WatchdogSec"][0].removesuffix("s")) < STUCK_AFTER_S, "who hangs whole is missed before one thread is"
    assert int(unit["TimeoutStopSec"][0].removesuffix("s")) > STOP_DEADLINE_S
    limit = re.fullmatch(r"(\d+)%", unit["MemoryHigh"][0])
    assert limit is not None
    assert int(limit[1]) > MEMORY_SHARE * 100, "it ends itself, and says why, before the kernel slows it down"


def test_the_socket_hands_over_what_the_program_takes() -> None:
    unit = sections(UNITS / "nightjar.socket")
    assert [int(port) for port in unit["ListenStream"]] == [PORT, PLAIN_PORT]
    assert (unit["FileDescriptorName"], unit["Service"]) == ([SOCKETS], ["nightjar.service"])
    assert sections(UNITS / "nightjar.service")["Requires"] == ["nightjar.socket"]
    assert {key for key in unit if key.startswith("Listen")} == {"ListenStream"}


def test_the_indi_server_listens_where_the_panel_looks_and_nowhere_else() -> None:
    unit = sections(UNITS / "nightjar-indi.service")
    words = f"-u {SOCKET_NAME} -p {INDI_PORT} -f {FIFO}"
    assert unit["ExecStart"] == [f"/usr/bin/indiserver {words}"]
    assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == (["any"], ["localhost"])
    assert (unit["SocketBindDeny"], unit["SocketBindAllow"]) == (["any"], [f"ipv4:tcp:{INDI_PORT}"])
    assert set(unit["RestrictAddressFamilies"][0].split()) == {"AF_UNIX", "AF_INET", "AF_NETLINK"}
    assert {"-/data", "-/media", "-/run/media", "-/run/dbus"} <= set(unit["InaccessiblePaths"][0].split())
    assert (unit["User"], unit["Group"], unit["NoNewPrivileges"]) == (["nightjar-indi"], ["nightjar-indi"], ["yes"])
    assert "SupplementaryGroups" not in unit
    assert (unit["PrivateMounts"], unit["DevicePolicy"]) == (["yes"], ["closed"])
    devices = ("usb_device", "video4linux", "media", "ttyUSB", "ttyACM")
    assert unit["DeviceAllow"] == [f"char-{name} rw" for name in devices]


def test_a_shutdown_waits_for_the_longest_exposure_that_can_be_set() -> None:
    wait = sections(OVERLAY / "systemd/logind.conf.d/nightjar.conf")["InhibitDelayMaxSec"][0]
    longest = max(
        bound.le
        for name in ("duration_s", "duration_max_s")
        for bound in CameraSettings.model_fields[name].metadata
        if hasattr(bound, "le")
    )
    assert int(wait.removesuffix("min")) * 60 >= longest + 30


def test_an_update_on_trial_that_is_not_well_restarts_the_machine_even_where_nothing_of_it_works(tmp_path: Path) -> None:
    """The last command of the unit decides, and needs neither Python nor what the first one says."""
    unit = sections(UNITS / "nightjar-slot-health.service")
    script, notes = scripts.load("nightjar-slot-health"), scripts.part("records")
    first, last = unit["ExecStart"]
    assert first.startswith("-"), "whatever becomes of it"
    assert (unit["FailureAction"], unit["RuntimeDirectory"]) == (["reboot"], [script.Places().stays.parent.name])
    command = last.split()
    assert command[2:] == [str(script.Places().stays), "-o", "!", "-e", f"{notes.FOLDER}/trial.json"]
    stays, trial = tmp_path / "stays", tmp_path / "trial.json"
    found = {}
    for is_staying, is_on_trial in ((False, False), (True, False), (True, True), (False, True)):
        for path, is_there in ((stays, is_staying), (trial, is_on_trial)):
            path.touch() if is_there else path.unlink(missing_ok=True)
        ended = subprocess.run([*command[:2], str(stays), "-o", "!", "-e", str(trial)], check=False)
        found[is_staying, is_on_trial] = ended.returncode
    assert found == {(False, False): 0, (True, False): 0, (True, True): 0, (False, True): 1}
    assert float(re.sub("min", "", unit["TimeoutStartSec"][0])) * 60 > script.BEGINNING_S + script.OTHERWISE_S + 600


def test_rauc_and_its_units_mean_the_same_places() -> None:
    """Its configuration, the handlers, the image's keyring, the panel's right to have the other system started."""
    parser = configparser.RawConfigParser()
    parser.read_string((ROOT / "rootfs-overlay/etc/rauc/system.conf").read_text())
    check, notes = scripts.load("nightjar-update-check"), scripts.part("records")
    assert parser["system"]["compatible"] == check.COMPATIBLE == bundle.COMPATIBLE
    assert parser["keyring"] == {"path": f"/{keyring.PLACE}", "check-crl": "true", "check-purpose": "codesign"}
    for handler in parser["handlers"].values():
        assert (ROOT / f"rootfs-overlay{handler}").stat().st_mode & 0o111 == 0o111
    assert Path(parser["system"]["data-directory"]).parent == notes.FOLDER
    unit = sections(UNITS / "rauc.service")
    assert unit["ReadWritePaths"] == [str(notes.FOLDER)] == sections(UNITS / "nightjar-slot-health.service")["ReadWritePaths"]
    assert parser["system"]["mountprefix"] == f"/run/{unit['RuntimeDirectory'][0]}"
    slots = {parser[name]["device"] for name in parser.sections() if name.startswith("slot.")}
    written = {line.split()[0] for line in unit["DeviceAllow"] if line.startswith("/dev/nightjar/")}
    assert written == slots | {str(scripts.part("bootstate").DEVICE)}
    assert (unit["NoNewPrivileges"], unit["PrivateMounts"]) == (["yes"], ["yes"])
    activated = (ROOT / "rootfs-overlay/usr/share/dbus-1/system-services/de.pengutronix.rauc.service").read_text()
    assert "SystemdService=rauc.service" in activated


@pytest.fixture
def device_root(tmp_path: Path) -> Path:
    """Return a system tree in which systemd has made our users."""
    if os.geteuid() != 0:
        pytest.skip("needs root: what is made is other users'")
    for folder in ("etc", "usr/lib"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("sysusers.d", "tmpfiles.d"):
        shutil.copytree(OVERLAY / name, tmp_path / "usr/lib" / name)
    # Debian's base-passwd brings these two.
    (tmp_path / "etc/group").write_text("root:x:0:\ndialout:x:20:\nvideo:x:44:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", "nightjar.conf"], check=True, capture_output=True)
    return tmp_path


@pytest.mark.needs("systemd-sysusers")
def test_exactly_these_users_are_made_and_none_can_log_in(device_root: Path) -> None:
    made = {line.split(":")[0]: line.split(":") for line in (device_root / "etc/passwd").read_text().splitlines()[1:]}
    groups = {line.split(":")[0]: line.split(":")[3].split(",") for line in (device_root / "etc/group").read_text().splitlines()}
    assert {name: sorted(group for group, members in groups.items() if name in members) for name in made} == USERS
    for name, fields in made.items():
        assert fields[6] in ("/usr/sbin/nologin", "/sbin/nologin"), name
        assert int(fields[2]) == NUMBERS[name], "the data of every card belong to it"
    locked = [line.split(":")[1] for line in (device_root / "etc/shadow").read_text().splitlines() if line.startswith("nightjar")]
    assert [password[0] for password in locked] == ["!"] * len(USERS)


@pytest.mark.needs("systemd-tmpfiles", "systemd-sysusers")
def test_the_folders_have_their_owners_and_modes(device_root: Path) -> None:
    parameter = device_root / "sys/module/usbcore/parameters/usbfs_memory_mb"
    parameter.parent.mkdir(parents=True)
    parameter.write_text("16\n")
    names = sorted(path.name for path in (OVERLAY / "tmpfiles.d").iterdir())
    assert names == [
        "nightjar-certificates.conf",
        "nightjar-firstboot.conf",
        "nightjar-indi.conf",
        "nightjar-persist.conf",
        "nightjar-update.conf",
    ]
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={device_root}", *names], check=True, capture_output=True)
    ids = {line.split(":")[0]: int(line.split(":")[2]) for line in (device_root / "etc/passwd").read_text().splitlines()}
    found = {}
    made = [path for top in ("data", "run") for path in (device_root / top).rglob("*")]
    for path in made:
        state = path.lstat()
        kind = {stat.S_IFDIR: "folder", stat.S_IFIFO: "FIFO"}.get(stat.S_IFMT(state.st_mode), "something else")
        place = f"/{path.relative_to(device_root)}"
        found[place] = (kind, state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode))
    ca, panel, indi = ids["nightjar-ca"], ids["nightjar"], ids["nightjar-indi"]
    assert found == {
        "/data/nightjar-ca": ("folder", ca, ca, 0o700),
        "/data/nightjar-tls": ("folder", ca, panel, 0o2750),
        "/data/nightjar": ("folder", panel, panel, 0o700),
        "/data/nightjar/tls": ("folder", panel, panel, 0o700),
        "/data/nightjar-update": ("folder", 0, 0, 0o755),
        "/data/nightjar-update/rauc": ("folder", 0, 0, 0o755),
        "/data/persist": ("folder", 0, 0, 0o755),
        "/data/persist/connections": ("folder", 0, 0, 0o700),
        "/data/persist/timesync": ("folder", 0, 0, 0o755),
        "/run/nightjar-firstboot": ("folder", 0, panel, 0o2750),
        "/run/nightjar-indi": ("folder", 0, 0, 0o711),
        "/run/nightjar-show": ("folder", panel, panel, 0o750),
        "/run/systemd": ("folder", 0, 0, 0o755),
        "/run/systemd/timesyncd.conf.d": ("folder", 0, 0, 0o755),
        str(FIFO): ("FIFO", indi, panel, 0o420),
    }
    assert parameter.read_text().strip() == "200"
