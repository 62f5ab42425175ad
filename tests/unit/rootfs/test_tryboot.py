"""Which system runs after many starts where the Pi's firmware chooses: its rules, the appliance's own scripts, a made-up card.

As in test_slot_health.py, whose card and whose systems these are; what U-Boot's script does there, the firmware and
`nightjar-tryboot` do here.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rootfs import pifirmware, scripts, test_slot_health
from tests.unit.rootfs.pifirmware import Choice, Firmware, choose
from tests.unit.rootfs.test_slot_health import (
    NEW,
    OLD,
    STARTS,
    Device,
    Told,
    bootstate,
    health,
    ill,
    new_is_dead,
    new_is_ill,
    well,
)

autoboot, tryboot = scripts.raspios_part("autoboot"), scripts.raspios_part("tryboot")
flavour = scripts.replaced_by_raspios("flavour")
records = scripts.part("records")
pytestmark = pytest.mark.needs("mkfs.vfat", "mcopy")

NUMBERS = {number: name for name, number in autoboot.PARTITIONS.items()}
UNPROVED = "a system that was never well is what the firmware starts by itself"


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the partitions of a card."""
    folder = tmp_path_factory.mktemp("card")
    pifirmware.make_card(folder, autoboot.text("A"))
    return folder


class Pi(Device):
    """A Pi with a card that has one or two systems."""

    def __init__(self, folder: Path, card: Path, *, walks: bool = True) -> None:
        self.card = card
        self.proved: set[str] = set()
        """Systems that were found well since they were laid there."""
        shutil.copyfile(card / "first", folder / "firmware")
        super().__init__(folder)
        self.firmware = Firmware(folder, walks)
        (folder / "told").mkdir()
        self.places = tryboot.Places(
            folder, folder / "cmdline", folder / "told", folder / "run/reboot-param", folder / "run/again"
        )
        self.is_down = False
        """Whether it has shut down, and does nothing more before its next start."""
        self.count = 0
        """Of starts, each of those that ended at once as well."""

    def lay(self, name: str, version: str) -> None:
        super().lay(name, version)
        self.proved.discard(name)
        shutil.copyfile(self.card / "boot", self.folder / f"boot_{name.lower()}")

    def install(self, version: str) -> None:
        target = "B" if self.running == "A" else "A"
        assert not flavour.kept_from_being_written(target, self.folder)
        super().install(version)

    def act(self, what: str) -> int:
        return int(tryboot.main([what], self.places))

    @property
    def default(self) -> str:
        return str(autoboot.read(self.folder / "firmware"))

    def restart(self) -> None:
        """Have systemd restart the machine, whoever asked it to."""
        self.act("restart")
        parameter = self.places.parameter
        self.firmware.restart(parameter.read_text() if parameter.exists() else "")
        self.is_down = True

    def boot(self, told: Callable[[str], Told | None]) -> bool:
        """Start once; return whether `told` is to be asked, since the system that should run does."""
        if not self.is_down:
            self.firmware.reset()
        self.is_down = False
        self.count += 1
        started = self.firmware.start()
        assert started is not None, "it stops, and nobody is there"
        partition, is_trial = started
        self.running = NUMBERS[partition]
        self.boot_id.write_text(f"{self.count}\n")
        (self.folder / "cmdline").write_text(f"rauc.slot={self.running}\n")
        (self.folder / "os-release").write_text(f'IMAGE_VERSION="{self.versions[self.running]}"\n')
        for name, value in (("partition", partition), ("tryboot", is_trial)):
            (self.folder / "told" / name).write_bytes(int(value).to_bytes(4, "big"))
        self.places.parameter.unlink(missing_ok=True)
        self.places.again.unlink(missing_ok=True)
        if told(self.versions[self.running]) is None:
            return True  # it ends before anything of it runs
        self.act("start")
        return not self.places.again.exists()

    def start(self, told: Callable[[str], Told | None]) -> bool:
        while not self.boot(told):
            self.restart()
        found = told(self.versions[self.running])
        if found is None:
            return True
        if self.look(found):
            self.restart()
            return True
        return False

    def look(self, found: Told) -> bool:
        if not (found.problem_now or found.database or found.restarts):
            self.proved.add(self.running)
        restarts = super().look(found)
        if not restarts:
            self.act("good")
        with contextlib.suppress(autoboot.UnusableError):
            assert self.default in self.proved | {"A"} - ({"A"} if self.versions["A"] != OLD else set()), UNPROVED
        return restarts


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    test_slot_health._make_impatient(monkeypatch)


@pytest.fixture
def pi(tmp_path: Path, card: Path) -> Pi:
    made = Pi(tmp_path, card)
    assert not made.start(well)
    return made


# The firmware's rules


