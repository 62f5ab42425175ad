"""The pipeline as a service: a frame becomes files, a row and products; what goes wrong costs one frame."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.errors import DiskFullError, StoreError
from appliance.domain.frame import Measurement, RawFrame, StoredFrame
from appliance.domain.health import Severity
from appliance.domain.night import NightId
from appliance.imaging import codec
from appliance.pipeline.service import PipelineService
from appliance.settings.schema import Settings
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.products import ProductStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from tests.unit.pipeline.conftest import night_frame

NIGHT = NightId("2026-01-31")


class Bench:
    """A service with everything it is wired to."""

    def __init__(self, store: FrameStore, products: ProductStore) -> None:
        clock = SystemClock()
        self.frames: Mailbox[RawFrame] = Mailbox("frames", 2)
        self.settings = Published(Settings())
        self.measured: Published[Measurement | None] = Published(None)
        self.latest: Published[StoredFrame | None] = Published(None)
        self.developed = Published(0)
        self.board = HealthBoard(clock)
        self.beats = 0
        self.store, self.products = store, products
        self.service = PipelineService(
            frames=self.frames,
            settings=self.settings,
            frames_store=store,
            products=products,
            measured=self.measured,
            latest=self.latest,
            developed=self.developed,
            board=self.board,
            clock=clock,
            beat=self.beat,
        )
        self.service.open()

    def beat(self) -> None:
        self.beats += 1

    def develop(self, *raws: RawFrame) -> None:
        for raw in raws:
            self.frames.put(raw)
            self.service.step()

    @property
    def issues(self) -> list[str]:
        return [issue.key for issue in self.board.issues]


@pytest.fixture
def bench(store: FrameStore, products: ProductStore) -> Bench:
    return Bench(store, products)


def test_a_frame_becomes_files_a_row_and_products(bench: Bench, folder: DataFolder) -> None:
    bench.develop(night_frame())
    (stored,) = bench.store.of_night(NIGHT)
    assert bench.latest.value == stored
    assert bench.measured.value == stored.measurement
    assert stored.measurement.stars is not None
    assert stored.sensor_temperature_c == -5.25
    picture = codec.decode(folder.path_of(stored.picture_name).read_bytes())
    assert picture.shape == (stored.height, stored.width, 3) == (240, 320, 3)
    assert codec.decode(folder.path_of(stored.thumb_name).read_bytes()).shape == (240, 320, 3)
    assert bench.products.names(NIGHT) == ("keogram.jpg", "startrail.jpg")
    assert bench.beats > 10
    assert bench.issues == []


def test_the_star_trail_is_made_of_pictures_without_labels(bench: Bench) -> None:
    bench.settings.publish(Settings.model_validate({"image": {"label": "M" * 12, "label_size": 3}}))
    bench.develop(night_frame())
    (stored,) = bench.store.of_night(NIGHT)
    trail = bench.products.read(NIGHT, "startrail.jpg")
    assert trail is not None
    assert codec.decode(bench.store.picture_path(stored).read_bytes())[:60, :60].max() > 230
    assert codec.decode(trail)[:60, :60].max() < 100


def test_without_a_frame_nothing_happens(bench: Bench) -> None:
    bench.frames.take = lambda timeout: None  # type: ignore[method-assign] # without waiting a second
    bench.service.step()
    assert bench.store.count() == 0


def test_a_new_setting_shows_in_the_next_frame(bench: Bench) -> None:
    bench.develop(night_frame(0))
    bench.settings.publish(Settings.model_validate({"image": {"rotation": "90", "jpeg_quality": 50}}))
    bench.develop(night_frame(1))
    newer, older = bench.store.of_night(NIGHT)
    assert (older.width, older.height) == (320, 240)
    assert (newer.width, newer.height) == (240, 320)
    assert newer.picture_bytes < older.picture_bytes


def test_the_night_is_that_of_the_site(bench: Bench) -> None:
    bench.settings.publish(Settings.model_validate({"site": {"timezone": "Pacific/Auckland"}}))
    bench.develop(replace(night_frame(), started_at=datetime(2026, 1, 31, 1, tzinfo=UTC)))  # 14:00 in Auckland
    bench.develop(replace(night_frame(), started_at=datetime(2026, 1, 30, 22, tzinfo=UTC)))  # 11:00 in Auckland
    assert [summary.night.text for summary in bench.store.nights()] == ["2026-01-31", "2026-01-30"]


def test_a_bad_frame_is_told_and_the_next_one_clears_it(bench: Bench) -> None:
    bench.develop(night_frame(0), replace(night_frame(1), pixels=np.zeros((3, 3), np.uint16)))
    assert bench.issues == ["pipeline.frame"]
    assert "3 x 3" in bench.board.issues[0].title
    assert bench.board.issues[0].severity is Severity.WARNING
    bench.develop(night_frame(2))
    assert bench.issues == []
    assert bench.store.count() == 2


def test_a_measurement_is_there_before_the_frame_is_stored(bench: Bench) -> None:
    seen: list[Measurement | None] = []
    add = bench.store.add

    def watching_add(*arguments: object, **named: object) -> StoredFrame:
        seen.append(bench.measured.value)
        return add(*arguments, **named)  # type: ignore[arg-type] # handed on as they came

    bench.store.add = watching_add  # type: ignore[method-assign] # watched, not replaced
    bench.develop(night_frame())
    assert seen == [bench.measured.value]


def test_a_full_disk_is_told_and_capture_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.develop(night_frame(0))
    before = bench.measured.revision

    def full(*_arguments: object, **_named: object) -> StoredFrame:
        raise DiskFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "add", full)
        bench.develop(night_frame(1), night_frame(2))
    assert bench.issues == ["disk.full"]
    assert bench.board.issues[0].severity is Severity.ERROR
    assert bench.measured.revision == before + 2
    assert bench.store.count() == 1
    bench.develop(night_frame(3))
    assert bench.issues == []
    assert bench.store.count() == 2


def test_closing_saves_the_products(bench: Bench, products: ProductStore) -> None:
    bench.develop(*[night_frame(number) for number in range(4)])
    bench.service.close()
    data = products.read(NIGHT, "keogram.jpg")
    assert data is not None
    assert codec.decode(data).shape[1] == 4


def test_a_service_built_anew_goes_on_with_the_night(bench: Bench) -> None:
    bench.develop(*[night_frame(number) for number in range(3)])
    bench.service.close()
    again = Bench(bench.store, bench.products)
    assert again.latest.value == bench.latest.value
    again.develop(night_frame(3))
    again.service.close()
    data = again.products.read(NIGHT, "keogram.jpg")
    assert data is not None
    assert codec.decode(data).shape[1] == 4


@pytest.mark.parametrize("error", [DiskFullError("no room"), StoreError("the card is gone")])
def test_closing_never_raises(bench: Bench, monkeypatch: pytest.MonkeyPatch, error: StoreError) -> None:
    bench.develop(night_frame(0), night_frame(1))

    def failing(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(bench.products, "write", failing)
    bench.service.close()
    Bench(bench.store, bench.products).service.close()


def test_every_frame_that_has_come_to_an_end_is_counted_stored_or_not(bench: Bench) -> None:
    bench.develop(night_frame(0), replace(night_frame(1), pixels=np.zeros((3, 3), np.uint16)))
    assert bench.developed.value == 2

    def fail(*_: object, **__: object) -> StoredFrame:
        raise StoreError("the card is gone")

    bench.store.add = fail  # type: ignore[method-assign] # a card that fails
    with pytest.raises(StoreError):
        bench.develop(night_frame(2))
    assert bench.developed.value == 3
