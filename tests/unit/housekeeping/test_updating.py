"""What the update service does by the clock: a restart at dawn, what nobody goes on with, what is told and for how long."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.errors import MachineError, ServiceError, UnavailableError
from appliance.domain.health import Severity
from appliance.domain.job import JobState
from appliance.domain.update import (
    INSTALL_JOB,
    OTHER_JOB,
    Announced,
    BundleState,
    Manifest,
    Order,
    Outcome,
    Past,
    Records,
    RestartPlan,
    Source,
    UpdateCommand,
    Updater,
)
from appliance.housekeeping.raucwords import plain_step, plain_words
from appliance.housekeeping.updating import UpdateService
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard

NIGHT = datetime(2026, 1, 31, 22, tzinfo=UTC)
DAWN = datetime(2026, 2, 1, 5, 55, tzinfo=UTC)
DATA = b"bundle" * 2000


@dataclass
class Time:
    """A clock that a test sets."""

    at: datetime = NIGHT
    seconds: float = 0.0
    rate = 1.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Half:
    name: str
    is_booted: bool
    version: str = ""


@dataclass(frozen=True)
class Halves:
    slots: tuple[Half, ...] = (Half("A", is_booted=True), Half("B", is_booted=False, version="7.0.0"))


@dataclass(frozen=True)
class Writing:
    is_idle: bool = True
    percent: int = 0
    message: str = ""


@dataclass
class Rauc:
    """An updater that a test sets, and that writes nothing."""

    next: str = "B"
    error: MachineError | None = None
    is_idle: bool = True
    manifest: Manifest = Manifest("7.0.0", "nightjar-test", "", "verity")  # noqa: RUF009 - frozen
    begun: list[Path] = field(default_factory=list)
    asked: int = 0

    def state(self) -> Halves:
        self._fail()
        return Halves()

    def compatible(self) -> str:
        self.asked += 1
        if isinstance(self.error, UnavailableError):
            raise self.error
        return "nightjar-test"

    def next_half(self) -> str:
        self._fail()
        return self.next

    def inspect(self, bundle: Path) -> Manifest:
        self._fail()
        return self.manifest

    def completion(self) -> "Rauc":
        return self

    def take(self, _timeout_s: float) -> object:
        return None

    def close(self) -> None:
        pass

    def begin(self, bundle: Path) -> None:
        self._fail()
        self.begun.append(bundle)

    def writing(self) -> Writing:
        return Writing(self.is_idle)

    def last_error(self) -> str:
        return ""

    def start_other_slot(self) -> None:
        raise AssertionError("it is not to be started again")

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class Root:
    now: Records = field(default_factory=Records)

    def read(self) -> Records:
        return self.now


class Works:
    def __init__(self, data: DataFolder, database: Database) -> None:
        self.time, self.rauc, self.root = Time(), Rauc(), Root()
        self.settings = Published(Settings())
        self.place(48.21, 16.37)
        self.bundles, self.jobs = BundleStore(data), JobStore(database, self.time)
        self.audit, self.board = AuditStore(database, self.time), HealthBoard(self.time)
        self.power: Mailbox[PowerCommand] = Mailbox("power", 4)
        self.updater = Published(Updater())
        self.service = self.again()

    def again(self) -> UpdateService:
        """Return the service as another start of the program makes it."""
        commands: Mailbox[UpdateCommand] = Mailbox("update", 4)
        self.service = UpdateService(
            rauc=self.rauc, units=self.rauc, records=self.root, bundles=self.bundles, jobs=self.jobs, audit=self.audit,
            settings=self.settings, commands=commands, updater=self.updater, power=self.power, version="6.0.0",
            board=self.board, clock=self.time, sky_clock=self.time, beat=lambda: None,
        )  # fmt: skip
        self.service.open()
        return self.service

    def place(self, latitude_deg: float | None, longitude_deg: float | None) -> None:
        now = self.settings.value
        site = now.site.model_copy(update={"latitude_deg": latitude_deg, "longitude_deg": longitude_deg})
        self.settings.publish(now.model_copy(update={"site": site}))

    def step(self, at: datetime | None = None, *, later_s: float = 61.0) -> None:
        self.time.at = at or self.time.at
        self.time.seconds += later_s
        self.service.step()

    def bring(self) -> str:
        digest = hashlib.sha256(DATA).hexdigest()
        self.bundles.begin(Announced(len(DATA), digest, Source.UPLOAD, "ada", NIGHT))
        self.bundles.add(digest, DATA, 0)
        self.bundles.finish(digest)
        return digest


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    monkeypatch.setattr("appliance.housekeeping.updating.WAIT_S", 0.0)
    data = DataFolder(tmp_path / "data")
    data.open()
    time = Time()
    database = Database(tmp_path / "data", time)
    database.open()
    yield Works(data, database)
    database.close()
    data.close()


def test_the_machine_restarts_at_dawn_and_not_before(works: Works) -> None:
    works.bundles.keep_plan(RestartPlan(DAWN, "7.0.0", "ada"))
    works.step(NIGHT)
    works.step(DAWN - timedelta(minutes=2))
    assert works.power.take(0) is None
    works.step(DAWN + timedelta(seconds=1))
    assert works.power.take(0) == Reboot()
    works.step()
    assert (works.power.take(0), works.bundles.plan()) == (None, None)
    assert [(entry.who, entry.action) for entry in works.audit.page()] == [("ada", "restart at dawn")]


def test_it_waits_where_it_is_still_night_at_that_time(works: Works) -> None:
    works.bundles.keep_plan(RestartPlan(NIGHT, "7.0.0", "ada"))  # the clock was set
    works.step(NIGHT + timedelta(minutes=1))
    assert works.power.take(0) is None
    works.step(DAWN + timedelta(minutes=1))
    assert works.power.take(0) == Reboot()


def test_a_clock_that_was_set_back_does_not_keep_it_for_a_month(works: Works) -> None:
    works.bundles.keep_plan(RestartPlan(DAWN + timedelta(days=30), "7.0.0", "ada"))
    works.step(NIGHT)
    plan = works.bundles.plan()
    assert plan is not None
    assert abs(plan.due_at - DAWN) < timedelta(minutes=10)


def test_a_plan_is_forgotten_once_the_machine_runs_from_what_comes_next(works: Works) -> None:
    works.bundles.keep_plan(RestartPlan(DAWN, "7.0.0", "ada"))
    works.rauc.next = "A"
    works.step(NIGHT)
    assert works.bundles.plan() is None


@pytest.mark.parametrize("error", [UnavailableError("away"), ServiceError("x", "already processing a different method")])
def test_a_plan_is_kept_while_the_updater_says_nothing(works: Works, error: MachineError) -> None:
    works.bundles.keep_plan(RestartPlan(DAWN, "7.0.0", "ada"))
    works.rauc.error = error
    works.step(DAWN + timedelta(hours=1))
    assert (works.power.take(0), works.bundles.plan() is not None) == (None, True)


def test_an_updater_that_is_busy_is_no_word_about_a_bundle(works: Works) -> None:
    works.bring()
    works.rauc.error = ServiceError("x", "already processing a different method")
    works.step()
    bundle = works.bundles.bundle()
    assert bundle is not None
    assert (bundle.state, works.bundles.refused()) == (BundleState.NEW, None)
    works.rauc.error = None
    works.step()
    works.step()
    bundle = works.bundles.bundle()
    assert bundle is not None
    assert bundle.state is BundleState.CHECKED


def test_a_version_that_failed_since_it_was_looked_at_is_not_installed(works: Works) -> None:
    digest = works.bring()
    works.step()
    works.root.now = Records(bad=("7.0.0",))
    job = works.jobs.queue(INSTALL_JOB, Order("ada", digest, half="A").to_json())
    works.step()
    ended = works.jobs.get(job.id)
    assert ended is not None
    assert ended.state is JobState.FAILED
    assert "did not prove itself" in ended.message
    assert works.rauc.begun == []


@pytest.mark.parametrize("version", ["6.0.0", "7.0.0"])
def test_an_order_is_not_carried_out_again_after_a_start_from_the_other_half(works: Works, version: str) -> None:
    """A power cut just before the job's end was written: done again, it would write over what is fallen back to."""
    works.rauc.manifest = Manifest(version, "nightjar-test", "", "verity")
    digest = works.bring()
    works.step()
    jobs = [works.jobs.queue(INSTALL_JOB, Order("ada", digest, half="B").to_json())]
    jobs.append(works.jobs.queue(OTHER_JOB, Order("ada", half="B").to_json()))
    for job in jobs:
        works.jobs.start(job.id, "")
    works.service.open()  # another start of the program
    for _ in range(4):
        works.step()
    ended = [works.jobs.get(job.id) for job in jobs]
    assert [job.state for job in ended if job is not None] == [JobState.STOPPED] * 2
    assert (works.rauc.begun, works.power.take(0)) == ([], None)
    bundle = works.bundles.bundle()
    assert bundle is not None
    assert bundle.state is (BundleState.INSTALLED if version == "6.0.0" else BundleState.CHECKED)


