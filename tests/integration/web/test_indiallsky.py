"""indi-allsky's SyncAPI v1, receiving: the requests of that program's client, byte for byte, against a running panel.

What its client writes is written down here from its public source: `requests` with a multipart encoder, by PUT, the metadata
first, a camera with an empty file. A request that was changed, comes from elsewhere, or again, stores nothing.
"""

import hashlib
import hmac
import io
import json
import random
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from appliance.domain.errors import UploadError
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.domain.peer import Key, PeerLimits, ThingKind
from appliance.domain.secret import Secret
from appliance.domain.syncv1 import parse_network
from appliance.imaging.codec import encode
from appliance.uploads.indiallsky import IndiAllSkyTarget, V1Place
from appliance.uploads.port import Sender
from tests.integration.web.client import Answer, Client
from tests.integration.web.conftest import RunningPanel, running_panel

pytestmark = pytest.mark.timeout(180)

CAMERA = "2f1c8a34-53c9-4d7e-9a3e-0d4f6a1b2c3d"
MADE_S = 1769893215
NIGHT = NightId("2026-01-31")
BOUNDARY = "3c1f8a0e6d5b4f72a9c0d1e2f3a4b5c6"
CAMERA_METADATA: dict[str, Any] = {
    "type": 1, "name": "ZWO CCD ASI290MM Mini", "driver": "indi_asi_ccd", "hidden": False, "minExposure": 3.2e-05,
    "maxExposure": 2000.0, "minGain": 0.0, "maxGain": 600.0, "minBinning": 1, "maxBinning": 4, "width": 1936, "height": 1096,
    "bits": 16, "pixelSize": 2.9, "cfa": None, "location": "Garden", "latitude": 48.2, "longitude": 16.4, "elevation": 180,
    "tz": "CET", "utc_offset": 3600.0, "owner": "Ada", "lensName": "AllSky", "lensFocalLength": 2.5, "lensFocalRatio": 2.0,
    "lensImageCircle": 3000, "lensOffsetX": 0, "lensOffsetY": 0, "alt": 90.0, "az": 0.0, "nightSunAlt": -6.0,
    "daytime_capture": True, "daytime_capture_save": True, "daytime_timelapse": True, "capture_pause": False, "s3_prefix": "",
    "web_nonlocal_images": False, "web_local_images_admin": False,
    "data": {"detected_name": "ZWO CCD ASI290MM Mini", "vs_magnitude": 6.0, "custom_chart_1_key": "sensor_user_10"},
    "uuid": CAMERA, "file_size": 0,
}  # fmt: skip
IMAGE_METADATA: dict[str, Any] = {
    "type": 2, "createDate": MADE_S, "dayDate": "20260131", "utc_offset": 3600.0, "exposure": 12.5, "exp_elapsed": 12.61,
    "gain": 210.0, "binmode": 1, "temp": -6.7, "adu": 5006.2, "stable": True, "moonmode": False, "moonphase": 98.4, "night": True,
    "adu_roi": False, "calibrated": True, "sqm": 5007.8, "stars": 321, "detections": 0, "process_elapsed": 1.2, "kpindex": 2.33,
    "ovation_max": 3, "smoke_rating": 1, "fileSize": 1, "height": 1080, "width": 1920,
    "keogram_pixels": [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15]], "camera_uuid": CAMERA,
    "data": {"uptime": 86400, "camera_sqm_raw_mag": 20.75, **{f"sensor_temp_{number}": 0.0 for number in range(60)}},
    "thumbnail_uuid": "b3a5f1de-0f5b-4f0e-8f34-2a3b4c5d6e7f",
}  # fmt: skip
OF_NIGHT: dict[str, Any] = {
    "createDate": MADE_S + 40_000, "utc_offset": 3600.0, "dayDate": "20260131", "night": True, "camera_uuid": CAMERA,
    "data": {"max_kpindex": 2.33, "max_stars": 400, "avg_sqm": 4000.5},
}  # fmt: skip


def jpeg(side: int, seed: int = 1) -> bytes:
    return bytes(encode(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8), 90))


def mp4(length: int, seed: int = 1) -> bytes:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    header = bytes(76) + struct.pack(">II", 640 << 16, 480 << 16)
    moov = box(b"moov", box(b"trak", box(b"tkhd", header)))
    return box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + moov + box(b"mdat", random.Random(seed).randbytes(length))


