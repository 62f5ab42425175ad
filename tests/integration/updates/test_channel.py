"""The channel service and a real server over TLS: lists signed by openssl, replays, downloads that were cut, the quiet hour."""

import hashlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.job import Job, JobState
from appliance.domain.update import (
    FETCH_JOB,
    INSTALL_JOB,
    Announced,
    BundleState,
    CheckChannel,
    Manifest,
    Order,
    Records,
    Source,
    UpdateCommand,
    Updater,
)
from appliance.housekeeping import channelling
from appliance.housekeeping.channelling import ChannelService
from appliance.housekeeping.fetching import Fetcher
from appliance.housekeeping.releasing import Releasing
from appliance.settings.schema import ChannelAction, Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.channelstate import ChannelState, ChannelStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from tests.integration.updates.channelsite import COMPATIBLE, Site, channel_site

pytestmark = pytest.mark.needs("openssl")

DATA = os.urandom(9_500_000)
NIGHT = datetime(2026, 11, 29, 22, tzinfo=UTC)
QUIET = datetime(2026, 11, 30, 11, 5, tzinfo=UTC)


@dataclass
class Hands:
    """A clock that a test sets, and what root has written down."""

    at: datetime = NIGHT
    seconds: float = 0.0
    records: Records = field(default_factory=Records)
    rate = 1.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        self.seconds += 0.01
        return self.seconds

    def read(self) -> Records:
        return self.records


class Works:
    """The service on real stores."""

    def __init__(self, site: Site, authority: str, data: DataFolder, database: Database) -> None:
        self.site, self.hands = site, Hands()
        self.settings = Published(Settings())
        self.bundles, self.states, self.jobs = BundleStore(data), ChannelStore(data), JobStore(database, self.hands)
        self.audit, self.board = AuditStore(database, self.hands), HealthBoard(self.hands)
        self.commands: Mailbox[CheckChannel] = Mailbox("channel", 2)
        self.power: Mailbox[PowerCommand] = Mailbox("power", 2)
        self.updater = Published(Updater(COMPATIBLE, "A", "A", ""))
        self._fetcher = Fetcher(lambda: ssl.create_default_context(cadata=authority))
        self.service = self.again()

    def again(self, fetcher: Fetcher | None = None) -> ChannelService:
        """Return the service as another start of the program makes it."""
        use = fetcher or self._fetcher
        wake: Mailbox[UpdateCommand] = Mailbox("update", 2)
        self.service = ChannelService(
            settings=self.settings, states=self.states, bundles=self.bundles, jobs=self.jobs, audit=self.audit,
            commands=self.commands, updater=self.updater, records=self.hands, power=self.power, version="1.0.0",
            device_id="7Q2M9KD4", fetcher=use, releasing=Releasing(self.jobs, self.bundles, wake, use, self.hands),
            board=self.board, clock=self.hands, beat=lambda: None,
        )  # fmt: skip
        self.service.open()
        return self.service

    def set(self, **values: object) -> None:
        now = self.settings.value
        self.settings.publish(now.model_copy(update={"updates": now.updates.model_copy(update=values)}))

    def use(self, **values: object) -> None:
        self.set(channel_url=self.site.url, channel_key=self.site.key(), **values)

    @property
    def state(self) -> ChannelState:
        return self.states.read(self.site.url, self.site.key())

    @property
    def offered(self) -> str:
        return self.state.offered.version if self.state.offered else ""

    def ask(self) -> str:
        """Have it asked now; return why that came to nothing."""
        self.commands.put(CheckChannel())
        self.service.step()
        return self.state.error

    def order(self) -> Job:
        assert self.state.offered is not None
        return self.jobs.queue(FETCH_JOB, Order("ada", self.state.offered.sha256).to_json())

    def ended(self, job: Job) -> Job:
        for _ in range(300):
            self.service.step()
            now = self.jobs.get(job.id)
            assert now is not None
            if now.state.is_over:
                return now
        raise AssertionError("it does not end")


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    monkeypatch.setattr(channelling, "WAIT_S", 0.0)
    data = DataFolder(tmp_path / "data")
    data.open()
    hands = Hands()
    database = Database(tmp_path / "data", hands)
    database.open()
    with channel_site(tmp_path) as (site, authority):
        yield Works(site, authority, data, database)
    database.close()
    data.close()


