"""Forms with files, piece by piece: what is taken byte for byte, and everything that is not."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.web.forms import parse_form_with_file
from appliance.web.multipart import FormParser

BOUNDARY = "5c6f2b9e4d1a47d8"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
MOST = {"metadata": 100, "media": 5000}


def part(name: str, content: bytes, *, more: bytes = b"\r\nContent-Type: application/octet-stream") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="x.jpg"'.encode()
    return head + more + b"\r\n\r\n" + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
WHOLE = part("metadata", b"{}") + part("media", b"sky") + END


def parse(body: bytes, pieces: list[int] | None = None, *, content_type: str = TYPE) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def begin(name: str) -> "Collector":
        return Collector(found, name)

    parser = FormParser(content_type, MOST, begin)
    cuts = sorted({0, len(body), *(cut % (len(body) + 1) for cut in pieces or [])})
    for first, last in pairwise(cuts):
        parser.feed(body[first:last])
    parser.finish()
    return found


class Collector:
    """Keeps the content of one part."""

    def __init__(self, found: dict[str, bytes], name: str) -> None:
        assert name not in found
        found[name] = b""
        self._found, self._name = found, name

    def __call__(self, data: bytes) -> None:
        assert data
        self._found[self._name] += data


NEARLY = st.lists(st.sampled_from([b"\r\n", b"--", b"\r\n--", BOUNDARY[:8].encode(), b"\r", b"-", b"x"]), max_size=30).map(
    b"".join
)
CONTENT = st.one_of(st.binary(max_size=400), NEARLY).filter(lambda content: BOUNDARY.encode() not in content)


@given(CONTENT.filter(lambda content: len(content) <= 100), CONTENT, st.lists(st.integers(0, 10_000), max_size=40), st.booleans())
@example(b"", b"", [], True)
@example(b"{}", b"\r\n--" + BOUNDARY[:-1].encode(), [], False)
def test_every_byte_arrives_however_it_is_cut(metadata: bytes, media: bytes, pieces: list[int], is_media_first: bool) -> None:
    parts = [part("metadata", metadata), part("media", media)]
    body = b"".join(reversed(parts) if is_media_first else parts) + END
    assert parse(body, pieces) == {"metadata": metadata, "media": media}


@given(st.integers(0, len(WHOLE) - 3))
def test_a_truncated_form_is_not_whole(length: int) -> None:
    with pytest.raises(InputError):
        parse(WHOLE[:length])


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_are_refused_in_words(body: bytes, pieces: list[int]) -> None:
    with pytest.raises(InputError):
        parse(body, pieces)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_changes_a_content_only(at: int, value: int) -> None:
    body = WHOLE[:at] + bytes([value]) + WHOLE[at + 1 :]
    try:
        found = parse(body)
    except InputError:
        return
    assert set(found) == {"metadata", "media"}
    assert {name: len(content) for name, content in found.items()} == {"metadata": 2, "media": 3}


def test_the_last_line_may_lack_its_end() -> None:
    assert parse(WHOLE.removesuffix(b"\r\n")) == {"metadata": b"{}", "media": b"sky"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        END,
        part("metadata", b"{}") + END,
        part("media", b"sky") + END,
        part("metadata", b"{}") * 2 + part("media", b"sky") + END,
        part("metadata", b"{}") + part("media", b"sky") * 2 + END,
        part("metadata", b"{}") + part("media", b"sky") + part("more", b"x") + END,
        part("metadata", b"x" * 101) + part("media", b"sky") + END,
        part("metadata", b"{}") + part("media", b"x" * 5001) + END,
        b"preamble\r\n" + WHOLE,
        b"\r\n" + WHOLE,
        WHOLE + b"more",
        WHOLE + WHOLE,
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE.replace(b'; filename="x.jpg"', b""),
        WHOLE.replace(b'name="media"', b'name="../media"'),
        part("metadata", b"{}", more=b"\r\nContent-Transfer-Encoding: base64") + part("media", b"sky") + END,
        part("metadata", b"{}", more=b"\r\nContent-Type: a\r\nContent-Type: b") + part("media", b"sky") + END,
        part("metadata", b"{}", more=b"\r\nContent-Type: a\r\n folded") + part("media", b"sky") + END,
        part("metadata", b"{}", more=b"\r\nContent-Type: " + b"a" * 2000) + part("media", b"sky") + END,
        part("metadata", b"{}") + f"--{BOUNDARY}x\r\n".encode() + part("media", b"sky") + END,
    ],
)
def test_what_no_known_sender_writes_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        parse(body)


@pytest.mark.parametrize(
    "content_type",
    ["", "multipart/form-data", "multipart/mixed; boundary=x", f"{TYPE}; charset=utf-8", "multipart/form-data; boundary=",
     'multipart/form-data; boundary="x', f"multipart/form-data; boundary={'x' * 71}", f"{TYPE}\r\nX: y"],
)  # fmt: skip
def test_only_a_form_with_a_boundary_is_one(content_type: str) -> None:
    with pytest.raises(InputError):
        parse(WHOLE, content_type=content_type)


def test_a_quoted_boundary_is_the_same() -> None:
    assert parse(WHOLE, content_type=f'multipart/form-data; boundary="{BOUNDARY}"')["media"] == b"sky"


def test_a_large_part_is_not_held() -> None:
    taken = [0]

    def take(data: bytes) -> None:
        taken[0] += len(data)

    parser = FormParser(TYPE, {"media": 1 << 30}, lambda _: take)
    parser.feed(part("media", b"")[:-2])
    for _ in range(100):
        parser.feed(bytes(65536))
        assert len(parser._buffer) < 100
    parser.feed(b"\r\n" + END)
    parser.finish()
    assert taken[0] == 6_553_600


def form(*parts: tuple[str, bytes, bool]) -> bytes:
    body = b""
    for name, content, is_file in parts:
        file = '; filename="C:\\\\x"' if is_file else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return body + END


def test_a_form_with_fields_and_a_file_is_taken_apart() -> None:
    body = form(("csrf", b"token", False), ("passphrase", "schl\u00f6sser".encode(), False), ("file", b"\0\r\n--sky", True))
    fields, file = parse_form_with_file(body, TYPE, ("csrf", "passphrase"), 100)
    assert (fields, file) == ({"csrf": "token", "passphrase": "schl\u00f6sser"}, b"\0\r\n--sky")


@pytest.mark.parametrize(
    "body",
    [
        form(("csrf", b"token", False), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"x", False), ("file", b"x", False)),
        form(("csrf", b"token", False), ("passphrase", b"x", True), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"x", False), ("passphrase", b"y", False), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"x", False), ("more", b"y", False), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"\xff", False), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"\0", False), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"x" * 5000, False), ("file", b"x", True)),
        form(("csrf", b"token", False), ("passphrase", b"x", False), ("file", b"x" * 101, True)),
        b"",
    ],
)
def test_a_form_with_a_file_that_is_not_the_one_asked_for_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        parse_form_with_file(body, TYPE, ("csrf", "passphrase"), 100)