@pytest.mark.parametrize(
    ("text", "usual", "trial"),
    [
        (None, Choice(), Choice()),
        (b"", Choice(), Choice()),
        (b"boot_partition=2\n", Choice(2), Choice(2)),
        (b"[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=4\n", Choice(3, True), Choice(4, True)),
        (b"[tryboot]\nboot_partition=4\n[all]\nboot_partition=3\n", Choice(3), Choice(3)),
        (b"[none]\nboot_partition=9\n[all]\nboot_partition=3\n", Choice(3), Choice(3)),
        (b"[pi5]\nboot_partition=9\n", Choice(), Choice()),
        (b"[all]\nboot_partition=3\n[pi5]\nboot_partition=9\n", Choice(3), Choice(3)),
        (b"boot_partition=three\n", Choice(), Choice()),
        (b"[all]\nboot_partition=3\n".ljust(512, b"\n"), Choice(3), Choice(3)),
        (b"[all]\nboot_partition=3\n".ljust(513, b"\n"), Choice(), Choice()),
        (b"\xff\0garbage[all", Choice(), Choice()),
    ],
)
def test_the_firmware_reads_its_file(text: bytes | None, usual: Choice, trial: Choice) -> None:
    assert [choose(text, is_trial=is_trial) for is_trial in (False, True)] == [usual, trial]


def test_the_firmware_tries_once_and_forgets_it_at_any_reset(pi: Pi) -> None:
    pi.lay("B", NEW)
    pi.firmware.restart("0 tryboot\n")
    assert [pi.firmware.start() for _ in range(2)] == [(4, True), (3, False)]
    pi.firmware.restart("0 tryboot\n")
    pi.firmware.reset()
    assert pi.firmware.start() == (3, False)


def test_a_partition_that_cannot_be_started_from_is_left_for_the_next_one_or_is_a_dead_end(pi: Pi) -> None:
    pi.firmware.restart("0 tryboot")
    assert pi.firmware.start() == (3, True)
    pi.firmware.walks = False
    pi.firmware.restart("0 tryboot")
    assert pi.firmware.start() is None


def test_a_trial_without_a_word_of_two_systems_looks_for_another_file(pi: Pi) -> None:
    shutil.copyfile(pi.folder / "boot_a", pi.folder / "firmware")  # a first partition without autoboot.txt
    (pi.folder / "boot_a").write_bytes(bytes(512))
    assert pi.firmware.start() == (1, False)
    pi.firmware.restart("0 tryboot")
    assert pi.firmware.start() is None


# What an update comes to


def test_an_update_is_tried_and_becomes_what_the_firmware_starts(pi: Pi) -> None:
    pi.install(NEW)
    assert pi.default == "A"
    pi.restart()
    assert not pi.start(well)
    assert (pi.running, pi.default, pi.count) == ("B", "B", 2)
    assert pi.state() == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
    assert pi.history() == [("installed", NEW, ""), ("good", NEW, "")]
    pi.install("1.2.0")
    pi.restart()
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("A", "A")


def test_a_trial_is_paid_for_once(pi: Pi) -> None:
    pi.install(NEW)
    pi.restart()
    assert pi.state()["BOOT_B_LEFT"] == "2"
    assert pi.boot(well)
    assert (pi.running, pi.state()) == ("B", {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "2"})


def test_the_third_trial_is_not_ended_because_it_is_the_last(pi: Pi) -> None:
    pi.install(NEW)
    pi.restart()
    assert [pi.start(new_is_ill) for _ in range(STARTS - 1)] == [True, True]
    assert pi.state()["BOOT_B_LEFT"] == "0"
    assert not pi.start(well)
    assert (pi.running, pi.default, pi.history()[-1]) == ("B", "B", ("good", NEW, ""))


def test_an_update_starts_after_a_loss_of_power_as_well(pi: Pi) -> None:
    pi.install(NEW)
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("B", "B")
    assert pi.count == 3, "by way of the old one, which restarts at once"


