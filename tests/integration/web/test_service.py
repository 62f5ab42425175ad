"""The web service as a whole, over TLS: load, large and slow things, restarts, programs."""

import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.domain.access import Scope
from appliance.domain.errors import NightjarError, StartError
from appliance.domain.network import NetworkSituation
from appliance.domain.night import NightId
from appliance.store.models import FrameRow, NightRow
from appliance.web.parts import Listen
from appliance.web.service import WebService, listening
from tests.integration.web.client import Client
from tests.integration.web.conftest import RunningPanel
from tests.integration.web.crowding import crowding
from tests.unit.web.networking import POINT
from tests.unit.web.world import ADMIN, fill, make_world

BIG = 20_000_000


def timed(running: RunningPanel, target: str, headers: dict[str, str]) -> float:
    started = time.monotonic()
    with running.client() as client:
        assert client.request("GET", target, **headers).status == 200
    return time.monotonic() - started


def views(clients: list[Client], headers: dict[str, str], stop: threading.Event) -> None:
    """Do what open live views do: ask whether there is news, and for the picture."""
    etag = ""
    while not stop.wait(0.5):
        for client in clients:
            answer = client.request("GET", "/api/v1/latest", if_none_match=etag, **headers)
            assert answer.status in (200, 304)
            etag = answer.headers["etag"]
            assert client.request("GET", "/latest.jpg", **headers).status == 200


def read_slowly(clients: list[Client], stop: threading.Event) -> None:
    while not stop.wait(0.05):
        for client in clients:
            client.socket.recv(4096)


def test_200_live_views_and_8_slow_readers_of_a_20_mb_file_do_not_delay_a_page(running: RunningPanel) -> None:
    running.world.claim()
    fill(running.world)
    large = running.world.add_frame(datetime(2026, 1, 31, 20, tzinfo=UTC), picture=b"x" * BIG, side=64)
    fill(running.world, 1)
    headers = running.login(ADMIN)
    live = [running.client() for _ in range(200)]
    slow = [running.client() for _ in range(8)]
    for client in slow:
        cookie = headers["cookie"]
        client.send(f"GET /media/frames/{large.id}.jpg HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode())
    stop, crowded = threading.Event(), crowding()
    threads = [threading.Thread(target=views, args=(live[start::4], headers, stop)) for start in range(4)]
    threads.append(threading.Thread(target=read_slowly, args=(slow, stop)))
    for thread in threads:
        thread.start()
    try:
        times = sorted(timed(running, target, headers) for _ in range(10) for target in ("/", "/system"))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"200 views, 8 slow readers: median {times[10] * 1000:.0f} ms, slowest of 20 pages {times[-1] * 1000:.0f} ms")
    assert times[-1] < 1.0 * max(crowded, crowding())
    for client in (*live, *slow):
        client.close()


def test_a_feed_names_us_as_we_were_called_and_nobody_else(running: RunningPanel) -> None:
    running.world.claim()
    running.world.set_public(False, page=True)
    with running.client() as client:
        feed = client.request("GET", "/feed.json")
        assert f'"feed_url":"{running.address}/feed.json"'.encode() in feed.body
        for name in ("x_forwarded_host", "x_host", "forwarded"):
            assert client.request("GET", "/feed.json", **{name: "evil.example"}).body == feed.body
    for path in ("/feed.json", "/feed.atom", "/public", "/latest.jpg"):
        with running.client() as client:
            answer = client.request("GET", path, host="evil.example")
            assert (answer.status, b"evil" in answer.body) == (421, False)