def test_without_an_address_nobody_is_ever_asked(works: Works) -> None:
    works.site.publish(1, works.site.release("1.2.0", DATA))
    for _ in range(5):
        works.commands.put(CheckChannel())
        works.service.step()
    assert works.site.asked == []


def test_a_release_is_told_once_a_day_and_not_fetched(works: Works) -> None:
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.use()
    for _ in range(4):
        works.service.step()
    assert works.site.asked == [("/channel.json", ""), ("/channel.json.sig", "")]
    assert works.offered == "1.2.0"
    assert [issue.title for issue in works.board.issues] == ["Version 1.2.0 of the system is there"]
    works.hands.at += timedelta(hours=21, minutes=59)
    works.service.step()
    assert len(works.site.asked) == 2
    works.hands.at += timedelta(hours=4, minutes=2)
    works.service.step()
    assert len(works.site.asked) == 4
    works.hands.at = QUIET + timedelta(days=9)
    works.service.step()
    assert works.bundles.arriving() is None
    works.set(channel_url="", channel_key="")
    works.service.step()
    assert works.board.issues == ()


def test_a_list_that_is_not_signed_with_the_key_is_not_taken(works: Works) -> None:
    works.use()
    works.site.publish(1, works.site.release("1.2.0", DATA), signed_by="somebody")
    assert "was not signed with the key of the settings, or was changed since" in works.ask()
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.site.files["/channel.json"] = works.site.files["/channel.json"].replace(b"1.2.0", b"9.9.9")
    assert "was not signed with the key of the settings, or was changed since" in works.ask()
    works.site.files["/channel.json.sig"] = b"hello"
    assert works.ask() == "the channel's signature is none"
    del works.site.files["/channel.json.sig"]
    assert "the server answered 404" in works.ask()
    assert works.offered == ""


def test_an_older_list_and_another_of_the_same_number_are_not_taken_also_after_a_restart(works: Works) -> None:
    works.use()
    works.site.publish(5, works.site.release("1.2.0", DATA))
    assert works.ask() == ""
    works.site.publish(4, works.site.release("1.9.0", DATA))
    works.again()
    assert works.ask() == "the list has serial number 4, and number 5 was seen before: it is not taken"
    works.site.publish(5, works.site.release("1.9.0", DATA))
    assert "number 5 was seen before" in works.ask()
    assert works.offered == "1.2.0"
    works.site.publish(6)
    assert (works.ask(), works.offered) == ("", "")


def test_no_certificate_but_a_trusted_one_no_redirect_and_no_silence_passes(works: Works) -> None:
    works.use()
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.again(Fetcher())  # the system's own authorities
    assert "the server's certificate is not trusted" in works.ask()
    works.again()
    works.site.redirect = "https://localhost:1/elsewhere"
    assert "the server answered 302" in works.ask()
    works.site.redirect = ""
    works.site.files["/channel.json"] = b" " * (300 << 10)
    assert "is larger than 256 KiB" in works.ask()
    works.set(channel_url="https://localhost:1/channel.json")
    works.commands.put(CheckChannel())
    works.service.step()
    assert "the server cannot be reached" in works.states.read("https://localhost:1/channel.json", works.site.key()).error


def test_versions_that_did_not_prove_themselves_and_other_machines_are_not_offered(works: Works) -> None:
    works.use()
    works.hands.records = Records(bad=("1.3.0",))
    one = works.site.release("1.3.0", DATA)
    works.site.publish(
        1, one, works.site.release("1.4.0", DATA, compatible="toaster"), works.site.release("1.5.0", DATA, percent=0)
    )
    assert (works.ask(), works.offered) == ("", "")


def test_a_release_is_downloaded_when_an_admin_says_so_and_goes_on_where_it_was_cut(works: Works) -> None:
    works.use()
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.ask()
    works.site.cut_after = 5_000_000
    ended = works.ended(works.order())
    assert (ended.state, ended.message) == (JobState.FAILED, "It was not downloaded: the file ended before its size was reached.")
    arriving = works.bundles.arriving()
    assert arriving is not None
    assert 0 < arriving.have <= 5_000_000
    works.site.cut_after = None
    works.again()
    assert works.ended(works.order()).state is JobState.DONE
    assert works.site.asked[-1] == ("/1.2.0.raucb", f"bytes={arriving.have}-")
    bundle = works.bundles.bundle()
    assert bundle is not None
    assert (bundle.announced.source, bundle.announced.by, bundle.state) == (Source.CHANNEL, "ada", BundleState.NEW)
    assert works.bundles.path.read_bytes() == DATA


