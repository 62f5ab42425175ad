"""WebDAV against a real server: every byte, every fault by its name, no certificate but a trusted one."""

import io
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.domain.errors import StoppedError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.settings.targets import WebMethod
from appliance.uploads import http
from appliance.uploads.faults import DEADLINE_S
from appliance.uploads.webdav import WebPlace, WebTarget
from tests.integration.uploads.certificates import Authority, Issued, self_signed
from tests.integration.uploads.davd import PASSWORD, USER, Davd, davd
from tests.integration.uploads.many import files_of, send_through_a_storm

pytestmark = pytest.mark.timeout(300)


@dataclass
class Site:
    """A server with its folder and the authority that signed for it."""

    server: Davd
    there: Path
    authority: Authority
    issued: Issued
    place: WebPlace

    def found(self) -> dict[str, bytes]:
        return {path.relative_to(self.there).as_posix(): path.read_bytes() for path in self.there.rglob("*") if path.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    there = tmp_path / "there"
    (there / "sky").mkdir(parents=True)
    authority = Authority(tmp_path)
    issued = authority.issue("server", "127.0.0.1")
    with davd(there, issued) as server:
        place = WebPlace(f"{server.address}sky/", WebMethod.WEBDAV, USER, authority.pem, Secret(PASSWORD))
        yield Site(server, there, authority, issued, place)


def fault_of(place: WebPlace) -> UploadError:
    began_s = time.monotonic()
    with closing(WebTarget(place)) as target, pytest.raises(UploadError) as caught:
        target.check()
    assert time.monotonic() - began_s < 4 * DEADLINE_S
    return caught.value


def fault_of_sending(place: WebPlace, name: str = "a.jpg") -> UploadError:
    with closing(WebTarget(place)) as target, pytest.raises(UploadError) as caught:
        send(target, name, b"sky")
    return caught.value


def send(target: WebTarget, name: str, data: bytes) -> list[int]:
    seen: list[int] = []
    target.deliver(io.BytesIO(data), len(data), name, seen.append)
    return seen


def send_again(target: WebTarget, name: str, data: bytes) -> None:
    """Send until it arrives, as the queue does: a server may still be writing what came before the line was cut."""
    give_up_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            send(target, name, data)
        except UploadError as error:
            if error.fault is not Fault.BROKEN or time.monotonic() > give_up_s:
                raise
            time.sleep(0.2)
        else:
            return


@pytest.mark.parametrize("method", [WebMethod.WEBDAV, WebMethod.PUT])
def test_files_stand_there_whole_under_their_names(site: Site, method: WebMethod) -> None:
    chance = random.Random(1)
    sizes = {"a.jpg": 0, "b c.jpg": 1, "2026-01-31/x.jpg": http.CHUNK, "2026-01-31/y.mp4": 3_000_001}
    if method is WebMethod.PUT:
        sizes = {name: size for name, size in sizes.items() if "/" not in name}
    files = {name: chance.randbytes(size) for name, size in sizes.items()}
    with closing(WebTarget(replace(site.place, method=method))) as target:
        for name, data in files.items():
            seen = send(target, name, data)
            assert seen == sorted(seen)
            assert not data or seen[-1] == len(data)
        send(target, "a.jpg", b"new")  # what lay there is replaced
    assert site.found() == {f"sky/{name}": data for name, data in {**files, "a.jpg": b"new"}.items()}


def test_the_test_button_leaves_nothing(site: Site) -> None:
    with closing(WebTarget(site.place)) as target:
        target.check()
    assert site.found() == {}


def test_login_path_right_and_name(site: Site) -> None:
    assert fault_of(replace(site.place, password=Secret("wrong"))).fault is Fault.LOGIN
    assert fault_of(replace(site.place, password=None)).fault is Fault.LOGIN
    assert fault_of(replace(site.place, token=Secret("wrong"))).fault is Fault.LOGIN
    assert fault_of(replace(site.place, address=f"{site.server.address}typo/")).fault is Fault.PATH
    assert fault_of(replace(site.place, address="https://no-such-name.invalid/")).fault is Fault.NAME
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert fault_of(replace(site.place, address=f"https://127.0.0.1:{port}/")).fault is Fault.PORT
    site.server.kill()
    with davd(site.there, site.issued, port=site.server.port, is_read_only=True):
        assert fault_of(site.place).fault is Fault.RIGHT
    assert site.found() == {}


def test_a_host_that_swallows_everything(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        assert fault_of(replace(site.place, address=f"https://127.0.0.1:{hole.getsockname()[1]}/")).fault is Fault.SILENT


def test_a_folder_that_does_not_exist_is_not_made(site: Site) -> None:
    wrong = replace(site.place, address=f"{site.server.address}typo/")
    assert fault_of_sending(wrong, "2026-01-31/a.jpg").fault is Fault.PATH
    assert site.found() == {}


def test_no_certificate_but_a_trusted_one(site: Site, tmp_path: Path) -> None:
    shown = fault_of(replace(site.place, certificate=""))
    assert (shown.fault, shown.shown) == (Fault.CERTIFICATE, site.issued.pem)
    assert fault_of(replace(site.place, certificate=Authority(tmp_path).pem)).fault is Fault.CERTIFICATE
    assert "PUT" not in site.server.log.read_text()
    assert "PROPFIND" not in site.server.log.read_text()


@pytest.mark.parametrize("what", ["name", "ended"])
def test_a_certificate_of_the_right_authority_for_another_name_or_time(site: Site, what: str) -> None:
    site.server.kill()
    wrong = site.authority.issue("wrong", "127.0.0.1" if what == "ended" else "other.example", ended=what == "ended")
    with davd(site.there, wrong, port=site.server.port) as server:
        error = fault_of(site.place)
        assert (error.fault, error.shown) == (Fault.CERTIFICATE, wrong.pem)
        assert "PROPFIND" not in server.log.read_text()


def test_a_pinned_certificate_is_taken_whatever_its_name_and_no_other(site: Site, tmp_path: Path) -> None:
    site.server.kill()
    own = self_signed(tmp_path, "own", "attic.local")
    pinned = replace(site.place, certificate=own.pem)
    with davd(site.there, own, port=site.server.port), closing(WebTarget(pinned)) as target:
        send(target, "a.jpg", b"sky")
    other = self_signed(tmp_path, "other", "attic.local")
    with davd(site.there, other, port=site.server.port) as server:
        error = fault_of(pinned)
        assert (error.fault, error.shown) == (Fault.CERTIFICATE, other.pem)
        assert "PROPFIND" not in server.log.read_text()
    assert site.found() == {"sky/a.jpg": b"sky"}


def test_a_stop_in_mid_transfer_leaves_no_file_under_its_name(site: Site) -> None:
    def stop(sent: int) -> None:
        if sent > 500_000:
            raise StoppedError("the appliance stops")

    with closing(WebTarget(site.place)) as target, pytest.raises(StoppedError):
        target.deliver(io.BytesIO(bytes(2_000_000)), 2_000_000, "film.mp4", stop)
    assert "sky/film.mp4" not in site.found()
    with closing(WebTarget(site.place)) as target:
        send_again(target, "film.mp4", b"whole")
    assert site.found()["sky/film.mp4"] == b"whole"


def test_500_files_arrive_whole_once_though_the_server_is_killed_at_random(tmp_path: Path, site: Site) -> None:
    chance = random.Random(3)
    files = files_of(chance)
    site.server.kill()
    port = site.server.port
    send_through_a_storm(tmp_path, files, lambda: WebTarget(site.place), lambda: davd(site.there, site.issued, port=port), chance)
    assert {name.removeprefix("sky/"): data for name, data in site.found().items()} == files


class Scripted:
    """A TLS server that answers each request with what the test says, and remembers what it was sent."""

    def __init__(self, issued: Issued, answer: bytes, *, drip_s: float = 0.0) -> None:
        self._answer, self._drip_s = answer, drip_s
        self.received = b""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        self._context, self._listener = context, socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._listener.getsockname()[1]}/upload.php"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(20)

    def _serve(self) -> None:
        try:
            plain, _ = self._listener.accept()
            with self._context.wrap_socket(plain, server_side=True) as client:
                client.settimeout(1)
                try:
                    while piece := client.recv(65536):
                        self.received += piece
                except TimeoutError:
                    pass
                for begin in range(0, len(self._answer), 1 if self._drip_s else len(self._answer)):
                    client.sendall(self._answer[begin : begin + (1 if self._drip_s else len(self._answer))])
                    time.sleep(self._drip_s)
        except OSError:
            return  # the client has had enough


def test_a_form_has_the_name_and_the_file(site: Site) -> None:
    data = random.Random(4).randbytes(100_000)
    with closing(Scripted(site.issued, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")) as server:
        place = replace(site.place, address=server.address, method=WebMethod.POST, token=Secret("sesame"))
        with closing(WebTarget(place)) as target:
            assert send(target, "2026-01-31/a.jpg", data)[-1] == len(data)
    head, _, body = server.received.partition(b"\r\n\r\n")
    assert b"POST /upload.php HTTP/1.1" in head
    assert b"Authorization: Bearer sesame" in head
    length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")).split()[1])
    assert len(body) == length
    boundary = next(line for line in head.split(b"\r\n") if b"boundary=" in line).partition(b"boundary=")[2]
    _, name, file, end = body.split(b"--" + boundary)
    assert name.endswith(b'name="name"\r\n\r\n2026-01-31/a.jpg\r\n')
    assert file.partition(b"\r\n\r\n")[2] == data + b"\r\n"
    assert end == b"--\r\n"


@pytest.mark.parametrize(
    ("status", "fault"),
    [(b"401 no", Fault.LOGIN), (b"403 no", Fault.RIGHT), (b"404 no", Fault.PATH), (b"302 moved", Fault.PATH),
     (b"507 full", Fault.FULL), (b"503 later", Fault.BROKEN)],
)  # fmt: skip
def test_what_a_server_says_becomes_a_fault_and_no_redirect_is_followed(site: Site, status: bytes, fault: Fault) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with closing(Scripted(site.issued, answer)) as server:
        error = fault_of_sending(replace(site.place, address=server.address, method=WebMethod.PUT))
    assert error.fault is fault


def test_a_file_that_is_not_taken_is_refused_alone(site: Site) -> None:
    with closing(Scripted(site.issued, b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n")) as server:
        place = replace(site.place, address=server.address, method=WebMethod.PUT)
        with closing(WebTarget(place)) as target, pytest.raises(UploadRefusedError):
            send(target, "a.jpg", b"sky")


def test_an_answer_that_drips_is_no_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_S", 3.0)
    answer = b"HTTP/1.1 201 Created\r\n" + b"X-Slow: 1\r\n" * 50
    with closing(Scripted(site.issued, answer, drip_s=0.2)) as server:
        began_s = time.monotonic()
        error = fault_of_sending(replace(site.place, address=server.address, method=WebMethod.PUT))
        assert time.monotonic() - began_s < 15
    assert error.fault is Fault.SILENT