def test_a_20_mb_picture_arrives_whole(running: RunningPanel) -> None:
    running.world.claim()
    content = bytes(range(256)) * (BIG // 256)
    frame = running.world.add_frame(datetime(2026, 1, 31, 20, tzinfo=UTC), picture=content, side=64)
    with running.client() as client:
        answer = client.request("GET", f"/media/frames/{frame.id}.jpg", **running.login(ADMIN))
        assert answer.body == content
        part = client.request("GET", f"/media/frames/{frame.id}.jpg", range="bytes=19999000-", **running.login(ADMIN))
        assert (part.status, part.body) == (206, content[19999000:])


def test_a_gigabyte_without_a_session_is_refused_at_its_head_and_stores_nothing(running: RunningPanel, tmp_path: Path) -> None:
    running.world.claim()
    before = {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    with running.client() as client:
        client.send(b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1073741824\r\n\r\n" + b"x" * 200_000)
        assert client.answer().status == 413
    assert {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_page_of_a_day_with_10000_frames_is_quick(running: RunningPanel) -> None:
    running.world.claim()
    night = NightId("2026-01-31")
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    running.world.add_frame(start, night=night, side=32)
    with running.world.parts.frames._database.write() as database:  # the page reads rows; to store 9,999 pictures takes minutes
        row = FrameRow.select().get(database).__data__
        moments = [start + timedelta(seconds=8 * number) for number in range(10_000)]
        for number, moment in enumerate(moments[1:], 1):
            FrameRow.insert({**row, "id": row["id"] + number, "started_at": moment}).execute(database)
        NightRow.update(frames=len(moments), last_at=moments[-1]).execute(database)
    headers, crowded = running.login(ADMIN), crowding()
    times = sorted(timed(running, f"/nights/{night}", headers) for _ in range(20))
    deep = timed(running, f"/nights/{night}?before=600", headers)
    first_chart = timed(running, f"/nights/{night}/charts/mean.svg", headers)
    next_chart = timed(running, f"/nights/{night}/charts/stars.svg", headers)
    print(
        f"10,000 frames: page p95 {times[18] * 1000:.0f} ms, deep page {deep * 1000:.0f} ms, "
        f"first chart {first_chart * 1000:.0f} ms, next chart {next_chart * 1000:.0f} ms"
    )
    crowded = max(crowded, crowding())
    assert times[18] < 0.3 * crowded
    assert deep < 0.3 * crowded
    assert next_chart < 0.5 * crowded


def test_the_true_address_stands_in_the_audit_log(running: RunningPanel) -> None:
    running.world.claim()
    token = running.world.api_token(Scope.WRITE)
    with running.client(source="127.0.0.77") as client:
        answer = client.request("POST", "/api/v1/camera/pause", authorization=f"Bearer {token}", x_forwarded_for="6.6.6.6")
        assert answer.status == 202
    entry = running.world.parts.audit.page(limit=1)[0]
    assert (entry.who, entry.address, entry.action) == (f"{ADMIN} by token write", "127.0.0.77", "capture paused")


def test_each_request_of_a_kept_connection_is_weighed_anew(running: RunningPanel) -> None:
    running.world.claim()
    headers = running.login(ADMIN)
    with running.client() as client:
        assert client.request("GET", "/system", **headers).status == 200
        assert client.request("GET", "/system").status == 303
        session, _ = running.world.login(ADMIN)
        running.world.parts.sessions.revoke_all(session.account.id)
        assert client.request("GET", "/system", **headers).status == 303


def test_the_service_stops_cleanly_and_can_be_built_again_on_the_sockets_of_systemd(tmp_path: Path) -> None:
    handed, plain = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    listen = Listen(sockets=(handed,), plain_sockets=(plain,))
    before = threading.active_count()
    with make_world(tmp_path / "data", listen) as world:
        for _ in range(2):
            service = WebService(world.parts)
            service.open()
            service.step()
            with Client(service.port) as client:
                assert client.request("GET", "/healthz").body == b'{"status":"ok"}'
            with socket.create_connection(plain.getsockname()) as http:
                http.sendall(b"GET /live HTTP/1.1\r\nhost: nightjar.local\r\n\r\n")
                assert b"308" in http.recv(1000)
            service.close()
            assert threading.active_count() == before
    handed.close()
    plain.close()


def asked_without_tls(plain: socket.socket, request: str) -> str:
    """Return all that port 80 says to a request."""
    with socket.create_connection(plain.getsockname()) as http:
        http.sendall(f"{request} HTTP/1.1\r\nhost: connectivitycheck.example\r\n\r\n".encode())
        return http.makefile("rb").read().decode()


def test_in_the_own_wifi_network_port_80_tells_every_phone_where_the_panel_is_and_nobody_elsewhere(tmp_path: Path) -> None:
    handed, plain = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    with handed, plain, make_world(tmp_path / "data", Listen(sockets=(handed,), plain_sockets=(plain,))) as world:
        service = WebService(world.parts)
        service.open()
        assert asked_without_tls(plain, "GET /generate_204").startswith("HTTP/1.1 308 ")
        world.parts.network_situation.publish(NetworkSituation(point=replace(POINT, address="127.0.0.1")))
        told = asked_without_tls(plain, "GET /generate_204")
        assert told.startswith("HTTP/1.1 200 ")
        assert 'href="https://127.0.0.1"' in told
        assert world.parts.certificates.fingerprint.replace(":", "") in told.replace(":", "").replace("\n", "")
        assert "<form" not in told
        assert POINT.key.reveal() not in told
        head, _, body = asked_without_tls(plain, "HEAD /").partition("\r\n\r\n")
        assert (head.split("\r\n")[0], body) == ("HTTP/1.1 200 OK", "")
        assert asked_without_tls(plain, "GET no-path").startswith("HTTP/1.1 400 ")
        world.parts.network_situation.publish(NetworkSituation(point=POINT))
        assert asked_without_tls(plain, "GET /generate_204").startswith("HTTP/1.1 308 "), "this one came by another network"
        service.close()


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listening(Listen("127.0.0.1", port))
        with make_world(tmp_path / "data", Listen("127.0.0.1", port)) as world:
            service = WebService(world.parts)
            with pytest.raises(StartError):
                service.open()
            service.close()


def test_a_front_that_ended_fails_the_step_so_that_the_service_is_built_afresh(tmp_path: Path) -> None:
    with make_world(tmp_path / "data") as world:
        service = WebService(world.parts)
        with pytest.raises(NightjarError):
            service.step()
        service.open()
        assert service._front is not None
        service._front.stop()
        with pytest.raises(NightjarError):
            service.step()
        service.close()