@pytest.mark.parametrize(
    ("bad", "reason", "starts"),
    [(new_is_ill, "the panel does not answer", STARTS), (new_is_dead, "three starts ended before", 2 * STARTS - 1)],
)
def test_one_that_is_not_well_is_tried_three_times(pi: Pi, bad: Callable[[str], Told | None], reason: str, starts: int) -> None:
    pi.install(NEW)
    pi.restart()
    seen = []
    while pi.start(bad):
        seen.append(pi.running)
        assert pi.default == "A"
    assert seen == ["B"] * STARTS
    assert pi.count == 1 + starts + 1, "after a crash the firmware is back at the old one, which restarts at once"
    assert (pi.running, pi.state()) == ("A", {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"})
    outcome, version, why = pi.history()[-1]
    assert (outcome, version, reason in why) == ("fell back", NEW, True)
    assert pi.records.bad == [NEW]
    for _ in range(3):
        pi.restart()
        assert not pi.start(bad)
        assert pi.running == "A"


def test_a_proved_system_that_is_cut_off_three_times_is_left(pi: Pi) -> None:
    pi.install(NEW)
    pi.restart()
    pi.start(well)
    for _ in range(STARTS):
        assert pi.boot(well)
        assert pi.running == "B"
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("A", "A")
    assert pi.history()[-1] == ("fell back", NEW, "it was not well in three starts")
    assert pi.switch() == 0
    pi.restart()
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("B", "B")


def test_one_system_alone_goes_on_however_often_it_is_cut_off(pi: Pi) -> None:
    for _ in range(3 * STARTS):
        assert pi.boot(well)
        assert pi.running == "A"
    assert not pi.start(well)
    assert pi.state() == {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"}


def test_the_other_system_by_hand_is_tried_too(pi: Pi) -> None:
    pi.install(NEW)
    pi.restart()
    pi.start(well)
    assert pi.switch() == 0
    pi.restart()
    assert pi.start(ill)
    assert (pi.running, pi.default) == ("A", "B")
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("A", "A")


def test_nobody_writes_over_what_the_firmware_would_start(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    pi.install(NEW)
    pi.restart()
    assert pi.boot(well)
    assert health.Health.has_other
    assert (pi.running, pi.default) == ("B", "A")
    assert "still starts from system A, which would be written over" in flavour.kept_from_being_written("A", pi.folder)
    Device.look(pi, Told())
    assert pi.act("good") == 0
    assert flavour.kept_from_being_written("A", pi.folder) == ""
    (pi.folder / "firmware").write_bytes(bytes(4096))
    assert "must be known before a system is written over" in flavour.kept_from_being_written("A", pi.folder)


# What cannot be done


def lose_autoboot(pi: Pi) -> None:
    data = (pi.folder / "firmware").read_bytes()
    (pi.folder / "firmware").write_bytes(data.replace(b"tryboot_a_b=1", b"tryboot_a_b=0"))


def lose_the_first_partition(pi: Pi) -> None:
    (pi.folder / "firmware").write_bytes(bytes(4096))


def lose_config(pi: Pi) -> None:
    data = (pi.folder / "boot_b").read_bytes()
    (pi.folder / "boot_b").write_bytes(data.replace(b"CONFIG  TXT", b"CONFIG  OLD"))


@pytest.mark.parametrize("walks", [False, True])
@pytest.mark.parametrize("lose", [lose_autoboot, lose_the_first_partition, lose_config])
def test_an_update_that_the_firmware_cannot_try_is_told_and_the_machine_goes_on(
    pi: Pi, lose: Callable[[Pi], None], walks: bool
) -> None:
    pi.firmware.walks = walks
    pi.install(NEW)
    lose(pi)
    pi.restart()
    assert not pi.places.parameter.exists()
    assert not pi.start(well)
    assert pi.running == "A"
    outcome, version, reason = pi.history()[-1]
    assert (outcome, version, "it was not started" in reason) == ("refused", NEW, True)
    assert pi.state() == {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
    pi.restart()
    assert not pi.start(well)
    assert pi.running == "A"


def test_a_damaged_file_is_whole_again_once_a_system_was_well(pi: Pi) -> None:
    lose_autoboot(pi)
    assert not pi.start(well)
    assert pi.default == "A"


def test_a_system_that_the_firmware_cannot_start_any_more_is_left(pi: Pi) -> None:
    pi.install(NEW)
    pi.restart()
    pi.start(well)
    lose_config(pi)
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("A", "A")
    assert pi.history()[-1] == ("fell back", NEW, "which system starts next got lost; it is still there")


def test_an_attempt_that_cannot_be_written_down_is_not_made(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    pi.install(NEW)

    def full(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(bootstate, "write", full)
    assert pi.act("restart") == 1
    assert not pi.places.parameter.exists()
    assert pi.boot(well), "it goes on, and does not restart for ever"
    assert pi.running == "A"


def test_a_firmware_that_never_tries_is_asked_three_times(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    pi.install(NEW)
    monkeypatch.setattr(pi.firmware, "restart", lambda parameter: None)
    pi.restart()
    assert not pi.start(well)
    assert (pi.running, pi.default) == ("A", "A")
    assert pi.history()[-1][:2] == ("fell back", NEW)
    assert pi.count <= 2 + STARTS


def test_what_does_not_say_which_system_runs_changes_nothing(pi: Pi, capsys: pytest.CaptureFixture[str]) -> None:
    (pi.folder / "cmdline").write_text("nothing of use\n")
    before = pi.state_file.read_bytes(), (pi.folder / "firmware").read_bytes()
    assert [pi.act(what) for what in ("start", "good", "restart")] == [2, 2, 2]
    assert capsys.readouterr().err.count("does not say which system runs\n") == 3
    assert (pi.state_file.read_bytes(), (pi.folder / "firmware").read_bytes()) == before


@pytest.mark.parametrize("words", [[], ["start", "now"], ["stop"]])
def test_it_is_asked_for_one_of_three_acts(pi: Pi, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert tryboot.main(words, pi.places) == 2
    assert "is not asked like this" in capsys.readouterr().err


# Whatever happens

STEPS = st.sampled_from(
    ["well", "new is ill", "new is dead", "ill", "install", "switch", "cut", "cut after the choice", "restart", "watchdog"]
)
LIKE: dict[str, Callable[[str], Told | None]] = {"well": well, "new is ill": new_is_ill, "new is dead": new_is_dead, "ill": ill}


def do(pi: Pi, step: str) -> None:
    if pi.is_down and step in {"install", "switch", "restart", "watchdog"}:
        return
    if step == "install":
        is_unproved = pi.records.trial is not None and pi.records.trial.slot == pi.running
        target = "B" if pi.running == "A" else "A"
        if not is_unproved and not flavour.kept_from_being_written(target, pi.folder):
            pi.install(NEW)
    elif step == "switch":
        pi.switch()
    elif step == "restart":
        pi.restart()
    elif step == "watchdog":
        pi.restart()
        pi.firmware.reset()  # before it could be told
    elif step.startswith("cut"):
        pi.boot(well if step == "cut after the choice" else lambda _: None)
    else:
        pi.start(LIKE[step])


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=14), walks=st.booleans())
def test_after_anything_a_healthy_system_is_reached_within_three_starts_and_stays(
    tmp_path_factory: pytest.TempPathFactory, card: Path, steps: list[str], walks: bool
) -> None:
    pi = Pi(tmp_path_factory.mktemp("pi"), card, walks=walks)
    with pytest.MonkeyPatch.context() as patch:
        test_slot_health._make_impatient(patch)
        pi.start(well)
        for step in steps:
            do(pi, step)
        assert pi.start_until_it_stays(new_is_ill) <= STARTS + 1
        assert [pi.start(well) for _ in range(2)] == [False, False]
        assert pi.state()[f"BOOT_{pi.running}_LEFT"] == "3"
        assert bootstate.primary(pi.state()) == pi.running == pi.default
        assert pi.records.trial is None
        assert pi.records.slots.running == pi.running
        assert pi.records.slots.versions[pi.running] == pi.versions[pi.running]


class PowerCutError(BaseException):
    """The power is gone; nobody catches it."""


@contextlib.contextmanager
def power_cut(write: int) -> Iterator[None]:
    """Have the power fail in the place of one of the writes, whatever is written."""
    count = 0

    def cut(real: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object, **named: object) -> object:
            nonlocal count
            is_last, count = count == write, count + 1
            if is_last:
                raise PowerCutError
            return real(*arguments, **named)

        return act

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstate, "write", cut(bootstate.write))
        patch.setattr(autoboot, "write", cut(autoboot.write))
        for name in ("_write", "end"):
            patch.setattr(records.Records, name, cut(getattr(records.Records, name)))
        yield


@pytest.mark.parametrize("act", ["good", "bad", "dead", "switch"])
@pytest.mark.parametrize("write", range(26))
def test_the_power_fails_between_any_two_writes_and_all_ends_well_and_is_told_truly(pi: Pi, act: str, write: int) -> None:
    told = {"bad": new_is_ill, "dead": new_is_dead}.get(act, well)
    if act == "switch":
        pi.install(NEW)
        pi.restart()
        pi.start(well)
    is_whole = False
    with power_cut(write):
        with contextlib.suppress(PowerCutError):
            pi.switch() if act == "switch" else pi.install(NEW)
            is_whole = True
            pi.restart()
        for _ in range(8):
            with contextlib.suppress(PowerCutError):
                pi.start(told)
    assert not pi.start(told)
    outcomes = [outcome for outcome, _, _ in pi.history()]
    assert pi.records.trial is None
    assert pi.state()[f"BOOT_{pi.running}_LEFT"] == "3"
    assert pi.default == pi.running == bootstate.primary(pi.state())
    assert outcomes.count("good") <= 1 + (act == "switch")
    assert outcomes.count("fell back") <= 1
    assert not ("fell back" in outcomes and "refused" in outcomes)
    assert pi.records.slots.versions[pi.running] == pi.versions[pi.running]
    if act in {"bad", "dead"}:
        assert (pi.running, pi.versions["A"]) == ("A", OLD)
        assert pi.records.bad == [NEW] * is_whole or not is_whole
        assert ("fell back" in outcomes) == (pi.records.bad == [NEW])
    else:
        assert pi.records.bad == []
        assert pi.running == ("A" if act == "switch" else "B") or not is_whole