def test_a_server_that_cannot_go_on_sends_it_anew(works: Works) -> None:
    works.use()
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.ask()
    works.site.cut_after = 5_000_000
    works.ended(works.order())
    works.site.cut_after, works.site.can_go_on = None, False
    assert works.ended(works.order()).state is JobState.DONE
    assert works.bundles.path.read_bytes() == DATA


def test_another_file_than_the_list_says_is_not_kept(works: Works) -> None:
    works.use()
    release = works.site.release("1.2.0", DATA)
    works.site.publish(1, release)
    works.ask()
    works.site.files["/1.2.0.raucb"] = bytes(len(DATA))
    assert "its SHA-256 is another one" in works.ended(works.order()).message
    works.site.files["/1.2.0.raucb"] = DATA + b"more"
    assert works.ended(works.order()).state is JobState.DONE
    assert works.bundles.path.read_bytes() == DATA, "and no more"
    works.jobs.queue(FETCH_JOB, Order("ada", "0" * 64).to_json())
    works.service.step()
    assert works.jobs.recent(1)[0].message == "The channel does not offer this release any more."


def test_an_upload_on_its_way_is_not_given_up_for_it(works: Works) -> None:
    works.use(action=ChannelAction.INSTALL)
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.bundles.begin(Announced(9000, "0" * 64, Source.UPLOAD, "ada", NIGHT))
    works.hands.at = QUIET
    works.ask()
    assert "Another bundle is on its way here" in works.ended(works.order()).message
    works.service.step()
    arriving = works.bundles.arriving()
    assert arriving is not None
    assert arriving.announced.source is Source.UPLOAD


def check(works: Works) -> None:
    """Look at the bundle as the update service does."""
    bundle = works.bundles.bundle()
    assert bundle is not None
    works.bundles.keep_checked(bundle, Manifest("1.2.0", COMPATIBLE, "", "verity"), None)


def fetched_by_itself(works: Works) -> bool:
    for _ in range(60):
        works.service.step()
    return works.bundles.bundle() is not None


@pytest.mark.parametrize(("action", "installs"), [(ChannelAction.DOWNLOAD, False), (ChannelAction.INSTALL, True)])
def test_at_the_quiet_hour_it_goes_as_far_as_an_admin_has_chosen(works: Works, action: ChannelAction, installs: bool) -> None:
    works.use(action=action)
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.ask()
    assert not fetched_by_itself(works), "it is night"
    works.hands.at = QUIET
    assert fetched_by_itself(works)
    check(works)
    works.service.step()
    waiting = works.jobs.waiting(INSTALL_JOB)
    assert len(waiting) == installs
    if not installs:
        return
    assert waiting[0][1] == Order("", hashlib.sha256(DATA).hexdigest(), half="A").to_json()
    works.service.step()
    assert len(works.jobs.waiting(INSTALL_JOB)) == 1, "once"
    bundle = works.bundles.bundle()
    assert bundle is not None
    works.bundles.keep_installed(bundle)
    works.jobs.finish(waiting[0][0].id, JobState.DONE, "")
    works.updater.publish(Updater(COMPATIBLE, "A", "B", ""))
    works.hands.at = QUIET + timedelta(hours=2)
    works.service.step()
    assert works.power.take(0) is None, "the quiet hour is over"
    works.hands.at = QUIET + timedelta(days=1)
    for _ in range(3):
        works.service.step()
    assert (works.power.take(0), works.power.take(0)) == (Reboot(), None)


def test_what_an_admin_has_brought_is_not_installed_by_itself(works: Works) -> None:
    works.use(action=ChannelAction.INSTALL)
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.ask()
    assert works.ended(works.order()).state is JobState.DONE
    check(works)
    works.hands.at = QUIET
    for _ in range(3):
        works.service.step()
    assert works.jobs.waiting(INSTALL_JOB) == []


def test_a_download_can_be_stopped_and_what_came_stays(works: Works) -> None:
    works.use()
    works.site.publish(1, works.site.release("1.2.0", DATA))
    works.ask()
    job = works.order()
    works.service.step()
    works.service.step()
    works.jobs.request_stop(job.id)
    assert works.ended(job).message == "Stopped. What has come stays, and goes on with the next order."
    arriving = works.bundles.arriving()
    assert arriving is not None
    assert arriving.have > 0
