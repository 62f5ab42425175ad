"""The TLS front with waitress behind it, met by slow, silent, greedy and wrong clients."""

import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from appliance.web.limits import Limits
from appliance.web.tls import Front
from appliance.web.waitress_side import ApplicationServer
from tests.integration.web.client import Client
from tests.integration.web.crowding import crowding
from tests.integration.web.material import self_signed

BIG = 20_000_000
HANDED_OVER, MAY_ANSWER = threading.Event(), threading.Event()
"""Of requests for what comes late: that one is with the application, and that it may be answered."""


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/big":
        start_response("200 OK", [("Content-Length", str(BIG))])
        return environ["wsgi.file_wrapper"](Path(environ["test.file"]).open("rb"))  # type: ignore[no-any-return]
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/endless":
        start_response("200 OK", [])
        return [b"a", b"b"]
    if path == "/late":
        HANDED_OVER.set()
        assert MAY_ANSWER.wait(20)
    if path == "/stream":
        start_response("200 OK", [])
        return iter(lambda: b"." if not MAY_ANSWER.wait(0.1) else b"", b"")
    if path == "/fault":
        raise RuntimeError("secret words")
    names = ("REMOTE_ADDR", "REMOTE_PORT", "HTTP_X_FORWARDED_FOR", "wsgi.url_scheme")
    text = " ".join(str(environ.get(name)) for name in names).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]


@dataclass
class Site:
    port: int
    plain_port: int
    front: Front
    folder: Path


