"""The worker of a target, with a real queue and a made-up target."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from pathlib import Path
from typing import BinaryIO

import pytest

from appliance.domain.errors import NightjarError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault, Words
from appliance.domain.upload import Courier, CourierState, Outgoing, RetryNow, UploadKind
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads import service as module
from appliance.uploads.pace import QuietHours
from appliance.uploads.port import Progress
from appliance.uploads.service import WEATHER_S, Rules, UploadService
from tests.unit.store.conftest import MovableClock

ROOF = "roof"
NEVER = QuietHours(time(0), time(0))
SIZE = 1000


@dataclass
class MadeUpTarget:
    """Takes files as it is told to."""

    files: dict[str, bytes] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    fails_with: list[NightjarError | None] = field(default_factory=list)
    """For each delivery to come."""
    made: int = 0
    closed: int = 0
    step: int = 250

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        error = self.fails_with.pop(0) if self.fails_with else None
        data = file.read()
        assert len(data) == size
        for sent in range(self.step, size + 1, self.step):
            progress(sent)
            if error is not None:
                raise error
        self.files[name] = data
        self.order.append(name)

    def check(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1


@dataclass
class World:
    service: UploadService
    target: MadeUpTarget
    queue: UploadQueue
    board: HealthBoard
    clock: MovableClock
    data: Path
    shown: Published[Courier]
    commands: Mailbox[RetryNow]
    rules: list[Rules]
    stopping: list[bool]
    beats: list[float]

    def add(self, *numbers: int) -> None:
        for number in numbers:
            (self.data / f"nights/{number}.jpg").write_bytes(bytes([number % 256]) * SIZE)
        self.queue.add(Outgoing(ROOF, UploadKind.PICTURE, f"nights/{number}.jpg", f"{number}.jpg") for number in numbers)

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.service.step()

    def issues(self) -> dict[str, str]:
        return {issue.key: issue.title for issue in self.board.issues}

    def set(self, change: Callable[[Rules], Rules]) -> None:
        self.rules[0] = change(self.rules[0])


@pytest.fixture
def world(database: Database, folder: DataFolder, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    target, queue, board = MadeUpTarget(), UploadQueue(database, clock), HealthBoard(clock)
    shown, commands = Published(Courier(CourierState.IDLE)), Mailbox[RetryNow]("retry", 1)
    rules = [Rules("Club server", True, 0, NEVER, 1)]
    stopping, beats = [False], []

    def make() -> MadeUpTarget:
        target.made += 1
        return target

    def local_time(at: datetime) -> datetime:
        return at

    service = UploadService(
        target_id=ROOF,
        queue=queue,
        open_file=lambda name: folder.path_of(name).open("rb"),
        make_target=make,
        rules=lambda: rules[0],
        local_time=local_time,
        commands=commands,
        published=shown,
        board=board,
        clock=clock,
        beat=lambda: beats.append(clock.monotonic()),
        is_stopping=lambda: stopping[0],
        chance=random.Random(1),
        sleep=clock.run,
    )
    service.open()
    yield World(service, target, queue, board, clock, folder.root, shown, commands, rules, stopping, beats)
    service.close()


def test_files_arrive_byte_for_byte_over_one_connection(world: World) -> None:
    world.add(1, 2, 3)
    world.steps(4)
    assert world.target.files == {f"{number}.jpg": bytes([number]) * SIZE for number in (1, 2, 3)}
    assert world.target.order == ["3.jpg", "1.jpg", "2.jpg"]
    assert (world.target.made, world.target.closed) == (1, 0)
    summary = world.queue.summary(ROOF)
    assert (summary.waiting, summary.arrived, summary.arrived_bytes) == (0, 3, 3 * SIZE)
    assert world.shown.value.state is CourierState.IDLE


def test_an_idle_connection_is_given_up(world: World) -> None:
    world.add(1)
    world.steps(2)
    world.clock.run(module.IDLE_S + 1)
    world.steps(1)
    assert world.target.closed == 1


class LastingTarget(MadeUpTarget):
    """One whose connection means something by itself."""

    tended = 0

    def tend(self) -> None:
        self.tended += 1


def test_a_connection_that_means_something_is_kept_and_tended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = LastingTarget()
    monkeypatch.setattr(world.service, "_make_target", lambda: lasting)
    world.steps(1)
    assert lasting.tended == 0, "there was nothing to connect for"
    world.add(1)
    world.steps(2)
    world.clock.run(module.IDLE_S + 1)
    world.steps(2)
    assert (lasting.tended, lasting.closed) == (3, 0)
    world.set(lambda rules: replace(rules, is_on=False))
    world.steps(1)
    assert (lasting.tended, lasting.closed) == (3, 1)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.is_weather])
def test_weather_is_waited_out_without_a_word_for_ten_minutes(world: World, fault: Fault) -> None:
    world.target.fails_with = [UploadError(fault, "away")] * 1000
    world.add(1)
    world.steps(2)
    assert world.shown.value.state is CourierState.PAUSED
    assert world.shown.value.again_at is not None
    assert world.shown.value.again_at > world.clock.now()
    assert world.issues() == {}
    began_s = world.clock.monotonic()
    while world.clock.monotonic() - began_s < WEATHER_S + module.IDLE_S + 900:
        world.clock.run(5)
        world.steps(1)
    assert world.issues() == {"upload.roof": f"Club server: {fault.sentence}"}
    assert 5 < world.target.made < 40, "it does not hammer"
    world.target.fails_with = []
    world.clock.run(900)
    world.steps(2)
    assert world.target.files.keys() == {"1.jpg"}
    assert world.issues() == {}


def test_a_target_with_words_of_its_own_is_told_about_in_them(world: World) -> None:
    words = Words("There is no such bucket.", "Check Bucket.")
    world.target.fails_with = [UploadError(Fault.PATH, "404", words=words)]
    world.add(1)
    world.steps(1)
    assert world.issues() == {"upload.roof": f"Club server: {words.sentence}"}
    assert world.shown.value.message == "There is no such bucket. Check Bucket."


@pytest.mark.parametrize("fault", [Fault.LOGIN, Fault.PATH, Fault.RIGHT, Fault.FULL])
def test_what_a_person_must_mend_is_told_at_once_and_tried_rarely(world: World, fault: Fault) -> None:
    world.target.fails_with = [UploadError(fault, "no"), None]
    world.add(1)
    world.steps(1)
    assert world.issues() == {"upload.roof": f"Club server: {fault.sentence}"}
    world.clock.run(29)
    world.steps(3)
    assert world.target.made == 1
    world.clock.run(31)
    world.steps(3)
    assert world.target.files.keys() == {"1.jpg"}
    assert world.issues() == {}


@pytest.mark.parametrize("fault", [Fault.KEY, Fault.CERTIFICATE])
def test_a_stranger_gets_nothing_until_a_person_has_looked(world: World, fault: Fault) -> None:
    world.target.fails_with = [UploadError(fault, "another key")]
    world.add(1)
    world.steps(1)
    world.clock.run(30 * 86400)
    world.steps(5)
    assert (world.target.made, world.shown.value.state) == (1, CourierState.STOPPED)
    world.set(lambda rules: replace(rules, revision=2))
    world.steps(2)
    assert world.target.files.keys() == {"1.jpg"}
    assert world.issues() == {}


def test_retry_now_waits_for_nothing(world: World) -> None:
    world.target.fails_with = [UploadError(Fault.LOGIN, "no")]
    world.add(1)
    world.steps(2)
    world.commands.put(RetryNow())
    world.steps(1)
    assert world.target.files.keys() == {"1.jpg"}


def test_a_clock_that_jumps_changes_no_pause(world: World) -> None:
    world.target.fails_with = [UploadError(Fault.SILENT, "away")]
    world.add(1)
    world.steps(1)
    world.clock.jump(-30)
    world.steps(1)
    again_at = world.shown.value.again_at
    assert again_at is not None
    assert 0 < (again_at - world.clock.now()).total_seconds() <= 5
    world.clock.run(5)
    world.steps(1)
    assert world.target.files.keys() == {"1.jpg"}


def test_a_file_that_is_refused_holds_up_no_other(world: World) -> None:
    world.target.fails_with = [UploadRefusedError("names of this length are not taken")]
    world.add(1, 2)
    world.steps(3)
    assert world.target.files.keys() == {"1.jpg"}
    assert [upload.outgoing.name for upload in world.queue.refused(ROOF)] == ["2.jpg"]
    assert (world.target.made, world.issues()) == (1, {})


def test_a_file_that_breaks_the_connection_goes_behind_the_others(world: World) -> None:
    world.add(1, 2, 3)
    world.target.fails_with = [UploadError(Fault.BROKEN, "broke")]
    world.steps(1)
    world.clock.run(10)
    world.steps(4)
    assert world.target.order == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_file_that_was_removed_is_dropped_and_counted(world: World) -> None:
    world.add(1, 2)
    (world.data / "nights/2.jpg").unlink()
    world.steps(3)
    assert world.target.order == ["1.jpg"]
    assert world.queue.summary(ROOF).dropped == 1


def test_off_and_quiet_hours_send_nothing(world: World) -> None:
    world.add(1)
    world.set(lambda rules: replace(rules, is_on=False))
    world.steps(3)
    assert (world.target.made, world.shown.value.state) == (0, CourierState.OFF)
    world.set(lambda rules: replace(rules, is_on=True, quiet=QuietHours(time(19), time(21))))
    world.steps(3)
    assert (world.target.made, world.shown.value.state) == (0, CourierState.QUIET)
    world.clock.run(3600)
    world.steps(2)
    assert world.target.order == ["1.jpg"]


def test_a_limit_slows_one_file_and_beats_go_on(world: World) -> None:
    world.set(lambda rules: replace(rules, bytes_per_s=100))
    world.add(1)
    began_s = world.clock.monotonic()
    world.steps(1)
    assert world.clock.monotonic() - began_s == pytest.approx(SIZE / 100)
    assert max(later - sooner for sooner, later in zip(world.beats, world.beats[1:], strict=False)) <= 1.001


def test_a_stop_in_mid_transfer_is_no_failure_and_nothing_stands_there(world: World) -> None:
    world.add(1)
    world.stopping[0] = True
    world.steps(1)
    assert world.target.files == {}
    upload = world.queue.claim(ROOF)
    assert upload is not None
    assert upload.tries == 0


def test_progress_is_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    world.add(1)
    publish = world.shown.publish

    def spy(courier: Courier) -> None:
        if courier.state is CourierState.SENDING:
            seen.append((courier.name, courier.sent, courier.size))
        publish(courier)

    monkeypatch.setattr(world.shown, "publish", spy)
    world.steps(1)
    assert seen == [("1.jpg", sent, SIZE) for sent in (0, 250, 500, 750, 1000)]
