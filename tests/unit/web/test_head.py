"""A request's head is read one way, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web.answerhead import parse_answer
from appliance.web.head import HeadError, RequestHead, parse_head, split_host
from appliance.web.limits import Limits

LIMITS = Limits()


def head(*lines: str, request: str = "GET / HTTP/1.1", host: str = "nightjar.local") -> RequestHead:
    return parse_head("\r\n".join([request, f"host: {host}", *lines, "", ""]).encode("latin-1"), LIMITS)


def status_of(raw: bytes) -> int:
    with pytest.raises(HeadError) as refused:
        parse_head(raw, LIMITS)
    return refused.value.status


def test_a_plain_request_becomes_a_value() -> None:
    parsed = head("Content-Length: 12", "X-Thing:  a b ", request="POST /x?y=1 HTTP/1.1", host="Nightjar.local:8443")
    assert (parsed.method, parsed.target, parsed.host, parsed.body_bytes) == ("POST", "/x?y=1", "nightjar.local", 12)
    assert ("x-thing", "a b") in parsed.headers
    assert not parsed.wants_close


def test_what_is_passed_on_is_written_anew_and_asks_for_one_answer() -> None:
    parsed = head(
        "Connection: keep-alive, upgrade", "Upgrade: h2c", "X-Forwarded-For: 1.2.3.4", "A_b: c", "Cookie: x=1", "TE: trailers"
    )
    assert parsed.passed_on() == b"GET / HTTP/1.1\r\nhost: nightjar.local\r\ncookie: x=1\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no host
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a/@evil\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /#x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\nhost: a\r\n\r\n", 505),
        (b"GET /\r\nhost: a\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: a\nb: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 65537\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1073741824\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: a\r\nexpect: a-pony\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 100 + b"\r\n", 431),
        (b"\r\n\r\n", 400),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(raw: bytes, status: int) -> None:
    assert status_of(raw) == status


def test_the_largest_body_is_accepted() -> None:
    assert head("content-length: 65536", request="POST / HTTP/1.1").body_bytes == 65536


def test_http_10_closes_unless_asked_otherwise() -> None:
    assert parse_head(b"GET / HTTP/1.0\r\n\r\n", LIMITS).wants_close
    assert not head("connection: keep-alive", request="GET / HTTP/1.0").wants_close
    assert head("connection: Close").wants_close


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Nightjar.local", ("nightjar.local", None)),
        ("nightjar.local.:443", ("nightjar.local", 443)),
        ("[fe80::1]:8443", ("fe80::1", 8443)),
        ("10.0.0.7:80", ("10.0.0.7", 80)),
        ("a:b", None),
        ("a@b", None),
        ("[::1", None),
        ("", None),
    ],
)
def test_a_host_is_split_or_refused(text: str, parts: tuple[str, int | None] | None) -> None:
    assert split_host(text) == parts


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_a_refusal(raw: bytes) -> None:
    try:
        parsed = parse_head(raw + b"\r\n\r\n", LIMITS)
    except HeadError:
        return
    assert b"\n\n" not in parsed.passed_on()


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_a_head_passed_on_reads_as_the_same_request(extra: list[bytes]) -> None:
    raw = b"GET /a HTTP/1.1\r\nhost: h\r\n" + b"".join(b"x-h: " + e + b"\r\n" for e in extra) + b"\r\n"
    try:
        first = parse_head(raw, LIMITS)
    except HeadError:
        return
    again = parse_head(first.passed_on(), LIMITS)
    assert (again.method, again.target, again.host, again.body_bytes) == (
        first.method,
        first.target,
        first.host,
        first.body_bytes,
    )
    assert again.wants_close


def test_an_answer_with_a_length_keeps_the_connection() -> None:
    answer = parse_answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", head())
    assert answer.body_bytes == 5
    assert b"close" not in answer.passed_on


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("GET", 204)])
def test_an_answer_without_a_body_ends_at_its_head(method: str, status: int) -> None:
    answer = parse_answer(f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode(), head(request=f"{method} / HTTP/1.1"))
    assert answer.body_bytes == 0


def test_an_answer_without_a_length_ends_the_connection() -> None:
    answer = parse_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", head())
    assert answer.body_bytes is None
    assert answer.passed_on.count(b"Connection: close") == 1
