"""The queue of uploads: who goes next, what is counted, what a crash leaves."""

import pytest

from appliance.domain.upload import Outgoing, Upload, UploadKind, UploadState
from appliance.store import uploads
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.uploads import UploadQueue
from tests.unit.store.conftest import MovableClock

ROOF, CLUB = "roof", "club"


@pytest.fixture
def queue(database: Database, clock: MovableClock) -> UploadQueue:
    return UploadQueue(database, clock)


def picture(number: int, target: str = ROOF) -> Outgoing:
    return Outgoing(target, UploadKind.PICTURE, f"nights/2026-01-31/frames/{number}.jpg", f"2026-01-31/{number}.jpg")


def product(name: str, kind: UploadKind = UploadKind.PRODUCT) -> Outgoing:
    return Outgoing(ROOF, kind, f"nights/2026-01-31/products/{name}", f"2026-01-31/{name}")


def claimed(queue: UploadQueue, target: str = ROOF) -> Upload:
    upload = queue.claim(target)
    assert upload is not None
    return upload


def names(queue: UploadQueue, target: str = ROOF) -> list[str]:
    """Return the names in the order in which they arrive."""
    found = []
    while (upload := queue.claim(target)) is not None:
        found.append(upload.outgoing.name.rpartition("/")[2])
        queue.arrived(upload, 10)
    return found


def test_the_newest_picture_goes_first_then_films_then_the_backlog(queue: UploadQueue) -> None:
    queue.add([picture(1), picture(2), product("night.mp4", UploadKind.FILM), product("keogram.jpg"), picture(3), picture(4)])
    assert names(queue) == ["4.jpg", "night.mp4", "keogram.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_a_picture_that_comes_meanwhile_overtakes(queue: UploadQueue) -> None:
    queue.add([picture(number) for number in range(4)])
    queue.arrived(claimed(queue), 1)
    assert claimed(queue).outgoing == picture(0)
    queue.add([picture(9)])
    assert claimed(queue).outgoing == picture(9)


def test_targets_do_not_see_each_other(queue: UploadQueue) -> None:
    queue.add([picture(1), picture(1, CLUB)])
    assert names(queue) == ["1.jpg"]
    assert queue.summary(CLUB).waiting == 1
    assert names(queue, CLUB) == ["1.jpg"]


def test_what_failed_goes_behind_what_did_not(queue: UploadQueue) -> None:
    queue.add([picture(1), picture(2), product("keogram.jpg")])
    first = claimed(queue)
    assert first.outgoing == picture(2)
    queue.put_back(first, "The connection broke.")
    second = claimed(queue)
    assert second.outgoing.kind is UploadKind.PRODUCT
    queue.put_back(second, "The connection broke.")
    assert claimed(queue).outgoing == picture(1)
    again = claimed(queue)
    assert (again.outgoing, again.tries, again.message) == (picture(2), 1, "The connection broke.")


def test_a_stop_is_no_failure(queue: UploadQueue) -> None:
    queue.add([picture(1)])
    queue.put_back(claimed(queue), "", is_counted=False)
    assert claimed(queue).tries == 0


def test_what_is_saved_again_waits_once_and_goes_again_if_it_was_on_its_way(queue: UploadQueue) -> None:
    queue.add([product("keogram.jpg")])
    queue.add([product("keogram.jpg")])
    assert queue.summary(ROOF).waiting == 1
    upload = claimed(queue)
    queue.add([product("keogram.jpg")])
    assert queue.claim(ROOF) is None, "one at a time under one name"
    queue.arrived(upload, 5)
    queue.arrived(claimed(queue), 6)
    assert queue.claim(ROOF) is None
    summary = queue.summary(ROOF)
    assert (summary.waiting, summary.arrived, summary.arrived_bytes) == (0, 2, 11)


def test_a_refusal_waits_for_a_person(queue: UploadQueue, clock: MovableClock) -> None:
    queue.add([picture(1), picture(2)])
    queue.refuse(claimed(queue), "The disk of the target is full.")
    assert names(queue) == ["1.jpg"]
    (refused,) = queue.refused(ROOF)
    assert (refused.outgoing, refused.state, refused.message) == (
        picture(2),
        UploadState.REFUSED,
        "The disk of the target is full.",
    )
    summary = queue.summary(ROOF)
    assert (summary.waiting, summary.refused, summary.last_name, summary.last_at) == (0, 1, "2026-01-31/1.jpg", clock.now())
    assert queue.retry(ROOF) == 1
    assert names(queue) == ["2.jpg"]


def test_a_refused_file_that_is_saved_again_is_tried_again(queue: UploadQueue) -> None:
    queue.add([product("keogram.jpg")])
    queue.refuse(claimed(queue), "no")
    queue.add([product("keogram.jpg")])
    assert names(queue) == ["keogram.jpg"]


def test_a_full_queue_lets_the_oldest_pictures_go_and_says_so(queue: UploadQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_PER_TARGET", 5)
    queue.add([product("night.mp4", UploadKind.FILM), *(picture(number) for number in range(4))])
    on_its_way = claimed(queue)
    assert on_its_way.outgoing == picture(3)
    queue.add([picture(number) for number in range(4, 8)])
    summary = queue.summary(ROOF)
    assert (summary.waiting, summary.dropped) == (5, 4)
    queue.arrived(on_its_way, 1)
    assert sorted(names(queue)) == ["5.jpg", "6.jpg", "7.jpg", "night.mp4"]


def test_a_file_that_is_gone_and_a_cleared_queue_are_counted(queue: UploadQueue) -> None:
    queue.add([picture(number) for number in range(5)])
    queue.drop(claimed(queue))
    on_its_way = claimed(queue)
    assert queue.clear(ROOF) == 3
    assert queue.summary(ROOF).dropped == 4
    queue.arrived(on_its_way, 1)
    assert queue.summary(ROOF).arrived == 1


def test_a_crash_forgets_nothing(queue: UploadQueue, database: Database, folder: DataFolder, clock: MovableClock) -> None:
    queue.add([picture(1), picture(2)])
    claimed(queue)
    database.close()
    again = Database(folder.root, clock)
    again.open()
    left = UploadQueue(again, clock)
    assert left.put_back_running() == 1
    assert names(left) == ["1.jpg", "2.jpg"]
    again.close()


def test_a_frame_and_its_uploads_are_one_transaction(queue: UploadQueue, database: Database) -> None:
    def cut_short() -> None:
        with database.write() as db:
            queue.add_within(db, [picture(1)])
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cut_short()
    assert queue.summary(ROOF).waiting == 0


def test_a_removed_target_leaves_nothing(queue: UploadQueue) -> None:
    queue.add([picture(1), picture(1, CLUB)])
    names(queue)
    queue.keep_only([CLUB])
    assert (queue.summary(ROOF).arrived, queue.summary(CLUB).waiting) == (0, 1)


def test_notices_go_before_everything_in_their_order(queue: UploadQueue) -> None:
    def notice(number: int) -> Outgoing:
        return Outgoing(ROOF, UploadKind.NOTICE, f"notices/{number}.json", f"notices/{number}.json")

    queue.add([product("keogram.jpg"), picture(1), notice(1), picture(2), notice(2), notice(3)])
    broken = claimed(queue)
    assert broken.outgoing.name == "notices/1.json"
    queue.put_back(broken, "broke")
    assert names(queue) == ["2.json", "3.json", "2.jpg", "keogram.jpg", "1.jpg", "1.json"]
