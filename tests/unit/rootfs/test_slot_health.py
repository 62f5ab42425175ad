"""Which system runs after many starts: the boot script's rules, `nightjar-slot-health`, `nightjar-other-slot`, a made-up card."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebuild.bootfiles import NEW_STATE, state_partition
from tests.unit.rootfs import scripts

health, other_slot = scripts.load("nightjar-slot-health"), scripts.load("nightjar-other-slot")
bootstate, records, machine, appliance = (scripts.part(name) for name in ("bootstate", "records", "machine", "appliance"))

OLD, NEW = "1.0.0", "1.1.0"
REACHED = machine.Network(route=True, address=True)
STARTS = 3


@dataclass(frozen=True)
class Told:
    """What is told of an appliance, in the place of what asks a real one."""

    problem_now: str = ""
    database: str = ""
    restarts: int = 0
    asked: list[object] = field(default_factory=list)

    def program(self) -> Any:  # noqa: ANN401 - a script's type
        return appliance.Program("active", self.restarts, 100.0)

    def problem(self, program: object, before: object) -> str:
        self.asked.append(before)
        return self.problem_now

    def databases_problem(self) -> str:
        self.asked.append("database")
        return self.database


class Device:
    """A card with one or two systems, and the machine that it is in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir()
        (folder / "run").mkdir()
        self.state_file = folder / "bootstate"
        self.state_file.write_bytes(state_partition(NEW_STATE, 8 << 20))
        self.versions = {"A": OLD, "B": ""}
        self.running, self.starts = "", 0
        self.boot_id = folder / "proc/sys/kernel/random/boot_id"
        self.boot_id.parent.mkdir(parents=True)
        for name in "ab":
            (folder / f"root_{name}").write_bytes(bytes(512))
            (folder / f"boot_{name}").write_bytes(bytes(512))
        self.lay("A", OLD)

    def lay(self, name: str, version: str) -> None:
        self.versions[name] = version
        (self.folder / f"root_{name.lower()}").write_bytes(b"hsqs")
        (self.folder / f"boot_{name.lower()}").write_bytes(b"\0" * 510 + b"\x55\xaa")

    @property
    def records(self) -> Any:  # noqa: ANN401 - a script's type
        return records.Records(self.notes)

    def state(self) -> dict[str, str]:
        return dict(bootstate.read(self.state_file, "A"))

    def install(self, version: str) -> None:
        """Do what RAUC and its handlers do."""
        target = "B" if self.running == "A" else "A"
        start = records.this_start(self.folder)
        self.records.begin(records.Trial(version, self.versions[self.running], "2026-01-31T22:00:00Z", REACHED, target, start))
        state = self.state()
        bootstate.write(self.state_file, bootstate.with_state(state, target, good=False))
        self.lay(target, version)
        bootstate.write(self.state_file, bootstate.with_primary(self.state(), target))
        self.records.tell(records.INSTALLED, version, self.versions[self.running])
        self.records.set_version(target, version)

    def boot_script(self) -> str:
        """Choose as firmware-config/boot.cmd does, and take an attempt away."""
        while True:
            state = self.state()
            for name in bootstate.order_of(state):
                if left := bootstate.attempts_of(state, name):
                    bootstate.write(self.state_file, {**state, f"BOOT_{name}_LEFT": str(left - 1)})
                    if machine.holds_system(name, self.folder):
                        return str(name)
                    break
            else:
                bootstate.write(self.state_file, {**state, "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})

    def start(self, told: Callable[[str], Told | None]) -> bool:
        """Start once; return whether the machine restarts by itself.

        `told` gives what a system of a version is like, or None for one that ends before anything could look at it.
        """
        self.running = self.boot_script()
        self.starts += 1
        self.boot_id.write_text(f"{self.starts}\n")
        (self.folder / "cmdline").write_text(f"root=PARTUUID=1 ro rauc.slot={self.running} quiet\n")
        (self.folder / "os-release").write_text(f'IMAGE_VERSION="{self.versions[self.running]}"\n')
        found = told(self.versions[self.running])
        return True if found is None else self.look(found)

    def look(self, found: Told) -> bool:
        """Have the running system looked at; return whether the machine restarts by itself."""
        (self.folder / "run/stays").unlink(missing_ok=True)
        places = health.Places(
            self.notes,
            self.folder,
            self.folder / "cmdline",
            self.folder / "os-release",
            self.folder / "run/stays",
            "/bin/true",
            found,
            self.folder,
        )
        health.main([], places)
        return not (self.folder / "run/stays").exists() and (self.notes / "trial.json").exists()

    def start_until_it_stays(self, told: Callable[[str], Told | None]) -> int:
        for number in range(1, 12):
            if not self.start(told):
                return number
        raise AssertionError("it restarts for ever")

    def switch(self) -> int:
        places = other_slot.Places(self.notes, self.folder, self.folder / "cmdline", self.folder / "os-release", self.folder)
        return int(other_slot.main([], places))

    def history(self) -> list[tuple[str, str, str]]:
        file = self.notes / "history.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [(line["outcome"], line["version"], line["reason"]) for line in lines]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    _make_impatient(monkeypatch)


def _make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ON_TRIAL_S", "OTHERWISE_S"):
        monkeypatch.setattr(health, name, 0.0)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path)
    assert not made.start(well)
    return made


def well(version: str) -> Told:
    return Told()


def ill(version: str) -> Told:
    return Told("the panel does not answer")


def new_is_ill(version: str) -> Told:
    return Told("the panel does not answer" if version == NEW else "")


def new_is_dead(version: str) -> Told | None:
    return None if version == NEW else Told()


def test_a_healthy_start_gives_all_attempts_back_and_notes_what_runs(device: Device) -> None:
    assert device.state() == {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"}
    assert device.records.slots == records.Slots("A", {"A": OLD})
    assert device.history() == []


def test_an_installation_that_began_before_this_start_was_looked_at_goes_on(device: Device) -> None:
    device.start(lambda _: None)
    device.records.begin(records.Trial(NEW, OLD, "2026-01-31T22:00:00Z", REACHED, "B", records.this_start(device.folder)))
    assert not device.look(Told())
    assert device.records.trial.version == NEW
    assert device.history() == []
    device.start(well)
    assert [outcome for outcome, _, _ in device.history()] == ["refused"], "it came to no end before the next start"


def test_an_update_that_is_well_becomes_good(device: Device) -> None:
    device.install(NEW)
    assert device.start_until_it_stays(well) == 1
    assert (device.running, device.state()) == ("B", {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})
    assert device.history() == [("installed", NEW, ""), ("good", NEW, "")]
    assert device.records.trial is None
    assert device.records.slots == records.Slots("B", {"A": OLD, "B": NEW})
    device.install("1.2.0")
    assert device.start_until_it_stays(well) == 1
    assert device.running == "A", "and the next one goes into the first place"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (new_is_ill, "the panel does not answer"),
        (new_is_dead, "three starts ended before it could be looked at"),
        (lambda version: Told(restarts=4) if version == NEW else Told(), "ended 4 times by itself"),
        (
            lambda version: Told(database="the database is damaged: page 7") if version == NEW else Told(),
            "the database is damaged: page 7",
        ),
    ],
)
def test_one_that_is_not_well_is_left_after_three_starts_and_not_offered_again(
    device: Device, bad: Callable[[str], Told | None], reason: str
) -> None:
    device.install(NEW)
    assert device.start_until_it_stays(bad) == STARTS + 1
    assert (device.running, device.state()) == ("A", {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"})
    outcome, version, why = device.history()[-1]
    assert (outcome, version) == ("fell back", NEW)
    assert reason in why
    assert device.records.bad == [NEW]
    assert device.records.trial is None
    assert [device.start(bad) for _ in range(5)] == [False] * 5
    assert device.running == "A"
    assert device.switch() == 1, "what fell back is no system to start by hand"
    device.install(NEW)
    assert device.start_until_it_stays(well) == 1
    assert device.records.bad == [], "installed once more by hand, it proved itself"


def test_one_that_used_up_its_starts_is_left_also_by_a_system_that_is_at_its_own_last(device: Device) -> None:
    device.install(NEW)
    bootstate.write(device.state_file, {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "1", "BOOT_B_LEFT": "0"})
    assert not device.start(well)
    assert (device.running, device.history()[-1][:2]) == ("A", ("fell back", NEW))
    assert device.state() == {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"}


def test_an_update_that_waits_for_its_first_start_goes_on_waiting(device: Device) -> None:
    device.install(NEW)
    before = device.state()
    for told in (Told("the panel does not answer"), Told()):
        assert not device.look(told), "the admin chooses when"
        assert device.records.trial.version == NEW
    assert device.state() == before
    assert device.start_until_it_stays(well) == 1
    assert device.running == "B"


def test_a_trial_asks_for_the_network_of_before_and_the_database_and_other_starts_do_not(device: Device) -> None:
    told = Told()
    device.start(lambda _: told)
    assert told.asked == [None]
    device.install(NEW)
    told.asked.clear()
    device.start(lambda _: told)
    assert told.asked == [REACHED, "database"]


def test_a_program_that_came_back_by_itself_without_a_trial_is_well(device: Device) -> None:
    device.start(lambda _: None)
    assert not device.start(lambda _: Told(restarts=4))
    assert device.state()["BOOT_A_LEFT"] == "3"


def test_what_is_not_well_without_a_trial_stays_however_often_it_is_started(device: Device) -> None:
    assert [device.start(ill) for _ in range(9)] == [False] * 9
    assert device.running == "A"
    assert device.history() == []
    device.start(well)
    assert device.state()["BOOT_A_LEFT"] == "3"


def test_one_on_trial_with_nothing_to_fall_back_to_stays(device: Device) -> None:
    device.install(NEW)
    (device.folder / "root_a").write_bytes(bytes(512))
    assert device.start_until_it_stays(new_is_ill) == 1
    assert device.running == "B"
    assert device.records.failures == ["the panel does not answer"]


def test_an_installation_that_came_to_no_end_is_told_and_nothing_has_changed(device: Device) -> None:
    device.install(NEW)
    bootstate.write(device.state_file, bootstate.with_state(device.state(), "B", good=False))
    device.records.set_version("B", "")
    assert not device.start(well)
    assert device.running == "A"
    outcome, version, reason = device.history()[-1]
    assert (outcome, version, "install it again" in reason) == ("refused", NEW, True)
    assert (device.records.trial, device.records.bad) == (None, [])


def test_a_lost_boot_state_starts_the_first_system_and_that_is_told(device: Device) -> None:
    device.install(NEW)
    device.start(well)
    lost = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}  # what the boot script takes without a whole copy
    bootstate.write(device.state_file, lost)
    assert not device.start(well)
    assert device.running == "A"
    assert device.history()[-1] == ("fell back", NEW, "which system starts next got lost; it is still there")
    assert device.records.bad == []
    assert not device.start(well)
    assert len(device.history()) == 3, "once"
    assert device.switch() == 0
    assert not device.start(well)
    assert (device.running, device.history()[-1][:2]) == ("B", ("good", NEW))


def test_a_lost_boot_state_on_a_card_with_one_system_gives_the_empty_place_no_part(device: Device) -> None:
    bootstate.write(device.state_file, {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})
    assert not device.start(well)
    assert device.state() == {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"}
    assert device.switch() == 1


def test_a_lost_boot_state_before_the_first_start_of_an_update_is_told_and_it_can_be_started(device: Device) -> None:
    device.install(NEW)
    bootstate.write(device.state_file, {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})
    assert not device.start(well)
    outcome, version, reason = device.history()[-1]
    assert (outcome, version, "was not started" in reason) == ("refused", NEW, True)
    assert device.switch() == 0
    assert device.start_until_it_stays(well) == 1
    assert device.running == "B"


def test_a_destroyed_second_system_leaves_the_first_one(device: Device) -> None:
    device.install(NEW)
    device.start(well)
    (device.folder / "root_b").write_bytes(bytes(512))
    assert not device.start(well)
    assert device.running == "A"
    assert device.history()[-1][:2] == ("fell back", NEW)
    assert device.state()["BOOT_ORDER"] == "A"


def test_a_proved_system_that_is_cut_off_three_times_is_left_and_can_be_started_again(device: Device) -> None:
    device.install(NEW)
    device.start(well)
    for _ in range(STARTS):
        assert device.start(new_is_dead)
        assert device.running == "B"
    assert not device.start(well)
    assert (device.running, device.history()[-1]) == ("A", ("fell back", NEW, "it was not well in three starts"))
    assert device.records.bad == []
    assert device.switch() == 0
    assert not device.start(well)
    assert device.running == "B"


# The other system by hand


def test_the_other_system_starts_on_trial_and_comes_to_stay_or_this_one_comes_back(device: Device) -> None:
    device.install(NEW)
    device.start(well)
    assert device.switch() == 0
    assert device.switch() == 0, "it may be asked for twice"
    trial = device.records.trial
    assert (trial.version, trial.from_version, trial.slot) == (OLD, NEW, "A")
    assert device.start_until_it_stays(well) == 1
    assert (device.running, device.history()[-1][:2]) == ("A", ("good", OLD))
    assert device.switch() == 0
    assert device.start_until_it_stays(new_is_ill) == STARTS + 1
    assert (device.running, device.history()[-1]) == ("A", ("fell back", NEW, "the panel does not answer"))


def test_a_card_with_one_system_has_no_other(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    before = device.state_file.read_bytes()
    assert device.switch() == 1
    assert "system B takes no part" in capsys.readouterr().err
    assert device.state_file.read_bytes() == before
    assert device.history()[-1][0] == "refused"
    assert device.records.trial is None


def test_a_place_that_only_says_it_holds_a_system_is_not_started(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    device.install(NEW)
    device.start(well)
    (device.folder / "boot_a").write_bytes(bytes(512))
    before = device.state_file.read_bytes()
    assert device.switch() == 1
    assert "no system A on the card" in capsys.readouterr().err
    assert device.state_file.read_bytes() == before


# Whatever happens

STEPS = st.sampled_from(["well", "new is ill", "new is dead", "ill", "install", "switch", "cut"])
LIKE: dict[str, Callable[[str], Told | None]] = {"well": well, "new is ill": new_is_ill, "new is dead": new_is_dead, "ill": ill}


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_after_anything_a_healthy_system_is_reached_within_three_starts_and_stays(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    device = Device(tmp_path_factory.mktemp("device"))
    with pytest.MonkeyPatch.context() as patch:
        _make_impatient(patch)
        device.start(well)
        for step in steps:
            if step == "install" and not (device.records.trial and device.records.trial.slot == device.running):
                device.install(NEW)
            elif step == "switch":
                device.switch()
            elif step == "cut":
                device.start(lambda _: None)
            elif step in LIKE:
                device.start(LIKE[step])
        tries = device.start_until_it_stays(new_is_ill)
        assert tries <= STARTS + 1
        assert [device.start(well) for _ in range(2)] == [False, False]
        assert device.state()[f"BOOT_{device.running}_LEFT"] == "3"
        assert device.records.trial is None or device.records.trial.slot != device.running


class PowerCutError(BaseException):
    """The power is gone; nobody catches it."""


@pytest.mark.parametrize("act", ["good", "bad", "switch"])
@pytest.mark.parametrize("write", range(24))
def test_the_power_fails_between_any_two_writes_and_all_ends_well_and_is_told_truly(
    device: Device, monkeypatch: pytest.MonkeyPatch, act: str, write: int
) -> None:
    count = 0

    def cut(real: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object) -> object:
            nonlocal count
            is_last, count = count == write, count + 1
            if is_last:
                raise PowerCutError
            return real(*arguments)

        return act

    told = new_is_ill if act == "bad" else well
    if act == "switch":
        device.install(NEW)
        device.start(well)
    monkeypatch.setattr(bootstate, "write", cut(bootstate.write))
    for name in ("_write", "end"):
        monkeypatch.setattr(records.Records, name, cut(getattr(records.Records, name)))
    is_whole = False
    with contextlib.suppress(PowerCutError):
        device.switch() if act == "switch" else device.install(NEW)
        is_whole = True
    for _ in range(6):
        with contextlib.suppress(PowerCutError):
            device.start(told)
    monkeypatch.undo()
    _make_impatient(monkeypatch)
    assert not device.start(told)
    outcomes = [outcome for outcome, _, _ in device.history()]
    assert device.records.trial is None
    assert device.state()[f"BOOT_{device.running}_LEFT"] == "3"
    assert outcomes.count("good") <= 1 + (act == "switch")
    assert outcomes.count("fell back") <= 1
    assert not ("fell back" in outcomes and "refused" in outcomes)
    if act == "bad":
        assert (device.running, device.versions["A"]) == ("A", OLD)
        assert device.records.bad == [NEW] * is_whole or not is_whole
        assert ("fell back" in outcomes) == (device.records.bad == [NEW])
    else:
        assert device.records.bad == []
        assert device.running == ("A" if act == "switch" else "B") or not is_whole


@pytest.mark.parametrize("script", [health, other_slot])
def test_they_take_no_arguments(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["B"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_machine_that_was_not_started_by_the_boot_script_is_not_restarted(device: Device) -> None:
    (device.folder / "cmdline").write_text("root=/dev/sda1\n")
    (device.folder / "run/stays").unlink()
    places = health.Places(
        device.notes, device.folder, device.folder / "cmdline", device.folder / "os-release", device.folder / "run/stays"
    )
    assert health.main([], places) == 1
    assert (device.folder / "run/stays").exists()
    assert device.switch() == 1


def test_a_card_that_cannot_be_written_keeps_no_old_system_from_staying(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.install(NEW)
    for _ in range(STARTS):
        device.start(new_is_ill)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.Records, "_write", full)
    monkeypatch.setattr(records.Records, "end", full)
    assert not device.start(new_is_ill)
    assert device.running == "A"
