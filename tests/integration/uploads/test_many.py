"""Many files through a server that dies again and again: each stands there whole under its name, once."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.secret import Secret
from appliance.domain.upload import Courier, CourierState, Outgoing, UploadKind
from appliance.store.database import Database
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads.pace import QuietHours
from appliance.uploads.service import Rules, UploadService
from appliance.uploads.sftp import SftpPlace, SftpTarget
from tests.integration.uploads.sshd import Sshd, make_keys, sshd

pytestmark = [pytest.mark.needs("/usr/sbin/sshd", "ssh-keygen"), pytest.mark.timeout(600)]
FILES = 500


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "ssh").mkdir()
    make_keys(tmp_path / "ssh")
    return tmp_path / "ssh"


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[UploadQueue]:
    (tmp_path / "data").mkdir()
    database = Database(tmp_path / "data", SystemClock())
    database.open()
    yield UploadQueue(database, SystemClock())
    database.close()


def test_500_files_arrive_whole_once_though_the_server_is_killed_at_random(
    tmp_path: Path, keys: Path, queue: UploadQueue
) -> None:
    chance = random.Random(5)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    files = {
        f"2026-01-{1 + number // 50:02}/{number}.jpg": chance.randbytes(chance.choice((0, 1, 500, 70_000)))
        for number in range(FILES)
    }
    for number, data in enumerate(files.values()):
        (here / str(number)).write_bytes(data)
    queue.add(Outgoing("there", UploadKind.PICTURE, str(number), name) for number, name in enumerate(files))
    with sshd(keys) as first:
        port, user = first.port, first.user
        place = SftpPlace("127.0.0.1", port, user, str(there), first.host_key, private_key=Secret(first.client_key))
    service = service_of(queue, here, place, chance)
    done, killed = threading.Event(), list[Sshd]()

    def torment() -> None:
        """Let the server live for a moment, kill it with all it serves, start it again on the same port."""
        while not done.is_set():
            with sshd(keys, port=port) as server:
                if len(killed) < 15:
                    done.wait(chance.uniform(0.3, 1.5))
                    server.kill()
                    killed.append(server)
                else:
                    done.wait(300)
            done.wait(chance.uniform(0, 0.3))

    tormentor = threading.Thread(target=torment)
    tormentor.start()
    try:
        with closing(service):
            deadline = time.monotonic() + 400
            while queue.summary("there").waiting:
                assert time.monotonic() < deadline, queue.summary("there")
                service.step()
    finally:
        done.set()
        tormentor.join(60)
    found = {path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*") if path.is_file()}
    left_over = {name for name in found if name.rpartition("/")[2].startswith(".")}
    assert {name: data for name, data in found.items() if name not in left_over} == files
    assert left_over == set()
    summary = queue.summary("there")
    assert (summary.arrived, summary.refused, summary.dropped) == (FILES, 0, 0)
    assert len(killed) >= 3, "the server lived too well"


def service_of(queue: UploadQueue, here: Path, place: SftpPlace, chance: random.Random) -> UploadService:
    """Return a courier whose pauses are a hundredth of the true ones."""
    clock = Hurried()
    return UploadService(
        target_id="there",
        queue=queue,
        open_file=lambda name: (here / name).open("rb"),
        make_target=lambda: SftpTarget(place),
        rules=lambda: Rules("there", is_on=True, bytes_per_s=0, quiet=QuietHours(*[clock.now().min.time()] * 2), revision=1),
        local_time=lambda moment: moment,
        commands=Mailbox("retry", 1),
        published=Published(Courier(CourierState.IDLE)),
        board=HealthBoard(clock),
        clock=clock,
        beat=lambda: None,
        is_stopping=lambda: False,
        chance=chance,
    )


class Hurried(SystemClock):
    """A hundred seconds in one."""

    def monotonic(self) -> float:
        return 100 * super().monotonic()


def test_a_server_that_was_away_for_six_hours_gets_everything_in_order(tmp_path: Path, keys: Path, queue: UploadQueue) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for number in range(360):  # one a minute
        (here / str(number)).write_bytes(b"%d" % number)
        queue.add([Outgoing("there", UploadKind.PICTURE, str(number), f"{number:03}.jpg")])
    with sshd(keys) as server:
        assert isinstance(server, Sshd)
        place = SftpPlace(
            "127.0.0.1", server.port, server.user, str(there), server.host_key, private_key=Secret(server.client_key)
        )
        order: list[str] = []
        with closing(service_of(queue, here, place, random.Random(1))) as service:
            while queue.summary("there").waiting:
                service.step()
                order.append(queue.summary("there").last_name)
    assert order == ["359.jpg", *(f"{number:03}.jpg" for number in range(359))]
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {f"{n:03}.jpg": b"%d" % n for n in range(360)}
