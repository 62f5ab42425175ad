"""SERVICE: takes raw frames, develops them, stores picture, numbers and products, and tells who waits for them."""

import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo

from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, InputError, StoreError
from appliance.domain.frame import Measurement, RawFrame, StoredFrame
from appliance.domain.health import Severity
from appliance.domain.night import night_of
from appliance.imaging.threads import use_one_thread
from appliance.imaging.workspace import Workspace
from appliance.pipeline.products import NightProducts
from appliance.pipeline.recipe import develop, finish
from appliance.settings.schema import Settings
from appliance.store.frames import FrameStore
from appliance.store.products import ProductStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)


class PipelineService:
    """From raw frames to everything that is kept of them; a bad frame or a full disk costs that frame only.

    `developed` counts the raw frames that have come to their end here, for who waits until none is on its way.
    """

    def __init__(
        self,
        frames: Mailbox[RawFrame],
        settings: Published[Settings],
        frames_store: FrameStore,
        products: ProductStore,
        measured: Published[Measurement | None],
        latest: Published[StoredFrame | None],
        developed: Published[int],
        board: HealthBoard,
        clock: Clock,
        beat: Beat,
    ) -> None:
        self._frames, self._settings, self._developed = frames, settings, developed
        self._store, self._night = frames_store, NightProducts(products, beat)
        self._measured, self._latest = measured, latest
        self._board, self._clock, self._beat = board, clock, beat
        self._workspace = Workspace()

    def open(self) -> None:
        """Show the last picture of before, until the first new one is there."""
        use_one_thread()
        if self._latest.value is None:
            stored = self._store.latest()
            if stored is not None:
                self._latest.publish(stored)

    def step(self) -> None:
        """Wait at most a second for a frame, and make everything of it that is made of a frame."""
        raw = self._frames.take(timeout=1.0)
        if raw is None:
            return
        try:
            self._make_everything_of(raw)
        finally:
            self._developed.publish(self._developed.value + 1)  # stored or not, nobody has to wait for it any more

    def close(self) -> None:
        """Save what has grown since the last save."""
        try:
            self._on_disk(self._night.save)
        except StoreError as error:
            log.warning("keogram and star trail were not saved: %s", error)
        self._workspace.forget()

    def _make_everything_of(self, raw: RawFrame) -> None:
        started_s = self._clock.monotonic()
        try:
            self._process(raw, self._settings.value)
        except InputError as error:
            self._board.raise_issue(
                "pipeline.frame",
                Severity.WARNING,
                f"A frame could not be developed: {error}",
                "Capture goes on. If this stays, look at the camera's settings: binning, format and size of its frames.",
            )
            return
        self._board.clear_issue("pipeline.frame")
        log.debug("frame developed: %.0f ms", 1000 * (self._clock.monotonic() - started_s))

    def _process(self, raw: RawFrame, settings: Settings) -> None:
        developed = develop(raw, settings, workspace=self._workspace, lap=self._lap)
        self._measured.publish(developed.measurement)  # the next exposure is waiting for it, storing can take a while
        night = night_of(raw.started_at, ZoneInfo(settings.site.timezone))
        self._on_disk(lambda: self._night.add(night, developed.picture, settings, is_night=developed.is_night))
        finished = finish(developed, raw, settings, lap=self._lap)

        def store() -> None:
            stored = self._store.add(
                finished.jpeg,
                finished.thumb,
                night=night,
                exposure=raw.exposure,
                started_at=raw.started_at,
                width=finished.width,
                height=finished.height,
                measurement=developed.measurement,
                sensor_temperature_c=raw.sensor_temperature_c,
            )
            self._latest.publish(stored)

        if self._on_disk(store) and self._on_disk(self._night.save_if_due):
            self._board.clear_issue("disk.full")

    def _on_disk(self, write: Callable[[], None]) -> bool:
        """Write something; a full disk becomes an issue and costs what should have been written, nothing else."""
        self._beat()
        try:
            write()
        except DiskFullError as error:
            log.warning("disk full: %s", error)
            self._board.raise_issue(
                "disk.full",
                Severity.ERROR,
                "The disk is full: pictures are not stored",
                "Capture goes on, and old nights are removed as the settings say. Keep fewer days, or use a larger card.",
            )
            return False
        return True

    def _lap(self, _stage: str) -> None:
        """Say after each stage that the work goes on."""
        self._beat()
