"""From the health board to the queues of those who want to hear of it, over restarts, and never in circles."""

import json
from pathlib import Path

import pytest

from appliance.domain.errors import StoreError
from appliance.domain.health import Severity
from appliance.domain.notice import from_json
from appliance.domain.upload import Outgoing, UploadKind
from appliance.settings.parse import parse
from appliance.settings.schema import Settings
from appliance.store.database import Database
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder
from appliance.store.notices import MOST, OLDEST, NoticeStore
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads import notices as module
from appliance.uploads.notices import NoticeService
from appliance.uploads.port import Sender
from tests.unit.store.conftest import MovableClock

HOOK = {"id": "hook0001", "kind": "webhook", "title": "Hook", "address": "https://hooks.example/"}
MAIL = {
    "id": "mail0001", "kind": "mail", "title": "Mail", "host": "mail.example", "sender": "a@example.net",
    "recipients": "b@example.net", "least_severity": "error",
}  # fmt: skip
FILES = {"id": "file0001", "kind": "sftp", "title": "Files", "host": "there.example", "user": "ada"}


class Room:
    """The service on a real data folder and queue."""

    def __init__(self, database: Database, folder: DataFolder, clock: MovableClock) -> None:
        self.clock, self.folder = clock, folder
        self.settings: Published[Settings] = Published(parse({"targets": [HOOK, MAIL, FILES]}))
        self.queue, self.board = UploadQueue(database, clock), HealthBoard(clock)
        self.store = NoticeStore(folder, Deliveries(self.queue, self.settings), clock)
        self.service = self.made()

    def made(self) -> NoticeService:
        sender = Sender("7Q2M9KD4", "My sky", "0.1.0", "https://nightjar.local")
        service = NoticeService(self.store, self.board, self.settings, lambda: sender, self.clock)
        service.open()
        return service

    def restart(self) -> None:
        """Start anew with an empty board, as a process does."""
        self.service.close()
        self.board = HealthBoard(self.clock)
        self.service = self.made()

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.service.step()
            self.clock.run(1)

    def fault(self, key: str = "camera.absent", severity: Severity = Severity.ERROR) -> None:
        self.board.raise_issue(key, severity, f"{key} is wrong", "Mend it.")

    def waiting(self, target: str) -> list[str]:
        """Return what waits for a target, as event and key, and take it."""
        found = []
        while (upload := self.queue.claim(target)) is not None:
            notice = from_json(self.folder.path_of(upload.outgoing.path).read_bytes())
            assert notice.issue is not None
            assert upload.outgoing == Outgoing(
                target, UploadKind.NOTICE, f"notices/{notice.id}.json", f"notices/{notice.id}.json"
            )
            found.append(f"{notice.event} {notice.issue.key}")
            self.queue.arrived(upload, 1)
        return found

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder.root / "notices").iterdir() if path.name != "told.json")


