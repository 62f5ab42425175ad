"""What an object store says, and how large its parts are: read, refused, and told in words that name the field."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.settings.servicetargets import Addressing
from appliance.uploads import s3
from appliance.uploads.http import Answer, Https
from appliance.uploads.s3 import MOST_PARTS, PART, S3Place, S3Target, Slice, leftovers, part_size, patiently
from appliance.uploads.s3answers import DEEPEST, MOST_FACTS, WORDS, Fact, code_of, facts, fitted, raise_for

MIB, GIB = 1 << 20, 1 << 30
LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>sky</Bucket>
<Upload><Key>roof/a.mp4</Key><UploadId>one&amp;1</UploadId><Initiator><ID>x</ID></Initiator></Upload>
<Upload><Key>roof/a.mp4x</Key><UploadId>two</UploadId></Upload>
<Upload><Key>roof/a.mp4</Key><UploadId>three</UploadId></Upload></ListMultipartUploadsResult>"""


def answer(status: int, code: str = "", more: str = "", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>so it is</Message>{more}</Error>".encode() if code else b""
    return Answer(status, "Reason", headers, body)


def fault_of(said: Answer) -> UploadError:
    with pytest.raises(UploadError) as caught:
        raise_for(said, "PUT")
    return caught.value


def test_texts_come_with_their_place() -> None:
    assert facts(b"<a:A xmlns:a='x'><a:B> one </a:B><a:C><a:D>two &lt;3</a:D></a:C></a:A>") == [
        Fact("A/B", "one"),
        Fact("A/C/D", "two <3"),
    ]


@pytest.mark.parametrize(
    "untrusted",
    [
        b"",
        b"no xml",
        b"<A><B></A>",
        b"<A>\xff</A>",
        b'<!DOCTYPE A [<!ENTITY x "boom">]><A>&x;</A>',
        b'<!DOCTYPE A SYSTEM "file:///etc/passwd"><A/>',
        b"<A>&x;</A>",
        b"<A>" * (DEEPEST + 1) + b"</A>" * (DEEPEST + 1),
        b"<A>" + b"<B>x</B>" * (MOST_FACTS + 1) + b"</A>",
    ],
)
def test_what_is_no_plain_answer_is_refused(untrusted: bytes) -> None:
    with pytest.raises(InputError):
        facts(untrusted)
    assert leftovers(untrusted, "x") == []
    assert code_of(Answer(200, "OK", {}, untrusted)) == ""


@given(st.binary(max_size=400) | st.binary(max_size=60).map(lambda middle: LISTING[:200] + middle + LISTING[200:]))
def test_any_bytes_are_facts_or_a_refusal(untrusted: bytes) -> None:
    try:
        facts(untrusted)
    except InputError:
        return


@pytest.mark.parametrize(
    ("said", "fault", "advice"),
    [
        (answer(403, "InvalidAccessKeyId"), Fault.LOGIN, "Access key id"),
        (answer(403, "SignatureDoesNotMatch"), Fault.LOGIN, "Secret key"),
        (answer(401), Fault.LOGIN, "Secret key"),
        (answer(403, "RequestTimeTooSkewed"), Fault.LOGIN, "network set the time"),
        (answer(404, "NoSuchBucket"), Fault.PATH, "Bucket"),
        (answer(404), Fault.PATH, "Bucket"),
        (answer(405), Fault.PATH, "Endpoint"),
        (answer(400, "AuthorizationHeaderMalformed"), Fault.PATH, "Check Region"),
        (answer(400, "AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>"), Fault.PATH, "Set Region to eu-west-3,"),
        (answer(400, "AuthorizationHeaderMalformed", "<Region>a b\n&lt;script></Region>"), Fault.PATH, "Check Region"),
        (answer(301, "PermanentRedirect"), Fault.PATH, "Check Region"),
        (answer(301, **{"x-amz-bucket-region": "eu-west-3"}), Fault.PATH, "Set Region to eu-west-3,"),
        (answer(307, "TemporaryRedirect"), Fault.PATH, "Region"),
        (answer(400, "InvalidStorageClass"), Fault.PATH, "Storage class"),
        (answer(403, "AccessDenied"), Fault.RIGHT, "Prefix"),
        (answer(403), Fault.RIGHT, "Prefix"),
        (answer(403, "QuotaExceeded"), Fault.FULL, "Remove something"),
        (answer(507, "XMinioStorageFull"), Fault.FULL, "Remove something"),
        (answer(507), Fault.FULL, "Remove something"),
        (answer(400, "BadDigest"), Fault.BROKEN, "tried again"),
        (answer(503, "SlowDown"), Fault.BROKEN, "tried again"),
        (answer(500), Fault.BROKEN, "tried again"),
        (answer(200, "InternalError"), Fault.BROKEN, "tried again"),
    ],
)
def test_what_a_store_says_becomes_a_fault_that_names_the_field(said: Answer, fault: Fault, advice: str) -> None:
    error = fault_of(said)
    assert (error.fault, advice in error.words.advice) == (fault, True), error.words
    assert str(error).startswith(f"PUT: {said.status} ")


def test_a_file_that_is_not_taken_is_refused_alone() -> None:
    for said in (answer(400, "EntityTooLarge"), answer(413), answer(400, "KeyTooLongError")):
        with pytest.raises(UploadRefusedError):
            raise_for(said, "PUT")
    raise_for(answer(200), "PUT")
    raise_for(answer(204), "DELETE")


def test_what_a_store_says_is_shown_without_signs_that_cannot_be_shown() -> None:
    said = Answer(400, "no", {}, f"<Error><Code>Odd</Code><Message>a\x85b\u202ec{'x' * 900}</Message></Error>".encode())
    text = str(fault_of(said))
    assert text.isprintable()
    assert text.startswith("PUT: 400 Odd: abcxxx")
    assert len(text) < 300


def test_faults_of_the_network_name_fields_that_there_are() -> None:
    for fault in set(Fault) - {Fault.KEY}:
        with pytest.raises(UploadError) as caught, fitted():
            raise UploadError(fault, "x", shown="y")
        assert (caught.value.fault, caught.value.shown, str(caught.value)) == (fault, "y", "x")
        assert not {"Host", "Port", "User", "Password", "Folder"} & set(caught.value.words.advice.replace(",", " ").split())
    told = [*WORDS.values(), *(fault_of(answer(403, code)).words for code in ("InvalidAccessKeyId", "RequestTimeTooSkewed"))]
    assert all(words.sentence.endswith(".") and words.advice.endswith(".") for words in told)


def test_only_uploads_of_exactly_this_file_are_left_overs() -> None:
    assert leftovers(LISTING, "roof/a.mp4") == ["one&1", "three"]
    assert leftovers(LISTING, "roof/a.mp") == []


@pytest.mark.parametrize("size", [0, 17 * MIB, 10_000 * PART, 10_000 * PART + 1, 200 * GIB + 7, 10_000 * 5 * GIB])
def test_parts_are_as_large_as_needed_and_not_too_many(size: int) -> None:
    part = part_size(size)
    assert part >= PART
    assert part % MIB == 0
    assert -(-size // part) <= MOST_PARTS
    assert part == PART or (part - MIB) * MOST_PARTS < size


def test_a_file_beyond_every_store_is_refused() -> None:
    with pytest.raises(UploadRefusedError):
        part_size(10_000 * 5 * GIB + 1)


def test_a_slice_reads_as_a_file_of_its_own() -> None:
    piece = Slice(io.BytesIO(b"0123456789"), 3, 5)
    assert (piece.read(2), piece.tell(), piece.read(), piece.read(1)) == (b"34", 2, b"567", b"")
    assert (piece.seek(-2, 2), piece.read(9), piece.seek(0), piece.read(3)) == (3, b"67", 0, b"345")
    assert piece.md5() == "mSptGLKhSM8g2QFMNSSqEQ=="
    assert piece.tell() == 0


def test_only_weather_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAUSES_S", (0.0, 0.0))
    tries, beats = list[int](), list[int]()

    def fail(fault: Fault, good_after: int) -> str:
        tries.append(1)
        if len(tries) > good_after:
            return "done"
        raise UploadError(fault, "no")

    assert patiently(lambda: fail(Fault.BROKEN, 2), lambda: beats.append(1)) == "done"
    assert (len(tries), len(beats)) == (3, 2)
    for fault, count in ((Fault.BROKEN, 3), (Fault.LOGIN, 1)):
        tries.clear()
        with pytest.raises(UploadError):
            patiently(lambda fault=fault: fail(fault, 9), lambda: None)  # type: ignore[misc]
        assert len(tries) == count


@pytest.mark.parametrize(
    ("endpoint", "addressing", "address"),
    [
        ("https://s3.example", Addressing.PATH, "https://s3.example/sky/roof/a%20b.jpg"),
        ("https://s3.example:9000/", Addressing.PATH, "https://s3.example:9000/sky/roof/a%20b.jpg"),
        ("https://s3.example/storage/s3", Addressing.PATH, "https://s3.example/storage/s3/sky/roof/a%20b.jpg"),
        ("https://s3.example:9000", Addressing.HOST, "https://sky.s3.example:9000/roof/a%20b.jpg"),
    ],
)
def test_a_request_goes_to_the_bucket_and_is_signed_for_it(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, addressing: Addressing, address: str
) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def ask(_: object, __: str, path: str, headers: dict[str, str], *___: object, **____: object) -> Answer:
        asked.append((f"https://{headers['Host']}{path}", headers))
        return Answer(200, "OK", {"etag": '"x"'}, b"")

    monkeypatch.setattr(Https, "ask", ask)
    place = S3Place(endpoint, "eu-west-3", "sky", "roof", addressing, "GLACIER", "AK", "", Secret("moon"))
    S3Target(place).deliver(io.BytesIO(b"sky"), 3, "a b.jpg", lambda _: None)
    ((found, headers),) = asked
    assert found == address
    assert headers["X-Amz-Content-SHA256"] == "05f514fae7ca5710f9e9289a20a5c9b372af781bfc94dd23d9cb8a044122460f"
    scope, signed, signature = headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    assert scope.startswith("Credential=AK/")
    assert scope.endswith("/eu-west-3/s3/aws4_request")
    assert signed == ("SignedHeaders=content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class")
    assert len(signature) == len("Signature=") + 64
    assert "moon" not in repr(headers)


def test_what_answers_without_a_tag_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Https, "ask", lambda *_, **__: Answer(200, "OK", {}, b"<html>Welcome</html>"))
    place = S3Place("https://web.example", "eu-west-3", "sky", "", Addressing.PATH, "", "AK", "", Secret("moon"))
    with pytest.raises(UploadError) as caught:
        S3Target(place).check()
    assert (caught.value.fault, caught.value.words.sentence) == (Fault.PATH, "What answers there is no object store.")


def test_a_key_that_may_not_remove_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: object, method: str, *__: object, **___: object) -> Answer:
        return answer(403, "AccessDenied") if method == "DELETE" else Answer(200, "OK", {"etag": "x"}, b"")

    monkeypatch.setattr(Https, "ask", ask)
    place = S3Place("https://s3.example", "eu-west-3", "sky", "", Addressing.PATH, "", "AK", "", Secret("moon"))
    with pytest.raises(UploadError) as caught:
        S3Target(place).check()
    assert (caught.value.fault, "sent all the same" in caught.value.words.advice) == (Fault.RIGHT, True)


@pytest.mark.parametrize(("endpoint", "secret"), [("https://s3.example:99999", "moon"), ("https://s3.example", None)])
def test_a_place_that_cannot_be_asked_is_a_fault(endpoint: str, secret: str | None) -> None:
    with pytest.raises(UploadError):
        S3Target(S3Place(endpoint, "r", "sky", "", Addressing.PATH, "", "AK", "", Secret(secret) if secret else None))
