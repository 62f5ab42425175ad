"""The door for large bodies: heads that prove nothing bring nothing, places are few, and the panel answers meanwhile."""

import hashlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.web.door import AskLeave, Leave
from appliance.web.head import HeadError, RequestHead
from appliance.web.limits import Limits
from appliance.web.tls import Front
from appliance.web.waitress_side import ApplicationServer
from tests.integration.web.client import Client
from tests.integration.web.material import self_signed

LARGE = 8 << 20
LIMITS = Limits(stall_s=1.5)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    text = hashlib.sha256(body).hexdigest().encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]


def ask(head: RequestHead, address: str) -> Leave:
    """Let in whoever names himself; the rest of the rule is in the header too."""
    holder = head.header("x-holder")
    if not holder:
        raise HeadError(401, "no right", reason="signature")
    return Leave(LARGE, holder, head.header("x-hash"))


@pytest.fixture
def make_port(tmp_path: Path) -> Iterator[Callable[[AskLeave | None], int]]:
    running: list[tuple[Front, ApplicationServer]] = []

    def make(rule: AskLeave | None) -> int:
        server = ApplicationServer(app)
        server.start()
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        front = Front(
            self_signed(tmp_path), server.hand_over, lambda host, arrival: host == arrival, ask_leave=rule, limits=LIMITS
        )
        front.start([listener])
        running.append((front, server))
        return int(listener.getsockname()[1])

    yield make
    for front, server in running:
        front.stop()
        server.stop(5)


@pytest.fixture
def port(make_port: Callable[[AskLeave | None], int]) -> int:
    return make_port(ask)


def head(size: int, **headers: str) -> bytes:
    lines = ["PUT /api/v1/x HTTP/1.1", "host: 127.0.0.1", f"content-length: {size}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def is_answered(port: int) -> bool:
    with Client(port) as client:
        return client.request("GET", "/").status == 200


def test_a_large_body_arrives_whole_and_the_connection_goes_on(port: int) -> None:
    body = bytes(range(256)) * (LARGE // 256)
    digest = hashlib.sha256(body).hexdigest()
    with Client(port) as client:
        for _ in range(3):
            answer = client.request("PUT", "/api/v1/x", body, x_holder="a", x_hash=digest)
            assert (answer.status, answer.body.decode()) == (200, digest)
        assert client.request("POST", "/", b"small").status == 200


@pytest.mark.parametrize(
    ("size", "headers", "status"),
    [
        (LARGE, {}, 401),
        (65_537, {}, 401),
        (LARGE + 1, {"x_holder": "a"}, 413),
        (1 << 36, {"x_holder": "a"}, 413),
    ],
)
def test_a_head_that_proves_no_right_is_refused_before_its_body(
    port: int, size: int, headers: dict[str, str], status: int
) -> None:
    with Client(port) as client:
        client.send(head(size, **headers))  # not one byte of the body is sent
        answer = client.answer()
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert client.is_closed()


def test_without_a_rule_nobody_may_send_more_than_before(make_port: Callable[[AskLeave | None], int]) -> None:
    with Client(make_port(None)) as client:
        client.send(head(65_537, x_holder="a"))
        assert client.answer().status == 413


def test_another_body_than_was_announced_goes_no_further(port: int) -> None:
    body = b"x" * 100_000
    with Client(port) as client:
        answer = client.request("PUT", "/api/v1/x", body, x_holder="a", x_hash=hashlib.sha256(b"y" * 100_000).hexdigest())
        assert answer.status == 401
        assert b'"reason": "signature"' in answer.body


def test_two_bodies_at_once_one_of_each_holder_and_the_panel_answers_meanwhile(port: int) -> None:
    body = b"z" * 200_000
    with Client(port) as first, Client(port) as second:
        first.send(head(len(body), x_holder="a") + body[:1000])
        second.send(head(len(body), x_holder="b") + body[:1000])
        time.sleep(0.3)
        for holder in ("a", "c"):  # one that is at it already, and a third
            with Client(port) as other:
                other.send(head(len(body), x_holder=holder))
                answer = other.answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert is_answered(port)
        first.send(body[1000:])
        assert first.answer().body.decode() == hashlib.sha256(body).hexdigest()
        with Client(port) as third:
            assert third.request("PUT", "/api/v1/x", body, x_holder="c").status == 200


def test_a_body_that_stalls_or_breaks_gives_its_place_back(port: int) -> None:
    with Client(port) as stalled, Client(port) as broken:
        for client, holder in ((stalled, "a"), (broken, "b")):
            client.send(head(100_000, x_holder=holder) + b"x" * 1000)
        time.sleep(0.3)
        broken.close()
        assert stalled.answer().status == 408
    with Client(port) as a, Client(port) as b:
        for client, holder in ((a, "a"), (b, "b")):
            assert client.request("PUT", "/api/v1/x", b"x" * 100_000, x_holder=holder).status == 200
