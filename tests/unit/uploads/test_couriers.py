"""All targets together: a worker for each, and the test button."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.errors import UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.upload import CourierState, Outgoing, UploadKind
from appliance.security.vault import Vault, new_key
from appliance.settings.parse import parse
from appliance.settings.schema import Settings
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads.couriers import Couriers
from appliance.uploads.factory import Safe, Supplies
from appliance.uploads.mail import MailTarget
from appliance.uploads.port import Sender
from appliance.uploads.sftp import SftpTarget

ONE = {"id": "target01", "kind": "sftp", "title": "One", "host": "127.0.0.1", "port": 1, "user": "ada"}
TWO = {**ONE, "id": "target02", "title": "Two"}


class Room:
    """Couriers on a real queue; nothing listens on port 1."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock, vault = SystemClock(), Vault([new_key()])
        self.settings: Published[Settings] = Published(Settings())
        self.queue, self.board = UploadQueue(database, clock), HealthBoard(clock)
        self.couriers = Couriers(
            settings=self.settings,
            queue=self.queue,
            path_of=folder.joinpath,
            supplies=Supplies(
                safe=Safe(CredentialStore(database, clock), lambda: vault),
                frame_of=lambda _name: None,
                sender=lambda: Sender("7Q2M9KD4", "My sky", "0.1.0"),
            ),
            board=self.board,
            clock=clock,
        )

    def have(self, *targets: dict[str, object]) -> None:
        self.settings.publish(parse({"targets": list(targets)}))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    database = Database(tmp_path, SystemClock())
    database.open()
    yield Room(database, tmp_path)
    database.close()


def test_each_target_has_a_worker_of_its_own_while_it_is_in_the_settings(room: Room) -> None:
    assert room.couriers.specs() == ()
    room.have(ONE, TWO)
    first, second = room.couriers.specs()
    assert (first.name, second.name) == ("upload target01", "upload target02")
    room.have({**ONE, "title": "Other"}, TWO)
    assert room.couriers.specs() == (first, second), "changed settings reach the worker that runs"
    room.have(TWO)
    assert room.couriers.specs() == (second,)
    room.have(ONE, TWO)
    assert room.couriers.specs()[0] is not first, "one that was told to end is not used again"


def test_the_worker_of_a_target_serves_its_queue(room: Room, tmp_path: Path) -> None:
    room.have(ONE)
    (tmp_path / "a.jpg").write_bytes(b"sky")
    room.queue.add([Outgoing("target01", UploadKind.PICTURE, "a.jpg", "a.jpg")])
    (spec,) = room.couriers.specs()
    service = spec.make(lambda: None)
    service.open()
    service.step()
    courier = room.couriers.courier("target01")
    assert (courier.state, courier.message.split(",")[0]) == (CourierState.PAUSED, "The computer is there")
    assert room.queue.summary("target01").waiting == 1
    service.close()


def test_the_test_button_says_what_is_wrong(room: Room) -> None:
    room.have({**ONE, "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQ0kR7XbK7PLrDfZ7MNjB9bV0mC7D0n1mQ3jI3C0xQ3"})
    assert room.couriers.checked("target01") is None
    service = room.couriers.tester.make(lambda: None)
    room.couriers.check("target01")
    running = room.couriers.checked("target01")
    assert running is not None
    assert running.is_running
    service.step()
    checked = room.couriers.checked("target01")
    assert checked is not None
    assert (checked.is_running, checked.fault) == (False, Fault.PORT)
    room.couriers.forget_check("target01")
    assert room.couriers.checked("target01") is None


def test_a_test_whose_file_is_refused_says_why(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: SftpTarget) -> None:
        raise UploadRefusedError("names of this length are not taken")

    monkeypatch.setattr(SftpTarget, "check", refuse)
    room.have(ONE)
    room.couriers.check("target01")
    room.couriers.tester.make(lambda: None).step()
    checked = room.couriers.checked("target01")
    assert checked is not None
    assert (checked.fault, checked.message) == (Fault.RIGHT, "names of this length are not taken")


def test_a_test_that_went_well_says_what_it_has_done(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MailTarget, "check", lambda _: None)
    mail: dict[str, object] = {
        "id": "target01",
        "kind": "mail",
        "title": "Me",
        "host": "127.0.0.1",
        "sender": "a@b.example",
        "recipients": "a@b.example",
    }
    room.have(mail)
    room.couriers.check("target01")
    room.couriers.tester.make(lambda: None).step()
    checked = room.couriers.checked("target01")
    assert checked is not None
    assert (checked.fault, checked.message) == (None, "A test mail was handed over. Look whether it has arrived.")


def test_a_target_that_is_gone_cannot_be_tested_and_says_so(room: Room) -> None:
    room.couriers.check("target01")
    room.couriers.tester.make(lambda: None).step()
    checked = room.couriers.checked("target01")
    assert checked is not None
    assert "removed" in checked.message


def test_after_a_crash_nothing_stays_on_its_way_and_no_queue_is_an_orphan(room: Room) -> None:
    room.have(ONE)
    room.queue.add(Outgoing(target, UploadKind.PICTURE, "a.jpg", "a.jpg") for target in ("target01", "target02"))
    assert room.queue.claim("target01") is not None
    assert room.queue.claim("target01") is None
    room.couriers.open()
    assert room.queue.claim("target01") is not None
    assert room.queue.claim("target02") is None


def test_no_library_of_a_target_is_loaded_before_there_is_one(project: Path) -> None:
    libraries = ("botocore", "paramiko", "paho", "appliance.uploads.s3")
    code = f"import sys, appliance.compose; print([name in sys.modules for name in {libraries!r}])"
    found = subprocess.run([sys.executable, "-c", code], cwd=project, check=True, capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "[False, False, False, True]"
