"""Bundles, from their last byte to the other half: the update service with the real RAUC, its signatures and its handlers."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.job import Job, JobState
from appliance.domain.update import (
    INSTALL_JOB,
    OTHER_JOB,
    Announced,
    Bundle,
    BundleState,
    Order,
    Refused,
    Source,
    UpdateCommand,
    Updater,
)
from appliance.host.bus import Bus
from appliance.host.systemd import SERVICE as SYSTEMD
from appliance.host.systemd import Units
from appliance.host.update import Updates
from appliance.host.updaterecords import UpdateRecords
from appliance.housekeeping import halves, updating
from appliance.housekeeping.updating import UpdateService
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from imagebuild.keys import Keys
from tests.integration.host.busroom import COMMANDS, PANEL, VISITOR, missing_right, wait_for
from tests.integration.host.newrauc import COMMANDS as RAUC_COMMANDS
from tests.integration.host.raucroom import REFUSED, ROOT_BYTES, Machine, rauc_machine
from tests.integration.host.standin import Body, Call, StandIn
from tests.integration.host.test_machine_services import OUR_PYTHON, python

pytestmark = [
    pytest.mark.needs(*COMMANDS, *RAUC_COMMANDS),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]

RUNNING = "6.0.0"
LONG_S = 90.0


@dataclass
class Works:
    """The service on real stores, and what a test does as the panel would."""

    machine: Machine
    data: DataFolder
    database: Database

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.bundles, self.jobs = BundleStore(self.data), JobStore(self.database, clock)
        self.audit, self.board = AuditStore(self.database, clock), HealthBoard(clock)
        self.power: Mailbox[PowerCommand] = Mailbox("power", 4)
        self.updater = Published(Updater())
        self.service = self.again()

    def again(self) -> UpdateService:
        """Return the service as another start of the program makes it."""
        bus, clock = Bus(self.machine.room.address), SystemClock()
        commands: Mailbox[UpdateCommand] = Mailbox("update", 4)
        self.service = UpdateService(
            rauc=Updates(bus), units=Units(bus), records=UpdateRecords(self.machine.records), bundles=self.bundles,
            jobs=self.jobs, audit=self.audit,
            settings=Published(Settings()), commands=commands, updater=self.updater, power=self.power, version=RUNNING,
            board=self.board, clock=clock, sky_clock=clock, beat=lambda: None,
        )  # fmt: skip
        self.service.open()
        return self.service

    def bring(self, data: bytes) -> str:
        """Bring a bundle, as an upload does, and return its SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        self.bundles.begin(Announced(len(data), digest, Source.UPLOAD, "ada", datetime.now(UTC)))
        self.bundles.add(digest, data, 0)
        self.bundles.finish(digest)
        return digest

    def step_until(self, condition: Callable[[], bool], what: str) -> None:
        def stepped() -> bool:
            self.service.step()
            return condition()

        wait_for(stepped, what, LONG_S)

    def looked_at(self, data: bytes) -> Bundle | Refused:
        """Bring a bundle, and return what was made of it."""
        self.bring(data)
        self.step_until(lambda: self._seen() is not None, "the bundle to be looked at")
        seen = self._seen()
        assert seen is not None
        return seen

    def _seen(self) -> Bundle | Refused | None:
        bundle = self.bundles.bundle()
        return self.bundles.refused() if bundle is None else bundle if bundle.state is not BundleState.NEW else None

    def order(self, kind: str, digest: str = "") -> Job:
        return self.jobs.queue(kind, Order("ada", digest, half="A").to_json())

    def ended(self, job: Job) -> Job:
        """Step until a job is over."""
        self.step_until(lambda: self.now(job).state.is_over, "the job to end")
        return self.now(job)

    def now(self, job: Job) -> Job:
        found = self.jobs.get(job.id)
        assert found is not None
        return found

    def look(self) -> None:
        """Step until the bundle that is here was looked at and may be installed."""
        self.step_until(lambda: self._seen() is not None, "the bundle to be looked at")
        assert isinstance(self._seen(), Bundle), self._seen()

    def acts(self) -> list[tuple[str, str]]:
        return [(one.who, one.action) for one in reversed(self.audit.page())]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with rauc_machine(tmp_path_factory.mktemp("rauc")) as made:
        yield made


