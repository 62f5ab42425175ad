"""indi-allsky's SyncAPI v1, sending: what a strict stand-in of its receiver takes, and every fault by its name."""

import io
import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.domain.errors import StoppedError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.domain.secret import Secret
from appliance.uploads import http
from appliance.uploads.indiallsky import IndiAllSkyTarget, V1Place
from appliance.uploads.port import Sender
from appliance.uploads.v1metadata import camera_uuid
from tests.integration.uploads.certificates import Authority, Issued
from tests.integration.uploads.indiallskyd import KEY, USER, Book, indiallskyd

pytestmark = pytest.mark.timeout(120)

SENDER = Sender("7Q2M9KD4", "Attic", "0.1.0", latitude_deg=48.2083, longitude_deg=16.3725, timezone="Europe/Vienna")
AT = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)
NAME = "2026-01-31/20260131T210015Z-1234.jpg"


def frame(number: int = 1234, *, stars: int | None = 321, at: datetime = AT, night: str = "2026-01-31") -> StoredFrame:
    measurement = Measurement(5006.25, 0.001, stars, None if stars is None else 20.75)
    return StoredFrame(
        id=number, night=NightId(night), exposure=Exposure(FrameKind.LIGHT, 12.5, 210.0, 2), started_at=at,
        width=1920, height=1080, measurement=measurement, picture_name="", thumb_name="", picture_bytes=7,
        sensor_temperature_c=-6.5,
    )  # fmt: skip


@dataclass
class Site:
    """The other side, and how to get there."""

    book: Book
    issued: Issued
    place: V1Place
    frames: dict[str, StoredFrame]

    def target(self, **changes: object) -> IndiAllSkyTarget:
        place = replace(self.place, **changes)  # type: ignore[arg-type]
        return IndiAllSkyTarget(place, sender=lambda: SENDER, frame_of=self.frames.get)

    def fault(self, **changes: object) -> UploadError:
        with closing(self.target(**changes)) as target, pytest.raises(UploadError) as caught:
            target.check()
        return caught.value


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    authority = Authority(tmp_path)
    issued = authority.issue("server", "127.0.0.1")
    with indiallskyd(issued) as (book, address):
        yield Site(book, issued, V1Place(address, USER, authority.pem, Secret(KEY)), {NAME.partition("/")[2]: frame()})


def send(target: IndiAllSkyTarget, name: str, data: bytes) -> list[int]:
    seen: list[int] = []
    target.deliver(io.BytesIO(data), len(data), name, seen.append)
    return seen


def test_a_picture_arrives_after_its_camera_with_every_number(site: Site) -> None:
    data = random.Random(1).randbytes(3 * http.CHUNK + 5)
    with closing(site.target()) as target:
        seen = send(target, NAME, data)
    assert seen == sorted(seen)
    assert seen[-1] == len(data)
    uuid = camera_uuid("7Q2M9KD4")
    assert [(method, path) for method, path, _ in site.book.heads] == [
        ("PUT", "/indi-allsky/sync/v1/camera"),
        ("PUT", "/indi-allsky/sync/v1/image"),
    ]
    camera = site.book.cameras[uuid]
    assert (camera["latitude"], camera["longitude"]) == (48.2, 16.4)  # ten kilometres are near enough for sun and moon
    assert (camera["friendlyName"], camera["tz"], camera["nightSunAlt"]) == ("Attic", "Europe/Vienna", -6.0)
    ((key, (metadata, media)),) = site.book.entries.items()
    assert media == data
    assert key == ("image", uuid, int(AT.timestamp()) + 3600)
    expected = {
        "type": 2, "dayDate": "20260131", "utc_offset": 3600.0, "night": True, "exposure": 12.5, "gain": 210.0, "binmode": 2,
        "temp": -6.5, "adu": 5006.25, "stars": 321, "width": 1920, "height": 1080, "moonphase": 98.5, "file_size": len(data),
        "data": {"camera_sqm_raw_mag": 20.75},
    }  # fmt: skip
    assert {key: metadata[key] for key in expected} == expected


def test_a_picture_by_day_belongs_to_its_day(site: Site) -> None:
    morning = datetime(2026, 2, 1, 8, 0, tzinfo=UTC)
    site.frames["b.jpg"] = frame(stars=None, at=morning)
    with closing(site.target()) as target:
        send(target, "2026-01-31/b.jpg", b"sky")
    ((metadata, _),) = site.book.entries.values()
    assert (metadata["night"], metadata["dayDate"], metadata["stars"], metadata["data"]) == (False, "20260201", 0, {})


def test_products_of_a_night_arrive_and_are_replaced(site: Site) -> None:
    files = {name: name.encode() for name in ("keogram.jpg", "startrail.jpg", "night.mp4", "day.mp4", "startrail.mp4")}
    with closing(site.target()) as target:
        for name, data in files.items():
            send(target, f"2026-01-31/{name}", data)
        send(target, "2026-01-31/keogram.jpg", b"longer keogram")
    uuid = camera_uuid("7Q2M9KD4")
    assert {key: media for key, (_, media) in site.book.entries.items()} == {
        ("keogram", uuid, "20260131", True): b"longer keogram",
        ("startrail", uuid, "20260131", True): b"startrail.jpg",
        ("video", uuid, "20260131", True): b"night.mp4",
        ("video", uuid, "20260131", False): b"day.mp4",
        ("startrailvideo", uuid, "20260131", True): b"startrail.mp4",
    }


def test_a_picture_that_is_there_already_counts_as_arrived(site: Site) -> None:
    for _ in range(2):
        with closing(site.target()) as target:
            send(target, NAME, b"sky")
    assert site.book.media("image") == [b"sky"]


