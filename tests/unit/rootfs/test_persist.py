"""`nightjar-persist` and the initrd's reading of what it wrote, run by sh on files in the place of the machine's."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = (ROOT / "rootfs-overlay/usr/libexec/nightjar/nightjar-persist").read_text()
INITRD = (ROOT / "image-build/initrd.sh").read_text()
ID = "0123456789abcdef0123456789abcdef"
MIB = 1 << 20


@dataclass(frozen=True)
class Machine:
    folder: Path

    def run(self, meanwhile: str = "") -> None:
        """Run it; what is to happen meanwhile happens whenever it has written something."""
        script = f"sync() {{ {meanwhile or ':'}; }}\n{SCRIPT}"
        for name in ("/etc/", "/data/", "/run/", "/dev/nightjar/", "/proc/", "/usr/share/zoneinfo/", "/var/lib/"):
            script = script.replace(name, f"{self.folder}{name}")
        subprocess.run(["sh", "-c", script], check=True, timeout=60)

    def restart(self) -> None:
        """Forget what a restart forgets."""
        (self.folder / "run/nightjar-boot/restored").unlink(missing_ok=True)
        (self.folder / "var/lib/NetworkManager/secret_key").unlink(missing_ok=True)
        (self.folder / "etc/hostname").write_text("nightjar\n")
        (self.folder / "etc/localtime").unlink(missing_ok=True)
        (self.folder / "etc/localtime").symlink_to(self.folder / "usr/share/zoneinfo/Etc/UTC")

    def identity(self) -> str:
        """Return what the initrd finds."""
        function = INITRD[INITRD.index("identity() {") : INITRD.index("above() {")].replace("/dev/$1", "$1")
        command = ["sh", "-euc", f'{function}\nidentity "{self.state}"']
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    @property
    def state(self) -> Path:
        return self.folder / "dev/nightjar/bootstate"

    def kept(self, name: str) -> str:
        return (self.folder / "data/persist" / name).read_text().strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("etc", "data/persist", "run/nightjar-boot", "dev/nightjar", "proc/sys/kernel", "var/lib/NetworkManager"):
        (tmp_path / name).mkdir(parents=True)
    for zone in ("Etc/UTC", "Europe/Berlin"):
        (tmp_path / "usr/share/zoneinfo" / zone).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "usr/share/zoneinfo" / zone).write_text("TZif")
    (tmp_path / "etc/machine-id").write_text(f"{ID}\n")
    made = Machine(tmp_path)
    made.state.write_bytes(bytes(8 * MIB))
    made.restart()
    return made


def test_the_identity_is_written_twice_and_the_initrd_finds_it(machine: Machine) -> None:
    assert machine.identity() == ""
    machine.run()
    assert machine.identity() == ID
    for copy in (1, 5):
        assert machine.state.read_bytes()[copy * MIB :].startswith(f"machine-id {ID} ".encode())
    assert machine.state.stat().st_size == 8 * MIB
    assert machine.state.read_bytes()[:MIB].count(0) == MIB, "the boot state itself is left alone"


@pytest.mark.parametrize("damage", [1, 5])
def test_one_damaged_copy_is_not_believed_and_written_anew(machine: Machine, damage: int) -> None:
    machine.run()
    whole = machine.state.read_bytes()
    data = bytearray(whole)
    data[damage * MIB + 12] ^= 1
    machine.state.write_bytes(data)
    assert machine.identity() == ID
    machine.restart()
    machine.run()
    assert machine.state.read_bytes() == whole


def test_two_damaged_copies_are_no_identity(machine: Machine) -> None:
    machine.run()
    data = bytearray(machine.state.read_bytes())
    for copy in (1, 5):
        data[copy * MIB + 12] ^= 1
    machine.state.write_bytes(data)
    assert machine.identity() == ""


def test_name_and_zone_outlive_a_restart(machine: Machine) -> None:
    machine.run()
    (machine.folder / "etc/hostname").write_text("hut\n")
    (machine.folder / "etc/localtime").unlink()
    (machine.folder / "etc/localtime").symlink_to(machine.folder / "usr/share/zoneinfo/Europe/Berlin")
    machine.run()
    assert (machine.kept("hostname"), machine.kept("timezone")) == ("hut", "Europe/Berlin")
    machine.restart()
    machine.run()
    assert (machine.folder / "etc/hostname").read_text() == "hut\n"
    assert (machine.folder / "proc/sys/kernel/hostname").read_text() == "hut\n"
    assert (machine.folder / "etc/localtime").resolve() == machine.folder / "usr/share/zoneinfo/Europe/Berlin"


def test_a_change_while_it_keeps_the_one_before_is_kept_too(machine: Machine) -> None:
    machine.run()
    (machine.folder / "etc/hostname").write_text("hut\n")
    machine.run(meanwhile="ln -sfn /usr/share/zoneinfo/Europe/Berlin /etc/localtime; echo barn >/etc/hostname")
    assert (machine.kept("hostname"), machine.kept("timezone")) == ("barn", "Europe/Berlin")


@pytest.mark.parametrize(("name", "zone"), [("two words", "../../../etc/passwd"), ("$(reboot)", "Europe/Nowhere"), ("", "")])
def test_what_is_no_name_and_no_zone_is_not_put_back(machine: Machine, name: str, zone: str) -> None:
    (machine.folder / "data/persist/hostname").write_text(f"{name}\n")
    (machine.folder / "data/persist/timezone").write_text(f"{zone}\n")
    machine.run()
    assert (machine.folder / "etc/hostname").read_text() == "nightjar\n"
    assert (machine.folder / "etc/localtime").resolve().name == "UTC"


def test_its_addresses_stay_the_same_and_nobody_else_knows_what_they_are_made_of(machine: Machine) -> None:
    machine.run()
    kept, used = machine.folder / "data/persist/network-key", machine.folder / "var/lib/NetworkManager/secret_key"
    key = kept.read_bytes()
    assert (len(key), used.read_bytes()) == (32, key)
    assert {path.stat().st_mode & 0o777 for path in (kept, used)} == {0o600}
    machine.restart()
    machine.run()
    assert (kept.read_bytes(), used.read_bytes()) == (key, key)


def test_what_a_power_cut_left_of_them_is_made_anew(machine: Machine) -> None:
    (machine.folder / "data/persist/network-key").touch()
    (machine.folder / "data/persist/network-key.part").write_bytes(b"half")
    machine.run()
    assert len((machine.folder / "var/lib/NetworkManager/secret_key").read_bytes()) == 32


def test_where_there_is_no_room_for_them_all_else_is_kept(machine: Machine) -> None:
    (machine.folder / "data/persist/hostname").write_text("hut\n")
    (machine.folder / "data/persist/network-key.part").mkdir()  # nothing can be written there
    with pytest.raises(subprocess.CalledProcessError):
        machine.run()
    assert (machine.folder / "etc/hostname").read_text() == "hut\n"
    (machine.folder / "etc/hostname").write_text("cabin\n")
    machine.run()
    assert machine.kept("hostname") == "cabin"


def test_two_machines_have_two(machine: Machine) -> None:
    machine.run()
    key = machine.folder / "data/persist/network-key"
    first = key.read_bytes()
    key.unlink()
    machine.restart()
    machine.run()
    assert key.read_bytes() != first