@pytest.fixture
def works(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    monkeypatch.setattr(updating, "WAIT_S", 0.05)
    machine.reset()
    data = DataFolder(tmp_path / "data")
    data.open()
    database = Database(tmp_path / "data", SystemClock())
    database.open()
    yield Works(machine, data, database)
    database.close()
    data.close()


def test_a_bundle_is_looked_at_before_anything_is_installed_and_shown_with_its_signer(works: Works) -> None:
    seen = works.looked_at(works.machine.bench.bundle("7.1.0", notes="Quieter nights"))
    assert isinstance(seen, Bundle), seen
    assert (seen.state, seen.announced.by) == (BundleState.CHECKED, "ada")
    assert seen.manifest is not None
    assert (seen.manifest.version, seen.manifest.notes, seen.manifest.format) == ("7.1.0", "Quieter nights", "verity")
    assert seen.signer is not None
    assert seen.signer.name == "Test release signer"
    assert (works.machine.half("b"), works.machine.primary) == (bytes(ROOT_BYTES), "A")
    assert works.acts() == [("ada", "update checked")]


def test_what_rauc_or_the_appliance_refuses_is_removed_and_the_reason_told(works: Works) -> None:
    bench = works.machine.bench
    (works.machine.records / "bad.json").write_text('["7.0.0"]')
    good = bench.bundle("7.2.0")
    flipped = bytearray(good)
    flipped[-300] ^= 1  # within the signature
    refused = {
        "another authority": (bench.bundle(keys=bench.keys("other")), "by somebody whom this appliance does not trust"),
        "a flipped byte": (bytes(flipped), "it is no update, or it is damaged or not signed"),
        "a truncated one": (good[: len(good) // 2], "it is no update, or it is damaged or not signed"),
        "another file": (b"hsqs" + bytes(8192), "it is no update, or it is damaged or not signed"),
        "another machine's": (bench.bundle(compatible="toaster"), "for toaster, and this one is nightjar-test"),
        "an older one": (bench.bundle("5.9.9"), "it is older than what runs: version 5.9.9, and 6.0.0 runs"),
        "no version": (bench.bundle("latest"), "it names no version"),
        "one that fell back": (bench.bundle("7.0.0"), "was installed here before and did not prove itself"),
    }
    for what, (data, words) in refused.items():
        seen = works.looked_at(data)
        assert isinstance(seen, Refused), (what, seen)
        assert words in seen.reason, what
        assert not works.bundles.path.exists(), what
    assert {action for _, action in works.acts()} == {"update refused"}
    assert len(works.acts()) == len(refused)
    assert (works.machine.half("b"), works.machine.primary) == (bytes(ROOT_BYTES), "A")


@pytest.fixture
def with_keys(machine: Machine) -> Iterator[Callable[[Keys], None]]:
    """Return what starts RAUC with another keyring; afterwards it has that of the release again."""

    def again(keys: Keys | None = None) -> None:
        machine.kill()
        machine.start(keys)

    yield again
    again()


def test_an_expired_signer_and_a_revoked_one_are_refused(works: Works, with_keys: Callable[[Keys], None]) -> None:
    bench = works.machine.bench
    old, now = bench.revoked()
    with_keys(now)
    seen = works.looked_at(bench.bundle(keys=old))
    assert isinstance(seen, Refused), seen
    assert "its signer has been revoked" in seen.reason
    seen = works.looked_at(bench.bundle(keys=now))
    assert isinstance(seen, Bundle), seen
    expired = bench.keys("expired", years_ago=3)
    with_keys(expired)
    seen = works.looked_at(bench.bundle(keys=expired))
    assert isinstance(seen, Refused), seen
    assert "its signer's certificate has expired" in seen.reason


def test_an_update_goes_into_the_other_half_and_starts_next(works: Works) -> None:
    digest = works.bring(works.machine.bench.bundle("7.3.0", form="plain"))
    job = works.order(INSTALL_JOB, digest)
    ended = works.ended(job)
    assert (ended.state, ended.message) == (
        JobState.FAILED,
        "Nothing was installed: the bundle that was chosen is not here any more.",
    )
    works.look()
    ended = works.ended(works.order(INSTALL_JOB, digest))
    assert ended.state is JobState.DONE, ended
    assert (ended.done, ended.message) == (100, "Version 7.3.0 is in the other half. A restart starts it.")
    assert works.machine.half("b") == works.machine.bench.content
    assert works.machine.primary == "B"
    assert works.updater.value == Updater("nightjar-test", "A", "B", "")
    bundle = works.bundles.bundle()
    assert bundle is not None
    assert bundle.state is BundleState.INSTALLED
    assert not works.bundles.path.exists()
    assert works.acts() == [("ada", "update checked"), ("ada", "update installed")]
    assert works.power.take(0) is None, "nobody asked for a restart"


def test_what_the_machine_refuses_before_it_writes_is_told_and_leaves_the_half_alone(works: Works) -> None:
    digest = works.bring(works.machine.bench.bundle("6.6.6", form="plain"))
    works.look()
    ended = works.ended(works.order(INSTALL_JOB, digest))
    assert ended.state is JobState.FAILED
    assert ended.message == "Version 6.6.6 was not installed: the power is not good enough to write."
    assert (works.machine.half("b"), works.machine.primary) == (bytes(ROOT_BYTES), "A")
    assert works.acts()[-1] == ("ada", "update not installed")


def test_a_panel_that_restarts_meanwhile_follows_what_goes_on(works: Works) -> None:
    digest = works.bring(works.machine.bench.bundle("7.4.0", form="plain"))
    works.look()
    works.machine.hold(is_held=True)
    job = works.order(INSTALL_JOB, digest)
    works.step_until(lambda: works.now(job).state is JobState.RUNNING, "the installation to begin")
    works.service.step()
    works.service.close()
    works.again()
    works.service.step()
    works.machine.hold(is_held=False)
    assert works.ended(job).state is JobState.DONE
    assert works.machine.half("b") == works.machine.bench.content
    assert [action for _, action in works.acts()].count("update installed") == 1


def test_an_updater_that_ends_meanwhile_has_installed_nothing(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "IDLE_S", 1.0)
    digest = works.bring(works.machine.bench.bundle("7.5.0", form="plain"))
    works.look()
    works.machine.hold(is_held=True)
    job = works.order(INSTALL_JOB, digest)
    works.step_until(lambda: works.now(job).state is JobState.RUNNING, "the installation to begin")
    works.machine.kill()
    works.service.step()
    works.machine.hold(is_held=False)
    works.machine.start()
    ended = works.ended(job)
    assert (ended.state, ended.message) == (JobState.FAILED, "Version 7.5.0 was not installed: the updater did not say why.")
    assert works.machine.primary == "A"
    assert works.ended(works.order(INSTALL_JOB, digest)).state is JobState.DONE, "the bundle is still here"


class Systemd(StandIn):
    """Starts the root oneshot that has the machine start from its other half, or only says so."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.works, self.refusal, self.asked = machine, True, "", list[tuple[object, ...]]()
        super().__init__(machine.room.address, SYSTEMD, "/none")

    def answer(self, call: Call) -> tuple[str, Body]:
        self.asked.append((call.method, *call.body))
        if self.refusal:
            line = json.dumps({**REFUSED, "reason": self.refusal})
            (self.machine.records / "history.jsonl").write_text(f"{line}\n")
        if self.works:
            (self.machine.room.inside / "primary").write_text("B\n")
        return "o", ("/org/freedesktop/systemd1/job/1",)


def test_the_other_half_is_started_once_it_is_seen_to_be_next(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "CHOSEN_S", 2.0)
    ended = works.ended(works.order(OTHER_JOB))
    assert "not available on this machine: systemd" in ended.message
    systemd = Systemd(works.machine)
    try:
        systemd.works = False
        ended = works.ended(works.order(OTHER_JOB))
        assert ended.state is JobState.FAILED
        assert "the start was not changed within a minute" in ended.message
        assert works.power.take(0) is None
        systemd.refusal = "system B takes no part: it is empty"
        ended = works.ended(works.order(OTHER_JOB))
        assert ended.message == "The machine was not restarted: system B takes no part: it is empty."
        systemd.works, systemd.refusal = True, ""
        assert works.ended(works.order(OTHER_JOB)).message == "The machine starts from B now."
        assert works.power.take(0) == Reboot()
        assert systemd.asked == [("StartUnit", "nightjar-other-slot.service", "replace")] * 3
    finally:
        systemd.leave()


AS_PANEL = """
import json, sys
from pathlib import Path
from appliance.domain.errors import DeniedError
from appliance.host.bus import Bus
from appliance.host.update import Updates
from appliance.host.updaterecords import UpdateRecords
updates, bundle = Updates(Bus()), Path(sys.argv[1])
try:
    completion = updates.completion()
    seen = updates.inspect(bundle)
    updates.begin(bundle)
    result = None
    while result is None:
        result = completion.take(1.0)
    print(json.dumps([seen.version, result, updates.next_half(), updates.compatible(), updates.writing().is_idle]))
except DeniedError as error:
    print(json.dumps(str(error)))
"""


def test_the_panels_user_may_do_all_of_it_under_the_policy_and_nobody_else(works: Works, tmp_path: Path) -> None:
    works.machine.room.must("sh", "-euc", OUR_PYTHON)
    bundle = tmp_path / "bundle.raucb"
    bundle.write_bytes(works.machine.bench.bundle("7.6.0", form="plain"))
    script = AS_PANEL.replace("sys.argv[1]", repr(str(bundle)))
    refused = python(works.machine.room, VISITOR, script)
    assert "the rules of this machine do not allow it" in json.loads(refused.stdout), refused.stderr
    ended = python(works.machine.room, PANEL, script)
    assert json.loads(ended.stdout) == ["7.6.0", 0, "B", "nightjar-test", True], ended.stderr
    assert works.machine.half("b") == works.machine.bench.content


def test_without_an_updater_nothing_is_lost_and_nothing_done(works: Works) -> None:
    works.machine.kill()
    digest = works.bring(works.machine.bench.bundle("7.7.0"))
    ended = works.ended(works.order(INSTALL_JOB, digest))
    assert ended.message == "Nothing was done: not available on this machine: RAUC."
    bundle = works.bundles.bundle()
    assert bundle is not None
    assert bundle.state is BundleState.NEW
    works.machine.start()
    works.again()
    works.look()