def test_an_updater_that_is_at_work_is_followed_and_one_that_has_ended_not_begun_again(works: Works) -> None:
    digest = works.bring()
    works.step()
    works.rauc.error, works.rauc.is_idle = ServiceError("x", "already processing a different method"), False
    job = works.jobs.queue(INSTALL_JOB, Order("ada", digest, half="A").to_json())
    works.step()
    now = works.jobs.get(job.id)
    assert now is not None
    assert (now.state, works.rauc.begun) == (JobState.RUNNING, [])
    works.service.close()
    works.jobs.put_back(job.id, "")
    works.rauc.is_idle = True
    works.again()
    works.step()
    now = works.jobs.get(job.id)
    assert now is not None
    assert now.state is JobState.FAILED
    assert works.rauc.begun == []


def asked_in(works: Works, minutes: int) -> int:
    """Return how often the updater is asked in so many minutes."""
    before = works.rauc.asked
    for _ in range(minutes):
        works.step()
    return works.rauc.asked - before


def test_an_updater_is_left_alone_until_root_has_written_something_down(works: Works) -> None:
    works.step()
    assert asked_in(works, 60) == 4
    works.root.now = Records(history=(past(Outcome.GOOD),))
    assert asked_in(works, 1) == 1
    works.rauc.error = UnavailableError("away")
    assert asked_in(works, 15) >= 1
    assert asked_in(works, 5) == 5, "one that is away is looked for"


