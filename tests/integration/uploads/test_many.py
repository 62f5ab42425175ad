"""Through SSH: 500 files past a server that is killed at random, and six hours without any."""

import random
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.domain.secret import Secret
from appliance.settings.parse import parse
from appliance.store.database import Database
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Published
from appliance.uploads import service as module
from appliance.uploads.pace import FIRST_S, LONGEST_S
from appliance.uploads.sftp import SftpPlace, SftpTarget
from tests.integration.uploads.many import TARGET, courier_of, files_of, send_through_a_storm
from tests.integration.uploads.sshd import make_keys, sshd
from tests.unit.store.conftest import MovableClock

pytestmark = [pytest.mark.needs("/usr/sbin/sshd", "ssh-keygen"), pytest.mark.timeout(600)]

NIGHT = NightId("2026-01-31")
MINUTES = 360


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "ssh").mkdir()
    make_keys(tmp_path / "ssh")
    return tmp_path / "ssh"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.fixture
def place(keys: Path, there: Path) -> SftpPlace:
    """Return where the server will be; it does not run yet."""
    with sshd(keys) as first:
        return SftpPlace("127.0.0.1", first.port, first.user, str(there), first.host_key, private_key=Secret(first.client_key))


def test_500_files_arrive_whole_once_though_the_server_is_killed_at_random(
    tmp_path: Path, keys: Path, there: Path, place: SftpPlace
) -> None:
    chance = random.Random(5)
    files = files_of(chance)
    send_through_a_storm(tmp_path, files, lambda: SftpTarget(place), lambda: sshd(keys, port=place.port), chance)
    assert {path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*") if path.is_file()} == files


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data")
    folder.open()
    yield folder
    folder.close()


@pytest.fixture
def database(folder: DataFolder, clock: MovableClock) -> Iterator[Database]:
    database = Database(folder.root, clock)
    database.open()
    yield database
    database.close()


def test_a_server_that_was_away_for_six_hours_gets_everything_in_order(
    keys: Path,
    there: Path,
    place: SftpPlace,
    clock: MovableClock,
    folder: DataFolder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One picture a minute is stored as the pipeline does it, while nothing listens on the server's port."""
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    queue = UploadQueue(database, clock)
    attic = {"id": TARGET, "kind": "sftp", "title": "Attic", "host": "127.0.0.1", "user": "ada", "picture_name": "{number}"}
    frames = FrameStore(database, folder, Deliveries(queue, Published(parse({"targets": [attic]}))))
    tries: list[float] = []

    def make() -> SftpTarget:
        tries.append(clock.monotonic())
        return SftpTarget(place)

    def let_a_second_pass() -> None:
        clock.run(1)
        courier.step()

    with closing(courier_of(queue, folder.root, make, random.Random(1), clock)) as courier:
        tracemalloc.start()
        after_an_hour = 0
        for minute in range(MINUTES):
            store(frames, minute, clock)
            for _ in range(60):
                let_a_second_pass()
            if minute == MINUTES // 6:
                after_an_hour = tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - after_an_hour
        tracemalloc.stop()
        assert grown < 300_000, "memory is flat"
        assert frames.count() == MINUTES, "capture goes on"
        assert queue.summary(TARGET).waiting == MINUTES
        assert list(there.iterdir()) == []
        pauses = [after - before for before, after in pairwise(tries)]
        assert FIRST_S / 2 <= pauses[0] <= FIRST_S + 1
        assert LONGEST_S / 2 <= min(pauses[8:]) <= max(pauses[8:]) <= LONGEST_S + 1
        assert len(set(pauses[8:])) > len(pauses[8:]) / 2, "with jitter"
        order: list[str] = []
        with sshd(keys, port=place.port):
            while queue.summary(TARGET).waiting:
                let_a_second_pass()
                order.append(queue.summary(TARGET).last_name)
    ids = sorted(int(path.stem) for path in there.iterdir())
    assert len(ids) == MINUTES
    assert [name for name, _ in groupby(filter(None, order))] == [f"{n}.jpg" for n in (ids[-1], *ids[:-1])]
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        f"{frame_id}.jpg": b"picture %d" % minute for minute, frame_id in enumerate(ids)
    }


def store(frames: FrameStore, minute: int, clock: MovableClock) -> None:
    frames.add(
        b"picture %d" % minute,
        b"thumb",
        night=NIGHT,
        exposure=Exposure(FrameKind.LIGHT, 12.5, 100.0, 1, None),
        started_at=clock.now(),
        width=1920,
        height=1080,
        measurement=Measurement(1234.5, 0.0),
    )