def listener(address: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((address, 0), backlog=512)


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[[Limits], Site]]:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(BIG)
    running: list[tuple[Front, ApplicationServer]] = []

    def with_file(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return app(environ | {"test.file": str(tmp_path / "big")}, start_response)

    def make(limits: Limits) -> Site:
        server = ApplicationServer(with_file)
        server.start()
        secure, plain = listener(), listener()
        front = Front(
            self_signed(tmp_path), server.hand_over, lambda host, arrival: host in ("nightjar.local", arrival), limits=limits
        )
        site = Site(secure.getsockname()[1], plain.getsockname()[1], front, tmp_path)
        front.start([secure], [plain])
        running.append((front, server))
        return site

    yield make
    for front, server in running:
        front.stop()
        server.stop(5)


@pytest.fixture
def site(make_site: Callable[[Limits], Site]) -> Site:
    return make_site(Limits())


def timed(site: Site, source: str = "127.0.0.1") -> float:
    started = time.monotonic()
    with Client(site.port, source=source) as client:
        assert client.request("GET", "/").status == 200
    return time.monotonic() - started


def test_waitress_sees_the_true_client_address_and_no_forged_one(site: Site) -> None:
    with Client(site.port, source="127.0.0.9") as client:
        answer = client.request("GET", "/", x_forwarded_for="6.6.6.6", forwarded="for=6.6.6.6")
        assert answer.body.decode() == f"127.0.0.9 {client.port} None https"


def test_a_connection_serves_one_request_after_the_other(site: Site) -> None:
    with Client(site.port) as client:
        assert client.request("POST", "/echo", b"first").body == b"first"
        assert client.request("HEAD", "/echo").body == b""
        assert client.request("POST", "/echo", b"x" * 65536).body == b"x" * 65536


def test_requests_sent_ahead_are_answered_in_order(site: Site) -> None:
    with Client(site.port) as client:
        one = b"POST /echo HTTP/1.1\r\nhost: nightjar.local\r\ncontent-length: 1\r\n\r\n"
        client.send(one + b"1" + one + b"2" + one + b"3")
        assert [client.answer().body for _ in range(3)] == [b"1", b"2", b"3"]


def test_a_20_mb_answer_arrives_whole(site: Site) -> None:
    with Client(site.port) as client:
        assert len(client.request("GET", "/big").body) == BIG
        assert client.request("GET", "/").status == 200


def test_an_answer_without_length_ends_with_the_connection(site: Site) -> None:
    with Client(site.port) as client:
        answer = client.request("GET", "/endless")
        assert answer.headers["connection"] == "close"


def test_a_fault_of_the_application_shows_nothing_of_it(site: Site) -> None:
    with Client(site.port) as client:
        answer = client.request("GET", "/fault")
        assert answer.status == 500
        assert b"secret" not in answer.body


def test_a_body_of_a_gigabyte_is_refused_at_its_head(site: Site) -> None:
    with Client(site.port) as client:
        client.send(b"POST /echo HTTP/1.1\r\nhost: nightjar.local\r\ncontent-length: 1073741824\r\n\r\n" + b"x" * 100_000)
        assert client.answer().status == 413
        assert client.is_closed()


def test_a_chunked_body_is_refused(site: Site) -> None:
    with Client(site.port) as client:
        assert client.request("POST", "/echo", transfer_encoding="chunked").status == 411


def test_a_client_that_waits_for_leave_to_send_gets_it_or_the_refusal(site: Site) -> None:
    with Client(site.port) as client:
        client.send(b"POST /echo HTTP/1.1\r\nhost: nightjar.local\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"ok")
        assert client.answer().body == b"ok"
        client.send(b"POST /echo HTTP/1.1\r\nhost: nightjar.local\r\ncontent-length: 99999\r\nexpect: 100-continue\r\n\r\n")
        assert client.answer().status == 413


def test_a_head_that_is_too_large_is_refused(site: Site) -> None:
    with Client(site.port) as client:
        assert client.request("GET", "/", x_long="y" * 17_000).status == 431


@pytest.mark.parametrize("host", ["evil.example", "nightjar.local.evil.example", "8.8.8.8"])
def test_a_foreign_host_name_is_refused(site: Site, host: str) -> None:
    with Client(site.port) as client:
        assert client.request("GET", "/", host=host).status == 421


def test_refusals_come_as_problems_for_the_api(site: Site) -> None:
    with Client(site.port) as client:
        answer = client.request("GET", "/api/v1/latest", host="evil.example")
        assert answer.headers["content-type"] == "application/problem+json"


def plain_request(port: int, raw: bytes) -> tuple[str, str]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(raw)
        text = b""
        while piece := client.recv(4096):
            text += piece
    head = text.decode().partition("\r\n\r\n")[0]
    return head.split()[1], next((line[10:] for line in head.split("\r\n") if line.startswith("Location: ")), "")


@pytest.mark.parametrize(
    ("raw", "status", "location"),
    [
        (b"GET /a?b=c HTTP/1.1\r\nhost: nightjar.local\r\n\r\n", "308", "https://nightjar.local/a?b=c"),
        (b"POST / HTTP/1.1\r\nhost: nightjar.local:80\r\n\r\n", "308", "https://nightjar.local/"),
        (b"GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n", "308", "https://127.0.0.1/"),
        (b"GET //evil.example HTTP/1.1\r\nhost: nightjar.local\r\n\r\n", "308", "https://nightjar.local//evil.example"),
        (b"GET / HTTP/1.0\r\n\r\n", "308", "https://127.0.0.1/"),
        (b"GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n", "400", ""),
        (b"nonsense\r\n\r\n", "400", ""),
    ],
)
def test_port_80_only_leads_to_ourselves(site: Site, raw: bytes, status: str, location: str) -> None:
    assert plain_request(site.plain_port, raw) == (status, location)


def test_a_hundred_silent_clients_delay_nobody(site: Site) -> None:
    silent = [Client(site.port) for _ in range(100)]
    without_handshake = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(100)]
    assert timed(site) < 1.0
    for client in silent:
        client.close()
    for plain in without_handshake:
        plain.close()


def test_slow_heads_and_bodies_delay_nobody_and_are_cut_off(make_site: Callable[[Limits], Site]) -> None:
    site = make_site(replace(Limits(), head_s=2.0, body_s=2.0))
    heads = [Client(site.port) for _ in range(50)]
    bodies = [Client(site.port) for _ in range(50)]
    for client in bodies:
        client.send(b"POST /echo HTTP/1.1\r\nhost: nightjar.local\r\ncontent-length: 60000\r\n\r\n")
    deadline = time.monotonic() + 4.0
    while time.monotonic() < deadline:
        for client in (*heads, *bodies):
            try:
                client.send(b"x")
            except OSError:
                deadline = 0.0
        assert timed(site) < 1.0
    for client in (*heads, *bodies):
        assert client.answer().status == 408
        client.close()


def test_a_reader_that_takes_nothing_is_cut_off(make_site: Callable[[Limits], Site]) -> None:
    site = make_site(replace(Limits(), progress_s=1.0))
    with Client(site.port) as client:
        client.send(b"GET /big HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
        deadline = time.monotonic() + 10
        while site.front.connections and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        assert site.front.connections == 0


def test_at_the_cap_of_an_address_the_longest_waiting_connection_makes_room(make_site: Callable[[Limits], Site]) -> None:
    site = make_site(replace(Limits(), connections_per_address=5))
    clients = [Client(site.port) for _ in range(5)]
    for client in clients[1:]:
        assert client.request("GET", "/").status == 200
    assert timed(site) < 1.0
    assert clients[0].is_closed()
    assert clients[4].request("GET", "/").status == 200
    for client in clients:
        client.close()


def test_at_the_cap_with_everyone_busy_a_newcomer_is_refused_but_another_address_is_served(
    make_site: Callable[[Limits], Site],
) -> None:
    site = make_site(replace(Limits(), connections_per_address=3, answers_per_address=3))
    readers = [Client(site.port) for _ in range(3)]
    for reader in readers:
        reader.send(b"GET /big HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
        assert reader.socket.recv(100)
    with pytest.raises(OSError):  # noqa: PT011 - closed or reset, as it happens
        Client(site.port)
    assert timed(site, source="127.0.0.2") < 1.0
    for reader in readers:
        reader.close()


def test_slow_readers_of_one_address_leave_places_for_another(make_site: Callable[[Limits], Site]) -> None:
    site = make_site(replace(Limits(), answers=4, answers_per_address=2, slot_s=0.5))
    readers = [Client(site.port) for _ in range(2)]
    for reader in readers:
        reader.send(b"GET /big HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
        assert reader.socket.recv(100)
    with Client(site.port) as third:
        assert third.request("GET", "/").status == 503
    assert timed(site, source="127.0.0.2") < 1.0
    for reader in readers:
        reader.close()


def test_a_stop_closes_every_connection_and_frees_the_port(site: Site) -> None:
    with Client(site.port) as client:
        assert client.request("GET", "/").status == 200
        site.front.stop()
        assert client.is_closed()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port))


@pytest.fixture
def late() -> Iterator[None]:
    HANDED_OVER.clear()
    MAY_ANSWER.clear()
    yield
    MAY_ANSWER.set()


def test_who_asked_before_the_stop_is_still_answered(make_site: Callable[[Limits], Site], late: None) -> None:
    site = make_site(replace(Limits(), parting_s=30.0))
    with Client(site.port) as client:
        client.send(b"GET /late HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
        assert HANDED_OVER.wait(20)
        stopping = threading.Thread(target=site.front.stop)
        stopping.start()
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(20)
        MAY_ANSWER.set()
        assert client.answer().status == 200
        stopping.join(20)
        assert client.is_closed()


@pytest.mark.parametrize(("path", "parting_s"), [("late", 0.1), ("stream", 30.0)])
def test_what_does_not_come_in_time_or_never_ends_is_cut_off(
    make_site: Callable[[Limits], Site], late: None, path: str, parting_s: float
) -> None:
    site = make_site(replace(Limits(), parting_s=parting_s))
    with Client(site.port) as client:
        client.send(f"GET /{path} HTTP/1.1\r\nhost: nightjar.local\r\n\r\n".encode())
        assert HANDED_OVER.wait(20) if path == "late" else client.socket.recv(100)
        site.front.stop()
        assert is_over(client)


@pytest.mark.parametrize("timeout", [20.0, 0.1])
def test_what_a_worker_wakes_at_the_end_is_nobody_elses_file(
    late: None, caplog: pytest.LogCaptureFixture, timeout: float
) -> None:
    server = ApplicationServer(app)
    server.start()
    ours, theirs = socket.socketpair()
    with ours:
        theirs.setblocking(False)
        server.hand_over(theirs, ("127.0.0.1", 1))
        ours.sendall(b"GET /late HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
        assert HANDED_OVER.wait(20)
        stopping = threading.Thread(target=server.stop, args=(timeout,))
        stopping.start()
        server._thread.join(20)
        if timeout < 1:
            stopping.join(20)
        wakes = server._server.trigger.trigger
        assert stat.S_ISFIFO(os.fstat(wakes).st_mode), "while a worker may still write into it"
        MAY_ANSWER.set()
        stopping.join(20)
    assert not stopping.is_alive()
    server.stop(20)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(wakes)


def is_over(client: Client) -> bool:
    """Say whether the connection ends, whatever is still on its way."""
    try:
        return not all(client.socket.recv(100) for _ in range(50))
    except OSError:
        return True


def watch(views: list[Client], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        for view in views:
            assert view.request("GET", "/").status == 200


def read_slowly(readers: list[Client], stop: threading.Event) -> None:
    for reader in readers:
        reader.send(b"GET /big HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
    while not stop.wait(0.05):
        for reader in readers:
            reader.socket.recv(4096)


def test_200_live_views_and_8_slow_readers_do_not_delay_a_page(site: Site) -> None:
    views = [Client(site.port) for _ in range(200)]
    readers = [Client(site.port) for _ in range(8)]
    stop, crowded = threading.Event(), crowding()
    threads = [threading.Thread(target=watch, args=(views[start::4], stop)) for start in range(4)]
    threads.append(threading.Thread(target=read_slowly, args=(readers, stop)))
    for thread in threads:
        thread.start()
    try:
        slowest = max(timed(site) for _ in range(20))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    crowded = max(crowded, crowding())
    print(f"slowest page of 20: {slowest * 1000:.0f} ms, on a machine {crowded:.1f} times slower than alone")
    assert slowest < 1.0 * crowded
    for client in (*views, *readers):
        client.close()