PICTURE, SMALL, FILM = jpeg(300), jpeg(32), mp4(9_000_000)


class Network:
    """A panel with one such peer, and what its client would send."""

    def __init__(self, running: RunningPanel) -> None:
        self.running, self.parts = running, running.world.parts
        self.gate = self.parts.v1_gate
        self.peer, self.key = self.gate.make("Garden", "attic", parse_network("127.0.0.2"), PeerLimits())

    def signature(self, metadata: bytes, *, slot: int = 0, key: str = "") -> str:
        number = int(self.parts.clock.now().timestamp() // 300) + slot
        return hmac.new((key or self.key.reveal()).encode(), str(number).encode() + metadata, hashlib.sha3_512).hexdigest()

    def request(
        self, kind: str, metadata: dict[str, Any], media: bytes, *, name: str = "ccd1.jpg", user: str = "attic",
        signature: str = "", method: str = "PUT", changed: dict[str, Any] | None = None, more: str = "",
    ) -> bytes:  # fmt: skip
        """Return a request as the other program's client writes it; `changed` metadata keep the signature of the right ones."""
        text = json.dumps({**metadata, "file_size": len(media)}).encode()
        signed = signature or self.signature(text)
        if changed is not None:
            text = json.dumps({**metadata, "file_size": len(media), **changed}).encode()
        body = (
            f"--{BOUNDARY}\r\n"
            'Content-Disposition: form-data; name="metadata"; filename="metadata.json"\r\n'
            "Content-Type: application/json\r\n\r\n"
        ).encode() + text
        body += (
            f"\r\n--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="media"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode() + media
        body += f"\r\n--{BOUNDARY}--\r\n".encode()
        head = (
            f"{method} /indi-allsky/sync/v1/{kind} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{self.running.port}\r\n"
            "User-Agent: python-requests/2.32.3\r\n"
            "Accept-Encoding: gzip, deflate, br\r\n"
            "Accept: */*\r\n"
            "Connection: close\r\n"
            f"Authorization: Bearer {user}:{signed}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"{more}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, request: bytes, *, source: str = "127.0.0.2") -> Answer:
        with self.running.client(source) as client:
            client.socket.settimeout(60)
            with suppress(OSError):  # it said no before it had heard all
                client.send(request)
            return client.answer()

    def say(self, kind: str, metadata: dict[str, Any], media: bytes, **changes: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
        answer = self.send(self.request(kind, metadata, media, **changes))
        return answer.status, json.loads(answer.body)

    def introduce(self) -> None:
        assert self.say("camera", CAMERA_METADATA, b"", name="bogus.ext") == (200, {"id": 1})

    def stored(self) -> dict[tuple[str, str, str], bytes]:
        found = self.parts.received
        things = [
            thing
            for night in found.nights(self.peer.id)
            for thing in (*found.frames_of(self.peer.id, night.night), *found.products_of(self.peer.id, night.night))
        ]
        read = self.parts.folder.path_of
        return {(thing.key.kind.value, thing.key.night.text, thing.key.name): read(thing.path).read_bytes() for thing in things}

    def files(self) -> list[str]:
        """Return what lies below the folders of peers, once the front has let go of what it held."""
        root, until = self.parts.folder.root, time.monotonic() + 20
        while any((root / "spool").iterdir()) and time.monotonic() < until:
            time.sleep(0.02)
        found = (path for top in ("peers", "spool") for path in (root / top).rglob("*"))
        return sorted(str(path.relative_to(root)) for path in found if path.is_file())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    with running_panel(tmp_path_factory.mktemp("panel") / "data") as panel:
        panel.world.claim()
        yield panel


@pytest.fixture
def network(shared: RunningPanel) -> Iterator[Network]:
    network = Network(shared)
    yield network
    for peer in shared.world.parts.peers.all():
        network.gate.forget(peer.id)
        shared.world.parts.received.remove_peer(peer.id)
        shared.world.parts.peers.remove(peer.id)
    for left in (shared.world.parts.folder.root / "peers").iterdir():
        shutil.rmtree(left)


def test_everything_that_has_its_place_here_arrives(network: Network) -> None:
    network.introduce()
    status, told = network.say("image", IMAGE_METADATA, PICTURE, name="ccd1_20260131_220015.jpg")
    assert (status, set(told), type(told["id"])) == (200, {"id", "url"}, int)
    products = {"keogram": (4, PICTURE), "startrail": (5, SMALL), "video": (3, FILM), "startrailvideo": (6, mp4(100))}
    ids = {told["id"]}
    for kind, (number, media) in products.items():
        status, told = network.say(kind, {"type": number, **OF_NIGHT}, media, name="allsky-x.bin")
        assert status == 200
        ids.add(told["id"])
    day = network.say("video", {"type": 3, **OF_NIGHT, "night": False}, mp4(200), name="allsky-x.mp4")
    assert day[0] == 200
    assert len(ids) == 5
    assert network.stored() == {
        ("frame", "2026-01-31", str(MADE_S)): PICTURE,
        ("product", "2026-01-31", "keogram"): PICTURE,
        ("product", "2026-01-31", "startrail"): SMALL,
        ("film", "2026-01-31", "night"): FILM,
        ("film", "2026-01-31", "startrail"): mp4(100),
        ("film", "2026-01-31", "day"): mp4(200),
    }
    frame = network.parts.received.find(network.peer.id, Key(ThingKind.FRAME, NIGHT, str(MADE_S)))
    assert frame is not None
    assert frame.numbers is not None
    assert frame.numbers.started_at == datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)
    assert frame.numbers.measurement == Measurement(5006.2, 0.0, 321, 20.75)
    assert (frame.width, frame.path.rpartition(".")[2]) == (300, "jpg")
    peer = network.parts.peers.get(network.peer.id)
    assert peer is not None
    assert (peer.told, peer.last_address) == ("ZWO CCD ASI290MM Mini", "127.0.0.2")
    assert not [name for name in network.files() if name.startswith("spool/")]


def test_a_thumbnail_is_taken_and_let_go(network: Network) -> None:
    network.introduce()
    metadata = {"type": 15, "origin": 2, **OF_NIGHT, "uuid": "b3a5f1de-0f5b-4f0e-8f34-2a3b4c5d6e7f", "width": 150, "height": 84}
    status, told = network.say("thumbnail", metadata, SMALL)
    assert (status, set(told)) == (200, {"id", "url"})
    assert network.files() == []


def test_a_repeat_stores_nothing_new(network: Network) -> None:
    network.introduce()
    requests = [
        network.request("image", IMAGE_METADATA, PICTURE),
        network.request("keogram", {"type": 4, **OF_NIGHT}, PICTURE),
        network.request("video", {"type": 3, **OF_NIGHT}, FILM, name="x.mp4"),
    ]
    first = [network.send(request) for request in requests]
    files = network.files()
    for _ in range(2):
        assert [network.send(request).body for request in requests] == [answer.body for answer in first]
    later = network.request("image", IMAGE_METADATA, PICTURE, signature="")
    assert network.send(later).status == 200
    assert network.files() == files


def test_the_same_signature_with_other_media_changes_nothing(network: Network) -> None:
    network.introduce()
    for kind, metadata in (("image", IMAGE_METADATA), ("keogram", {"type": 4, **OF_NIGHT})):
        assert network.send(network.request(kind, metadata, PICTURE)).status == 200
        forged = jpeg(300, seed=2)
        forged = forged[: len(PICTURE)].ljust(len(PICTURE), b"\0")  # the size is among the metadata
        assert network.say(kind, metadata, forged) == (400, {"error": "authentication failed"})
        assert network.stored()["frame", "2026-01-31", str(MADE_S)] == PICTURE
    assert network.stored()["product", "2026-01-31", "keogram"] == PICTURE


def test_a_picture_is_never_replaced_and_a_product_is_by_who_has_the_key(network: Network) -> None:
    network.introduce()
    assert network.say("image", IMAGE_METADATA, PICTURE)[0] == 200
    assert network.say("image", IMAGE_METADATA, SMALL) == (400, {"error": "file_exists"})
    assert network.say("keogram", {"type": 4, **OF_NIGHT}, PICTURE)[0] == 200
    assert network.say("keogram", {"type": 4, **OF_NIGHT}, SMALL)[0] == 200
    assert set(network.stored().values()) == {PICTURE, SMALL}
    assert len(network.files()) == 3  # two things and a thumbnail


@pytest.mark.parametrize("media", [SMALL, PICTURE], ids=["small", "through the door"])
def test_what_was_changed_stores_nothing(network: Network, media: bytes) -> None:
    network.introduce()
    text = json.dumps({**IMAGE_METADATA, "file_size": len(media)}).encode()
    right = network.signature(text)
    wrong: dict[str, dict[str, Any]] = {
        "metadata": {"changed": {"createDate": MADE_S + 15}},
        "one blank": {"changed": {"createDate": MADE_S, " ": 0}},
        "signature": {"signature": right[:-1] + ("0" if right[-1] != "0" else "1")},
        "letters of the signature": {"signature": right.upper()},
        "user": {"user": "other"},
        "no user": {"user": ""},
        "key": {"signature": network.signature(text, key="0" * 64)},
        "old slot": {"signature": network.signature(text, slot=-5)},
        "new slot": {"signature": network.signature(text, slot=2)},
        "cookie": {"more": "Cookie: a=b\r\n"},
        "second header": {"more": "Authorization: Bearer attic:0\r\n"},
        "size": {"changed": {"file_size": len(media) + 1}},
    }
    for what, changes in wrong.items():
        answer = network.send(network.request("image", IMAGE_METADATA, media, **changes))
        assert 400 <= answer.status < 500, what
    assert network.files() == []
    assert network.send(network.request("image", IMAGE_METADATA, media, signature=network.signature(text, slot=-4))).status == 200


@pytest.mark.parametrize("media", [SMALL, PICTURE], ids=["small", "through the door"])
def test_from_another_address_nothing_is_taken(network: Network, media: bytes) -> None:
    network.introduce()
    request = network.request("image", IMAGE_METADATA, media)
    for source in ("127.0.0.1", "127.0.0.3"):
        assert 400 <= network.send(request, source=source).status < 500
    assert network.files() == []
    assert network.send(request).status == 200


def test_the_signature_covers_no_path_so_the_content_decides(network: Network) -> None:
    """Sent to another path, a picture's request finds no place, or another's place with content that does not fit."""
    network.introduce()
    for kind in (
        "keogram",
        "video",
        "panoramaimage",
        "minivideo",
        "rawimage",
        "fitsimage",
        "panoramavideo",
        "images",
        "image/",
        "",
    ):
        answer = network.send(network.request("image", IMAGE_METADATA, PICTURE).replace(b"/v1/image", f"/v1/{kind}".encode()))
        assert answer.status in ({200, 400} if kind == "keogram" else {400, 404}), kind
    assert ("frame", "2026-01-31", str(MADE_S)) not in network.stored()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_only_what_the_client_uses_is_served(network: Network, method: str) -> None:
    network.introduce()
    assert network.send(network.request("image", IMAGE_METADATA, SMALL, method=method)).status in {404, 405}
    assert network.files() == []


def test_content_is_what_it_is_and_not_what_its_name_says(network: Network) -> None:
    network.introduce()
    for kind, metadata, media in (
        ("image", IMAGE_METADATA, b"<svg onload=alert(1)>" * 5000), ("image", IMAGE_METADATA, FILM[:100_000]),
        ("image", IMAGE_METADATA, b""), ("image", IMAGE_METADATA, PICTURE[:200]), ("video", {"type": 3, **OF_NIGHT}, PICTURE),
        ("keogram", {"type": 4, **OF_NIGHT}, b"\x89PNG\r\n\x1a\n" + bytes(100_000)),
    ):  # fmt: skip
        status, told = network.say(kind, metadata, media, name="../../../etc/cron.d/x.jpg")
        assert (status, set(told)) == (400, {"error"})
    assert network.files() == []


def test_a_camera_comes_first_and_another_one_takes_its_place(network: Network) -> None:
    assert network.say("image", IMAGE_METADATA, SMALL) == (400, {"error": "camera not found"})
    network.introduce()
    other = "aaaaaaaa-53c9-4d7e-9a3e-0d4f6a1b2c3d"
    assert network.say("image", {**IMAGE_METADATA, "camera_uuid": other}, SMALL) == (400, {"error": "camera not found"})
    assert network.say("camera", {**CAMERA_METADATA, "uuid": other}, b"")[0] == 200
    assert network.say("image", IMAGE_METADATA, SMALL) == (400, {"error": "camera not found"})
    assert network.say("image", {**IMAGE_METADATA, "camera_uuid": other}, SMALL)[0] == 200


def test_a_sender_that_leaves_in_the_middle_leaves_nothing(network: Network) -> None:
    network.introduce()
    request = network.request("video", {"type": 3, **OF_NIGHT}, FILM, name="x.mp4")
    spool = network.parts.folder.root / "spool"
    for _ in range(6):  # more often than there are places
        with network.running.client("127.0.0.2") as client:
            client.send(request[: len(request) // 2])
            until = time.monotonic() + 20
            while not any(spool.iterdir()):
                assert time.monotonic() < until
                time.sleep(0.01)
    assert network.files() == []
    assert network.send(request).status == 200


def test_without_such_a_peer_its_addresses_do_not_exist(network: Network) -> None:
    network.introduce()
    network.gate.forget(network.peer.id)
    for media in (SMALL, PICTURE):
        assert network.send(network.request("image", IMAGE_METADATA, media)).status == 404
    assert network.files() == []


def test_a_flood_of_forgeries_none_of_which_is_taken(network: Network) -> None:
    network.introduce()
    chance = random.Random(7)
    text = json.dumps({**IMAGE_METADATA, "file_size": len(SMALL)}).encode()
    right = network.request("image", IMAGE_METADATA, SMALL)
    begin, end = right.index(b"Bearer"), right.index(b"\r\nContent-Type: multipart")
    answers: list[int] = []
    line: Client | None = None
    for number in range(1000):
        match number % 4:
            case 0:
                request = network.request("image", IMAGE_METADATA, SMALL, signature=f"{chance.getrandbits(512):0128x}")
            case 1:
                request = network.request("image", IMAGE_METADATA, SMALL, changed={"createDate": chance.randrange(2**31)})
            case 2:
                slot = chance.choice((-1, 1)) * chance.randrange(6, 10_000)
                request = network.request("image", IMAGE_METADATA, SMALL, signature=network.signature(text, slot=slot))
            case _:
                at = chance.randrange(begin, end)
                request = right[:at] + bytes([right[at] ^ 1 << chance.randrange(5)]) + right[at + 1 :]
        line = line or network.running.client("127.0.0.2")
        line.send(request.replace(b"Connection: close\r\n", b""))
        answer = line.answer()
        answers.append(answer.status)
        if answer.headers.get("connection", "").lower() == "close":  # the head was none
            line.close()
            line = None
    if line is not None:
        line.close()
    assert set(answers) <= {400, 401, 404, 408, 411, 413, 417, 421, 431}
    assert answers.count(400) > 700
    assert network.files() == []
    assert network.send(right).status == 200


def test_a_nightjar_sends_to_a_nightjar_by_it(network: Network) -> None:
    network.peer, key = network.gate.make("Barn", "barn", parse_network("127.0.0.1"), PeerLimits())
    at = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)
    frame = StoredFrame(
        id=1234, night=NIGHT, exposure=Exposure(FrameKind.LIGHT, 12.5, 210.0), started_at=at, width=300, height=300,
        measurement=Measurement(5006.25, 0.001, 321, 20.75), picture_name="", thumb_name="", picture_bytes=len(PICTURE),
    )  # fmt: skip
    authority = network.parts.certificates.authority_pem.decode()
    place = V1Place(f"{network.running.address}/indi-allsky", "barn", authority, key)
    sender = Sender("7Q2M9KD4", "Attic", "0.1.0", latitude_deg=48.2, longitude_deg=16.4, timezone="Europe/Vienna")
    target = IndiAllSkyTarget(place, sender=lambda: sender, frame_of=lambda _: frame)
    files = {"20260131T210015Z-1234.jpg": PICTURE, "keogram.jpg": SMALL, "night.mp4": FILM, "day.mp4": mp4(5)}
    with closing(target):
        target.check()
        for _ in range(2):
            for name, data in files.items():
                target.deliver(io.BytesIO(data), len(data), f"2026-01-31/{name}", lambda _: None)
    assert network.stored() == {
        ("frame", "2026-01-31", str(MADE_S)): PICTURE,
        ("product", "2026-01-31", "keogram"): SMALL,
        ("film", "2026-01-31", "night"): FILM,
        ("film", "2026-01-31", "day"): mp4(5),
    }
    wrong = IndiAllSkyTarget(replace(place, key=Secret("0" * 64)), sender=lambda: sender, frame_of=lambda _: frame)
    with closing(wrong), pytest.raises(UploadError, match="authentication failed"):
        wrong.check()