@pytest.fixture
def room(database: Database, folder: DataFolder, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
    return Room(database, folder, clock)


def test_an_issue_and_its_end_reach_those_who_want_to_hear_of_it(room: Room) -> None:
    room.fault()
    room.fault("disk.low", Severity.WARNING)
    room.fault("stick.note", Severity.INFO)
    room.run(15)
    assert room.files() == ["20260131T200010Z-1.json", "20260131T200010Z-2.json"]
    tree = json.loads((room.folder.root / "notices/20260131T200010Z-1.json").read_bytes())
    assert tree == {
        "id": "20260131T200010Z-1",
        "event": "raised",
        "at": "2026-01-31T20:00:10Z",
        "site": "My sky",
        "device_id": "7Q2M9KD4",
        "panel": "https://nightjar.local",
        "text": "My sky: camera.absent is wrong\nMend it.",
        "issue": {
            "key": "camera.absent",
            "severity": "error",
            "title": "camera.absent is wrong",
            "advice": "Mend it.",
            "since": "2026-01-31T20:00:00Z",
        },
        "open": 2,
        "status": "degraded",
    }
    room.board.clear_issue("camera.absent")
    room.board.clear_issue("disk.low")
    room.run(60)
    assert json.loads((room.folder.root / "notices" / room.files()[-1]).read_bytes())["status"] == "ok"
    both = ["raised camera.absent", "raised disk.low", "cleared camera.absent", "cleared disk.low"]
    assert room.waiting("hook0001") == both
    assert room.waiting("mail0001") == ["raised camera.absent", "cleared camera.absent"]
    assert room.waiting("file0001") == []


def test_a_restart_tells_nothing_twice_and_loses_nothing(room: Room) -> None:
    room.fault()
    room.run(15)
    room.restart()
    room.run(5)
    room.fault()
    room.run(600)
    room.restart()
    room.run(600)
    assert room.waiting("hook0001") == ["raised camera.absent", "cleared camera.absent"]
    assert len(set(room.files())) == 2


def test_what_could_not_be_written_is_told_later(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.fault()

    def fail(*_: object, **__: object) -> None:
        raise StoreError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(room.folder, "write_atomic", fail)
        with pytest.raises(StoreError):
            room.run(15)
    room.service = room.made()
    room.run(15)
    assert room.waiting("hook0001") == ["raised camera.absent"]


def test_a_crash_between_a_notice_and_the_memory_of_it_tells_nothing_twice(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise StoreError("the plug was pulled")

    def crashes(queue_too: bool) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(room.store, "remember", crash)
            if queue_too:
                patched.setattr(room.queue, "add", crash)
            with pytest.raises(StoreError):
                room.run(60)
        room.restart()

    room.fault()
    crashes(queue_too=True)
    room.fault()
    room.run(60)
    assert room.waiting("hook0001") == ["raised camera.absent"]
    room.board.clear_issue("camera.absent")
    crashes(queue_too=False)
    room.run(600)
    assert room.waiting("hook0001") == ["cleared camera.absent"]
    assert len(room.files()) == 2


def test_a_target_is_not_told_of_its_own_trouble_but_others_are(room: Room) -> None:
    room.fault("upload.hook0001")
    room.fault("worker.upload hook0001")
    room.fault("upload.mail0001")
    room.run(15)
    assert room.waiting("hook0001") == ["raised upload.mail0001"]
    assert room.waiting("mail0001") == ["raised upload.hook0001", "raised worker.upload hook0001"]


def test_where_nobody_wants_to_hear_nothing_is_kept_and_old_news_is_no_news(room: Room) -> None:
    room.settings.publish(parse({"targets": [FILES]}))
    room.fault()
    room.run(15)
    assert room.files() == []
    room.settings.publish(parse({"targets": [HOOK]}))
    room.run(3600)
    assert room.waiting("hook0001") == []


def test_what_was_told_and_cannot_be_read_is_begun_anew(room: Room) -> None:
    room.fault("disk.low")
    room.run(15)
    assert room.waiting("hook0001") == ["raised disk.low"]
    room.folder.write_atomic("notices/told.json", b'{"told": [{"issue": 7}], "count": 0}')
    room.restart()
    room.fault()
    room.run(15)
    assert room.waiting("hook0001") == ["raised camera.absent"], "and nothing old is sent again"
    assert [name.rpartition("-")[2] for name in room.files()] == ["1.json", "2.json"]


def test_old_and_surplus_notices_are_removed_also_those_that_nobody_waits_for(room: Room) -> None:
    here: Path = room.folder.root / "notices"
    (here / "20251101T000000Z-1.json").write_text("{}")
    (here / "99999999T999999Z-2.json").write_text("{}")
    (here / "20260131T000000Z-3.json").write_text("{}")
    assert room.store.sweep() == 1
    assert room.files() == ["20260131T000000Z-3.json", "99999999T999999Z-2.json"]
    for number in range(10, 10 + MOST):
        (here / f"20260131T000001Z-{number}.json").write_text("{}")
    room.run(2)
    assert len(room.files()) == MOST + 1
    assert "20260131T000000Z-3.json" not in room.files()
    room.clock.jump(OLDEST.days + 1)
    room.run(3600)
    assert room.files() == ["99999999T999999Z-2.json"]
    assert (here / "told.json").exists()
