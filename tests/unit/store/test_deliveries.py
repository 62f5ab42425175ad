"""What goes to which target under which name, in one transaction with the frame."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.errors import StoreError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.health import Issue, Severity
from appliance.domain.night import NightId
from appliance.domain.upload import UploadKind
from appliance.settings.parse import parse
from appliance.settings.schema import Settings
from appliance.store.database import Database
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.products import ProductStore
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Published
from appliance.uploads.topics import PRODUCTS

NIGHT = NightId("2026-01-31")
AT = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)


class Room:
    """Stores with deliveries."""

    def __init__(self, folder: DataFolder, database: Database) -> None:
        self.settings: Published[Settings] = Published(Settings())
        self.database, self.queue = database, UploadQueue(database, SystemClock())
        self.deliveries = deliveries = Deliveries(self.queue, self.settings)
        self.frames, self.products = FrameStore(database, folder, deliveries), ProductStore(folder, deliveries.add_product)

    def targets(self, *targets: dict[str, object]) -> None:
        common = {"title": "there", "kind": "sftp", "host": "there", "user": "ada"}
        tree = [{"id": f"target0{number}", **common, **target} for number, target in enumerate(targets)]
        self.settings.publish(parse({"site": {"timezone": "Europe/Vienna"}, "targets": tree}))

    def add(self, at: datetime = AT) -> int:
        stored = self.frames.add(
            b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xd9", night=NIGHT, exposure=Exposure(FrameKind.LIGHT, 1.0, 2.0), started_at=at,
            width=1, height=1, measurement=Measurement(1.0, 0.0),
        )  # fmt: skip
        return stored.id

    def names(self, target: str = "target00") -> list[tuple[str, str, str]]:
        found = []
        while (upload := self.queue.claim(target)) is not None:
            found.append((upload.outgoing.kind.value, upload.outgoing.path, upload.outgoing.name))
            self.queue.arrived(upload, 1)
        return found


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    folder = DataFolder(tmp_path)
    folder.open()
    database = Database(tmp_path, SystemClock())
    database.open()
    yield Room(folder, database)
    database.close()
    folder.close()


def test_each_target_gets_what_it_wants_under_its_own_names(room: Room) -> None:
    room.targets(
        {}, {"picture_name": "latest", "products": False}, {"pictures": False}, {"picture_name": "{date}/{time} {number}"}
    )
    number = room.add()
    path = f"nights/2026-01-31/frames/20260131T210015Z-{number}.jpg"
    room.products.write(NIGHT, "keogram.jpg", b"keogram")
    room.products.write(NIGHT, "night.mp4", b"film")
    keogram = ("product", "nights/2026-01-31/products/keogram.jpg", "2026-01-31/keogram.jpg")
    film = ("film", "nights/2026-01-31/products/night.mp4", "2026-01-31/night.mp4")
    assert room.names() == [("picture", path, f"2026-01-31/20260131T210015Z-{number}.jpg"), keogram, film]
    assert room.names("target01") == [("picture", path, "latest.jpg"), ("film", *film[1:])]
    assert room.names("target02") == [keogram, film]
    assert room.names("target03")[0] == ("picture", path, f"2026-01-31/22-00-15 {number}.jpg"), "the site's own time"


def test_a_broker_gets_files_by_the_names_that_their_frames_are_found_by(room: Room) -> None:
    broker = {"kind": "mqtt", "id": "target00", "title": "Home", "host": "broker.example"}
    room.settings.publish(parse({"targets": [broker]}))
    number = room.add()
    for name in ("keogram.jpg", "startrail.jpg", "night.mp4"):
        room.products.write(NIGHT, name, b"product")
    (_, _, picture), *products = room.names()
    found = room.frames.of_name(picture)
    assert found is not None
    assert found.id == number
    assert [name for _, _, name in products] == list(PRODUCTS)


def test_without_targets_nothing_is_queued(room: Room) -> None:
    room.add()
    room.targets({})
    assert room.names() == []


def test_one_picture_in_so_many_minutes(room: Room) -> None:
    room.targets({"every_min": 5, "products": False})
    ids = [room.add(AT + timedelta(seconds=30 * step)) for step in range(21)]
    back = room.add(AT - timedelta(hours=1))
    wanted = {ids[0], ids[10], ids[20], back}
    assert {int(name.rpartition("-")[2].removesuffix(".jpg")) for _, _, name in room.names()} == wanted


def test_a_frame_and_its_uploads_are_stored_together_or_not_at_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.targets({})

    def fail(*_: object) -> None:
        raise StoreError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(room.queue, "add_within", fail)
        with pytest.raises(StoreError):
            room.add()
    assert room.frames.latest() is None
    assert room.names() == []
    room.add()
    assert [kind for kind, _, _ in room.names()] == [UploadKind.PICTURE.value]


def test_a_target_of_notices_gets_no_picture_and_a_target_of_pictures_no_notice(room: Room) -> None:
    hook = {"id": "hook0001", "kind": "webhook", "title": "Hook", "address": "https://hooks.example/"}
    files = {"id": "file0001", "kind": "sftp", "title": "Files", "host": "there", "user": "ada"}
    room.settings.publish(parse({"targets": [hook, files]}))
    room.add()
    room.products.write(NIGHT, "keogram.jpg", b"keogram")
    issue = Issue("camera.absent", Severity.ERROR, "No pictures", "Check its cable.", AT)
    assert room.deliveries.wanting(issue) == ("hook0001",)
    room.deliveries.add_notice(("hook0001",), "notices/20260131T210015Z-1.json")
    assert room.names("hook0001") == [("notice", "notices/20260131T210015Z-1.json", "notices/20260131T210015Z-1.json")]
    assert [kind for kind, _, _ in room.names("file0001")] == ["picture", "product"]
