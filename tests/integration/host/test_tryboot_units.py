"""What is laid over the system of the flavour raspios for updates: units, their preset, RAUC's files."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from imagebuild import bundle
from imagebuild.flavour import RASPIOS, Flavour, suffix_of
from tests.integration.host.test_units import ROOT, UNITS, complaints, sections
from tests.unit.rootfs import scripts

LAID_OVER = ROOT / "image-build/raspios"
OVER = LAID_OVER / "usr/lib/systemd/system"
NAMES = ("start", "good", "restart")
MOST_EXPOSED = 1.1

tryboot, flavour = scripts.raspios_part("tryboot"), scripts.replaced_by_raspios("flavour")


def of(name: str) -> dict[str, list[str]]:
    return sections(OVER / f"nightjar-tryboot-{name}.service")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a folder of all units of that kind of image."""
    folder = Path(shutil.copytree(UNITS, tmp_path / "units"))
    return Path(shutil.copytree(OVER, folder, dirs_exist_ok=True))


@pytest.mark.needs("systemd-analyze", "indiserver")
def test_every_unit_is_read_without_a_complaint_and_a_mistake_with_one(units: Path) -> None:
    assert {path.name for path in OVER.iterdir()} == {
        *(f"nightjar-tryboot-{name}.service" for name in NAMES), "nightjar-indi.service.d", "rauc.service.d",
    }  # fmt: skip
    assert complaints(units) == (0, [])
    unit = units / "nightjar-tryboot-good.service"
    unit.write_text(unit.read_text().replace("/usr/bin/python3", "/usr/bin/missing"))
    assert complaints(units)[1]


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_sandboxed_as_far_as_was_reached(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"{OVER}/nightjar-tryboot-{name}.service"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    score = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert score is not None
    assert float(score[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_oneshot_of_roots_without_a_capability_that_does_one_act(name: str) -> None:
    unit = of(name)
    command = unit["ExecStart"][0].removeprefix("-").split()
    assert command == ["/usr/bin/python3", "-BIS", "/usr/libexec/nightjar/nightjar-tryboot", name]
    assert (unit["Type"], unit["CapabilityBoundingSet"], unit["ProtectSystem"]) == (["oneshot"], [""], ["strict"])
    assert (unit["DevicePolicy"], unit["ConditionPathExists"]) == (["closed"], ["/dev/nightjar/bootstate"])
    program = LAID_OVER / "usr/libexec/nightjar/nightjar-tryboot"
    assert program.stat().st_mode & 0o111 == 0o111


def test_only_one_of_them_may_write_what_the_firmware_starts_from() -> None:
    devices = {name: set(of(name)["DeviceAllow"]) for name in NAMES}
    choosing = {"/dev/nightjar/bootstate rw", "/dev/nightjar/firmware r", "/dev/nightjar/boot_a r", "/dev/nightjar/boot_b r"}
    assert devices == {
        "start": choosing, "restart": choosing, "good": {"/dev/nightjar/bootstate r", "/dev/nightjar/firmware rw"},
    }  # fmt: skip
    assert sections(OVER / "rauc.service.d/tryboot.conf")["DeviceAllow"] == ["/dev/nightjar/firmware r"]


def test_the_machine_restarts_where_and_only_where_the_program_leaves_its_mark() -> None:
    unit, places = of("start"), tryboot.Places()
    assert unit["ExecStart"][1] == f"/usr/bin/test ! -e {places.again}"
    assert unit["ExecStart"][0].startswith("-"), "a start goes on where it fails"
    assert (unit["FailureAction"], unit["RuntimeDirectory"]) == (["reboot"], [places.again.parent.name])
    assert "FailureAction" not in {**of("good"), **of("restart")}


def test_they_come_before_all_else_after_the_verdict_and_before_the_restart() -> None:
    assert (of("start")["WantedBy"], of("start")["Before"][0].split()[0]) == (["sysinit.target"], "sysinit.target")
    assert (of("good")["WantedBy"], of("good")["After"]) == (["multi-user.target"], ["basic.target nightjar-slot-health.service"])
    assert (of("restart")["WantedBy"], of("restart")["Before"]) == (["reboot.target"], ["systemd-reboot.service"])
    for name in ("start", "restart"):
        assert "PrivateTmp" not in of(name), "it would ask for /tmp when that is not there yet, or any more"
        assert of(name)["ReadWritePaths"] == [str(tryboot.Places().parameter.parent)]
    assert {tuple(of(name)["DefaultDependencies"]) for name in NAMES} == {("no",)}


@pytest.mark.needs("systemctl")
def test_systemd_starts_them_by_itself_whatever_the_usual_preset_says(tmp_path: Path) -> None:
    for folder in (ROOT / "rootfs-overlay/usr", LAID_OVER / "usr"):
        shutil.copytree(folder, tmp_path / "usr", dirs_exist_ok=True, symlinks=True)
    subprocess.run(["systemctl", f"--root={tmp_path}", "--quiet", "preset-all"], check=True, capture_output=True, timeout=60)
    found = {
        str(path.relative_to(tmp_path / "etc/systemd/system")) for path in tmp_path.glob("etc/systemd/system/*.wants/*tryboot*")
    }
    assert found == {
        "sysinit.target.wants/nightjar-tryboot-start.service", "multi-user.target.wants/nightjar-tryboot-good.service",
        "reboot.target.wants/nightjar-tryboot-restart.service",
    }  # fmt: skip
    assert (tmp_path / "etc/systemd/system/multi-user.target.wants/nightjar-slot-health.service").is_symlink()


def configuration(folder: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser()
    parser.read_string((folder / "etc/rauc/system.conf").read_text())
    return {name: dict(parser[name]) for name in parser.sections()}


def test_rauc_takes_updates_for_this_kind_and_all_else_is_as_usual() -> None:
    usual, ours = configuration(ROOT / "rootfs-overlay"), configuration(LAID_OVER)
    made = f"{bundle.COMPATIBLE}{suffix_of(RASPIOS)}"
    assert ours["system"].pop("compatible") == flavour.COMPATIBLE == made
    assert usual["system"].pop("compatible") != made
    assert ours == usual


def test_the_usual_image_has_nothing_of_it() -> None:
    laid = Flavour.read(ROOT / "image-build/packages.toml", RASPIOS).overlays
    assert laid == ("rootfs-overlay", "image-build/raspios")
    usual = scripts.part("flavour")
    assert Path("/proc/cmdline") == usual.COMMAND_LINE
    assert usual.COMPATIBLE == bundle.COMPATIBLE
    assert usual.kept_from_being_written("A", Path("/nowhere")) == ""
    assert not list((ROOT / "rootfs-overlay").rglob("*tryboot*"))


def test_the_initrd_writes_down_what_the_programs_read() -> None:
    script = (ROOT / "image-build/initrd.sh").read_text()
    assert f'echo "rauc.slot=$slot" >{flavour.COMMAND_LINE}\n' in script
    assert scripts.part("bootstate").current("rauc.slot=B\n") == "B"
