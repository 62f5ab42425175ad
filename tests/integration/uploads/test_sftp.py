"""SFTP against a real OpenSSH server: every byte, every fault by its name, and no wait without an end."""

import io
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.domain.errors import InputError, StoppedError, UploadError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.uploads.faults import DEADLINE_S
from appliance.uploads.sftp import CHUNK, SftpPlace, SftpTarget, fingerprint, host_key_of, key_of_line
from tests.integration.uploads.sshd import Sshd, make_keys, sshd

pytestmark = [pytest.mark.needs("/usr/sbin/sshd", "ssh-keygen"), pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    (tmp_path / "ssh").mkdir()
    make_keys(tmp_path / "ssh")
    with sshd(tmp_path / "ssh") as running:
        yield running


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def place_of(server: Sshd, folder: Path) -> SftpPlace:
    return SftpPlace("127.0.0.1", server.port, server.user, str(folder), server.host_key, private_key=Secret(server.client_key))


@pytest.fixture
def place(server: Sshd, there: Path) -> SftpPlace:
    return place_of(server, there)


def send(target: SftpTarget, name: str, data: bytes) -> list[int]:
    seen: list[int] = []
    target.deliver(io.BytesIO(data), len(data), name, seen.append)
    return seen


def fault_of(place: SftpPlace) -> UploadError:
    """Return what the test button says; it must not take longer than a few deadlines."""
    target = SftpTarget(place)
    began_s = time.monotonic()
    with pytest.raises(UploadError) as caught:
        target.check()
    target.close()
    assert time.monotonic() - began_s < 4 * DEADLINE_S
    return caught.value


def test_files_stand_there_whole_under_their_names(place: SftpPlace, there: Path) -> None:
    chance = random.Random(1)
    files = {
        f"2026-01-{day:02}/frames/{number}.jpg": chance.randbytes(size)
        for day in (30, 31)
        for number, size in enumerate((0, 1, CHUNK, 3_000_001))
    }
    target = SftpTarget(place)
    for name, data in files.items():
        seen = send(target, name, data)
        assert seen == sorted(seen)
        assert seen[-1:] == ([len(data)] if data else [])
    target.close()
    found = {path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*") if path.is_file()}
    assert found == files


def test_what_lay_there_is_replaced(place: SftpPlace, there: Path) -> None:
    target = SftpTarget(place)
    for data in (b"old" * 1000, b"new", b""):
        send(target, "keogram.jpg", data)
        assert [(path.name, path.read_bytes()) for path in there.iterdir()] == [("keogram.jpg", data)]
    target.close()


def test_the_test_button_leaves_nothing(place: SftpPlace, there: Path) -> None:
    target = SftpTarget(place)
    target.check()
    target.close()
    assert list(there.iterdir()) == []


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_every_kind_of_key(tmp_path: Path, there: Path, kind: str) -> None:
    make_keys(tmp_path, kind)
    with sshd(tmp_path) as server:
        SftpTarget(place_of(server, there)).check()


def test_the_key_that_is_shown_for_confirmation_is_the_server_s(server: Sshd) -> None:
    shown = host_key_of("127.0.0.1", server.port)
    assert shown == server.host_key
    assert fingerprint(shown).startswith("SHA256:")


def test_without_a_confirmed_key_nothing_is_sent(server: Sshd, place: SftpPlace) -> None:
    error = fault_of(replace(place, host_key=""))
    assert (error.fault, error.shown) == (Fault.KEY, server.host_key)
    assert "Accepted" not in (server.folder / "sshd.log").read_text()


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_changed_key_stops_before_the_login(server: Sshd, place: SftpPlace, there: Path, kind: str) -> None:
    old = server.host_key
    server.kill()
    make_keys(server.folder, "ed25519")
    if kind == "rsa":
        for path in (server.folder / "host", server.folder / "host.pub"):
            path.unlink()
        make_keys(server.folder, "rsa")
    with sshd(server.folder, port=server.port) as other:
        error = fault_of(place)
        assert (error.fault, error.shown) == (Fault.KEY, other.host_key)
        assert other.host_key != old
    assert "Accepted" not in (server.folder / "sshd.log").read_text()
    assert list(there.iterdir()) == []


def test_a_wrong_key_and_a_wrong_password_are_a_refused_login(tmp_path: Path, place: SftpPlace, server: Sshd) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_keys(other)
    assert fault_of(replace(place, private_key=Secret((other / "client").read_text()))).fault is Fault.LOGIN
    assert fault_of(replace(place, private_key=None, password=Secret("wrong"))).fault is Fault.LOGIN
    server.kill()
    with sshd(server.folder, port=server.port, passwords=True):
        assert fault_of(replace(place, private_key=None, password=Secret("wrong"))).fault is Fault.LOGIN


def test_a_private_key_that_is_none(place: SftpPlace) -> None:
    error = fault_of(replace(place, private_key=Secret("-----BEGIN NONSENSE-----")))
    assert (error.fault, "Ed25519" in str(error)) == (Fault.LOGIN, True)


def test_a_name_that_nobody_has(place: SftpPlace) -> None:
    assert fault_of(replace(place, host="no-such-host.invalid")).fault is Fault.NAME


def test_a_port_where_nothing_listens(place: SftpPlace, server: Sshd) -> None:
    server.kill()
    assert fault_of(place).fault is Fault.PORT


def test_a_host_that_swallows_everything(place: SftpPlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        error = fault_of(replace(place, port=hole.getsockname()[1]))
    assert error.fault is Fault.SILENT


def test_a_folder_that_does_not_exist_is_not_made(place: SftpPlace, there: Path) -> None:
    wrong = replace(place, folder=str(there / "typo"))
    assert fault_of(wrong).fault is Fault.PATH
    target = SftpTarget(wrong)
    with pytest.raises(UploadError) as caught:
        send(target, "2026-01-31/frames/1.jpg", b"x")
    target.close()
    assert caught.value.fault is Fault.PATH
    assert list(there.iterdir()) == []


def test_a_folder_that_may_not_be_written_to(server: Sshd, place: SftpPlace, there: Path) -> None:
    server.kill()
    with sshd(server.folder, port=server.port, is_read_only=True):
        assert fault_of(place).fault is Fault.RIGHT
        target = SftpTarget(place)
        with pytest.raises(UploadError) as caught:
            send(target, "a.jpg", b"sky")
        target.close()
        assert caught.value.fault is Fault.RIGHT
    assert list(there.iterdir()) == []


def test_a_full_disk(server: Sshd, place: SftpPlace, there: Path) -> None:
    server.kill()
    with sshd(server.folder, port=server.port, file_limit_kib=64):
        target = SftpTarget(place)
        target.check()
        with pytest.raises(UploadError) as caught:
            send(target, "film.mp4", bytes(1_000_000))
        target.close()
    assert caught.value.fault is Fault.FULL
    assert list(there.iterdir()) == []


def test_a_server_killed_in_mid_transfer_leaves_no_half_file_under_the_name(server: Sshd, place: SftpPlace, there: Path) -> None:
    target = SftpTarget(place)
    data = random.Random(2).randbytes(20_000_000)

    def progress(sent: int) -> None:
        if sent == 320 * CHUNK:
            server.kill()

    with pytest.raises(UploadError) as caught:
        target.deliver(io.BytesIO(data), len(data), "film.mp4", progress)
    assert caught.value.fault in {Fault.BROKEN, Fault.SILENT}
    assert not (there / "film.mp4").exists()
    target.close()
    with sshd(server.folder, port=server.port):
        send(target, "film.mp4", data)
        target.close()
    assert [(path.name, path.read_bytes() == data) for path in there.iterdir()] == [("film.mp4", True)]


def test_a_network_that_goes_silent_in_mid_transfer_is_given_up(server: Sshd, place: SftpPlace, there: Path) -> None:
    stopped = threading.Event()

    def progress(sent: int) -> None:
        if sent == 32 * CHUNK:
            stopped.set()

    with _relay(server.port, stopped) as port:
        target = SftpTarget(replace(place, port=port))
        began_s = time.monotonic()
        with pytest.raises(UploadError) as caught:
            target.deliver(io.BytesIO(bytes(50_000_000)), 50_000_000, "film.mp4", progress)
        target.close()
    assert time.monotonic() - began_s < 6 * DEADLINE_S
    assert caught.value.fault in {Fault.SILENT, Fault.BROKEN}
    assert not (there / "film.mp4").exists()


def test_a_stop_ends_it_at_once_and_the_next_try_is_whole(place: SftpPlace, there: Path) -> None:
    target = SftpTarget(place)
    data = random.Random(3).randbytes(2_000_000)

    def progress(sent: int) -> None:
        if sent >= 10 * CHUNK:
            raise StoppedError("now")

    with pytest.raises(StoppedError):
        target.deliver(io.BytesIO(data), len(data), "1.jpg", progress)
    target.close()
    assert not (there / "1.jpg").exists()
    send(target, "1.jpg", data)
    target.close()
    assert [(path.name, path.read_bytes()) for path in there.iterdir()] == [("1.jpg", data)]


@pytest.mark.parametrize("line", ["", "nonsense", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa !!!!", "[host]:22 ssh-ed25519 x"])
def test_what_is_no_host_key_is_refused_with_an_example(line: str) -> None:
    with pytest.raises(InputError, match="looks like"):
        key_of_line(line)


class _relay:  # noqa: N801 - used as a context
    """Hands bytes on to a port until an event; from then on it swallows everything."""

    def __init__(self, port: int, stopped: threading.Event) -> None:
        self._port, self._stopped = port, stopped
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> int:
        self._start(self._accept)
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.close()
        for each in self._open:
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        try:
            near, _ = self._server.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", self._port))
        self._open += [near, far]
        for one, other in ((near, far), (far, near)):
            one.settimeout(0.2)
            self._start(self._copy, one, other)

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                piece = one.recv(1 << 16)
                if not piece:
                    return
                other.sendall(piece)
            except TimeoutError:
                continue
            except OSError:
                return


def test_a_server_that_says_nothing_after_the_login_is_not_waited_for(tmp_path: Path, there: Path) -> None:
    make_keys(tmp_path)
    with sshd(tmp_path, is_mute=True) as server:
        assert fault_of(place_of(server, there)).fault is Fault.SILENT
        assert "Accepted publickey" in (tmp_path / "sshd.log").read_text()