def test_a_camera_that_was_forgotten_is_made_known_again(site: Site) -> None:
    with closing(site.target()) as target:
        send(target, NAME, b"sky")
        site.book.cameras.clear()
        site.book.entries.clear()
        send(target, NAME, b"sky")
    assert site.book.media("image") == [b"sky"]
    assert len(site.book.cameras) == 1


def test_a_picture_whose_numbers_are_gone_is_refused_alone(site: Site) -> None:
    with closing(site.target()) as target:
        with pytest.raises(UploadRefusedError, match="numbers"):
            send(target, "2026-01-31/20260131T210015Z-9.jpg", b"sky")
        send(target, NAME, b"sky")
    assert site.book.media("image") == [b"sky"]


def test_the_test_makes_the_camera_known_and_sends_nothing_else(site: Site) -> None:
    with closing(site.target()) as target:
        target.check()
    assert list(site.book.cameras) == [camera_uuid("7Q2M9KD4")]
    assert site.book.entries == {}


def test_user_key_and_clock(site: Site) -> None:
    for changes in ({"user": "other"}, {"key": Secret("0" * 64)}):
        error = site.fault(**changes)
        assert (error.fault, "wrong" in str(error)) == (Fault.LOGIN, True)
    with pytest.raises(UploadError, match="No API key"):
        site.target(key=None)
    site.book.clock_apart_s = -1200.0
    error = site.fault()
    assert error.fault is Fault.LOGIN
    assert "Its clock is 1" in str(error)
    assert "behind" in str(error)
    assert site.book.cameras == {}


def test_name_port_path_and_silence(site: Site) -> None:
    assert site.fault(address="https://no-such-name.invalid/indi-allsky").fault is Fault.NAME
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert site.fault(address=f"https://127.0.0.1:{port}/indi-allsky").fault is Fault.PORT
    assert site.fault(address=site.place.address.replace("indi-allsky", "typo")).fault is Fault.PATH
    with socket.create_server(("127.0.0.1", 0)) as hole:
        assert site.fault(address=f"https://127.0.0.1:{hole.getsockname()[1]}/indi-allsky").fault is Fault.SILENT
    assert site.book.cameras == {}


def test_no_certificate_but_a_trusted_one(site: Site, tmp_path: Path) -> None:
    error = site.fault(certificate="")
    assert (error.fault, error.shown) == (Fault.CERTIFICATE, site.issued.pem)
    assert site.fault(certificate=Authority(tmp_path, "other").pem).fault is Fault.CERTIFICATE
    assert site.book.heads == []


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, b"<html>a web site</html>", Fault.PATH), (200, b'{"url": "x"}', Fault.PATH), (404, b"", Fault.PATH),
        (403, b"", Fault.RIGHT), (500, b"", Fault.BROKEN), (502, b"", Fault.BROKEN), (302, b"", Fault.PATH),
    ],
)  # fmt: skip
def test_other_answers_become_faults(site: Site, status: int, body: bytes, fault: Fault) -> None:
    site.book.says = (status, body)
    assert site.fault().fault is fault


@pytest.mark.parametrize(("status", "body"), [(413, b""), (400, b""), (400, b'{"error": "not_implemented"}')])
def test_what_is_not_taken_is_refused_alone(site: Site, status: int, body: bytes) -> None:
    with closing(site.target()) as target:
        target.check()
        site.book.says = (status, body)
        with pytest.raises(UploadRefusedError):
            send(target, NAME, b"sky")


def test_a_film_that_outlasts_its_signature_is_refused_alone(site: Site) -> None:
    """The other side looks at the signature when it has the whole film: the clock stands for a slow line."""
    now = [time.time() - 3000.0]

    def late(sent: int) -> None:
        if sent:
            now[0] = time.time()

    target = IndiAllSkyTarget(site.place, sender=lambda: SENDER, frame_of=site.frames.get, now=lambda: now[0])
    with closing(target):
        now[0] = time.time()
        target.check()
        now[0] = time.time() - 3000.0
        with pytest.raises(UploadRefusedError, match="so long"):
            target.deliver(io.BytesIO(b"film"), 4, "2026-01-31/night.mp4", late)
    assert site.book.entries == {}


def test_a_stop_in_mid_transfer_leaves_nothing_there(site: Site) -> None:
    def stop(sent: int) -> None:
        if sent > 500_000:
            raise StoppedError("the appliance stops")

    with closing(site.target()) as target, pytest.raises(StoppedError):
        target.deliver(io.BytesIO(bytes(2_000_000)), 2_000_000, NAME, stop)
    assert site.book.entries == {}


def test_thirty_pictures_stand_there_once_though_the_line_breaks(site: Site) -> None:
    chance = random.Random(5)
    files = {f"2026-01-31/{number}.jpg": chance.randbytes(chance.choice((1, 70_000))) for number in range(30)}
    for number, name in enumerate(files):
        site.frames[name.partition("/")[2]] = frame(number, at=AT + timedelta(seconds=15 * number))
    with closing(site.target()) as target:
        for name, data in files.items():
            while True:
                breaks_at = chance.choice((0, 1, 50_000, 10**9, 10**9))

                def progress(sent: int, breaks_at: int = breaks_at) -> None:
                    if sent >= breaks_at:
                        raise StoppedError("the line broke")

                try:
                    target.deliver(io.BytesIO(data), len(data), name, progress)
                    break
                except StoppedError:
                    target.close()
    assert site.book.media("image") == list(files.values())
