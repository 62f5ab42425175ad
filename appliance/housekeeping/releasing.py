"""A release that is downloaded from the address that the channel's list names: a job, which goes on where it was cut."""

import logging

from appliance.domain.channel import Release
from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, FetchError, InputError
from appliance.domain.job import Job, JobState
from appliance.domain.update import FETCH_JOB, Announced, LookAgain, Order, Source, UpdateCommand, order_of
from appliance.housekeeping.fetching import Download, Fetcher
from appliance.store.bundles import BundleStore
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox

log = logging.getLogger(__name__)

WAITS = "It waits for its turn."
_PIECE_BYTES = 4 << 20
"""Written, and forced to the card, at once."""
_READ_BYTES = 256 << 10
STEP_S = 2.0
"""What came in this time is written, however little it is."""


class Releasing:
    """One download at a time; a step reads a few megabytes at most."""

    def __init__(
        self, jobs: JobStore, bundles: BundleStore, commands: Mailbox[UpdateCommand], fetcher: Fetcher, clock: Clock
    ) -> None:
        self._jobs, self._bundles, self._commands, self._fetcher = jobs, bundles, commands, fetcher
        self._clock = clock
        self._work: tuple[Job, Release, Download] | None = None
        self._have = 0

    def open(self) -> None:
        """Let a job wait again that a crash left as running."""
        self._jobs.put_back_running(FETCH_JOB)

    @property
    def is_busy(self) -> bool:
        """Whether a download is under way."""
        return self._work is not None

    def order(self, by: str, sha256: str) -> Job:
        """Write down a download of what is offered."""
        return self._jobs.queue(FETCH_JOB, Order(by, sha256).to_json(), WAITS)

    def step(self, offered: Release | None) -> None:
        """Go on with a download, or begin the one that waits longest."""
        if self._work is None:
            self._begin_next(offered)
            return
        job, release, download = self._work
        try:
            is_over = self._go_on(job, release, download)
        except (FetchError, InputError, DiskFullError) as error:
            self._fail(job, error)
            return
        if is_over:
            self.close()
            self._jobs.finish(job.id, JobState.DONE, "The bundle is here, and is looked at.")
            self._commands.put(LookAgain())

    def close(self) -> None:
        """Give the connection back; the job goes on after the next start."""
        if self._work is not None:
            self._work[2].close()
            self._work = None

    def _begin_next(self, offered: Release | None) -> None:
        for job, text in self._jobs.waiting(FETCH_JOB)[:1]:
            try:
                order = order_of(text)
                if offered is None or offered.sha256 != order.sha256:
                    raise InputError("The channel does not offer this release any more.")
                self._begin(job, order, offered)
            except (FetchError, InputError, DiskFullError) as error:
                self._fail(job, error)

    def _begin(self, job: Job, order: Order, release: Release) -> None:
        announced = Announced(release.size, release.sha256, Source.CHANNEL, order.by, self._clock.now())
        arriving = self._bundles.arriving()
        if arriving is not None and arriving.announced.sha256 != release.sha256:
            raise InputError("Another bundle is on its way here. Give it up first.")
        self._have = self._bundles.begin(announced).have
        self._jobs.start(job.id, "It is downloaded")
        if self._have == release.size:
            self._bundles.finish(release.sha256)
            self._jobs.finish(job.id, JobState.DONE, "The bundle is here, and is looked at.")
            return
        download = Download(self._fetcher, release.url, self._have)
        if download.begins_at != self._have:
            self._bundles.drop_arriving()
            self._have = self._bundles.begin(announced).have
        self._work = (job, release, download)

    def _go_on(self, job: Job, release: Release, download: Download) -> bool:
        """Take some megabytes; return whether they were the last."""
        if self._jobs.is_stop_requested(job.id):
            raise InputError("Stopped. What has come stays, and goes on with the next order.")
        piece, until_s = b"", self._clock.monotonic() + STEP_S
        while len(piece) < min(_PIECE_BYTES, release.size - self._have) and (not piece or self._clock.monotonic() < until_s):
            more = download.read(min(_READ_BYTES, release.size - self._have - len(piece)))
            if not more:
                raise FetchError("the file ended before its size was reached")
            piece += more
        self._have = self._bundles.add(release.sha256, piece, self._have).have
        self._jobs.update(job.id, done=self._have, total=release.size, eta_s=None, message="It is downloaded")
        if self._have < release.size:
            return False
        self._bundles.finish(release.sha256)
        return True

    def _fail(self, job: Job, error: FetchError | InputError | DiskFullError) -> None:
        self.close()
        log.warning("an update was not downloaded: %s", error)
        sentence = str(error) if isinstance(error, InputError) else f"It was not downloaded: {error}."
        self._jobs.finish(job.id, JobState.FAILED, sentence)