def test_what_nobody_goes_on_with_for_a_day_is_given_up(works: Works) -> None:
    works.bundles.begin(Announced(9000, "0" * 64, Source.UPLOAD, "ada", NIGHT))
    works.step()
    works.bundles.add("0" * 64, bytes(100), 0)
    works.step(later_s=80_000)
    works.step(NIGHT + timedelta(days=30), later_s=80_000)
    assert works.bundles.arriving() is not None, "a clock that jumped is no day"
    works.step(later_s=10_000)
    assert works.bundles.arriving() is None


def past(outcome: Outcome, at: datetime = NIGHT) -> Past:
    return Past(at, "7.0.0", "6.0.0", outcome, "the panel did not answer")


def test_an_update_that_did_not_prove_itself_is_told_for_a_week_or_until_another_did(works: Works) -> None:
    works.root.now = Records(history=(past(Outcome.INSTALLED), past(Outcome.FELL_BACK)))
    works.step()
    [issue] = works.board.issues
    assert (issue.key, issue.severity) == ("update.fell-back", Severity.WARNING)
    assert issue.title == "The update to version 7.0.0 did not prove itself: the panel did not answer"
    works.step(NIGHT + timedelta(days=8))
    assert works.board.issues == ()
    works.root.now = Records(history=(past(Outcome.GOOD), past(Outcome.FELL_BACK)))
    works.step(NIGHT)
    assert works.board.issues == ()


def test_an_order_that_cannot_be_read_is_ended(works: Works) -> None:
    job = works.jobs.queue(INSTALL_JOB, json.dumps({"by": 7}))
    works.step()
    ended = works.jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.message) == (JobState.FAILED, "This order cannot be read.")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("signature verification failed: Verify error: certificate has expired", "its signer's certificate has expired"),
        ("signature verification failed: Verify error: certificate revoked", "its signer has been revoked"),
        ("signature verification failed: Verify error: unsuitable certificate purpose", "is not one for updates"),
        ("Invalid bundle format: Signature size (99) exceeds bundle size", "it is no update, or it is damaged"),
        ("Bundle format 'plain' not allowed", "it has a form that this appliance does not take"),
        ("Slot (/dev/x) is too small for image (4 GB).", "it does not fit into the other half"),
        ("something new", "the updater said: something new"),
        ("", "the updater did not say why"),
    ],
)
def test_refusals_in_plain_words(said: str, words: str) -> None:
    assert words in plain_words(said)


def test_steps_in_plain_words() -> None:
    assert plain_step("Copying image to root.1") == "The system is written"
    assert plain_step("Something new") == "Something new"
