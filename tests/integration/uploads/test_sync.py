"""Another Nightjar as a target: equal stores through a network that is cut, and a receiver that takes nothing forged."""

import hashlib
import http.client
import json
import random
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import simplejpeg

from appliance.domain.clock import SystemClock
from appliance.domain.errors import UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.domain.peer import PeerLimits, Received, ThingKind
from appliance.domain.secret import Secret
from appliance.domain.upload import Outgoing, UploadKind
from appliance.security.signedheader import signed_header
from appliance.security.signing import new_sync_key
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.uploads.sync import HERE, SyncTarget
from tests.integration.uploads.many import TARGET, Hurried, courier_of, queue_in
from tests.integration.uploads.observatory import Observatory, Relay, film, observatory

pytestmark = pytest.mark.timeout(600)
FRAMES = 1000
FORGED = 10_000
NIGHT = NightId("2026-01-31")
EVENING = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder in memory, where there is one: a thousand frames are ten thousand times forced to a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    if not (memory.is_dir() and shutil.disk_usage(memory).free > (200 << 20)):
        yield tmp_path_factory.mktemp("swift")
        return
    with TemporaryDirectory(dir=memory) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def there(swift: Path) -> Iterator[Observatory]:
    with observatory(swift / "there") as found:
        yield found


@pytest.fixture
def peer(there: Observatory) -> Iterator[Observatory]:
    """Return the observatory with a peer of this test alone."""
    made, key = there.world.parts.peer_gate.make(f"Peer {time.monotonic_ns()}", PeerLimits())
    yield replace(there, peer=made, key=key)
    there.world.parts.peer_gate.remove(made.id)
    there.world.parts.received.remove_peer(made.id)


@pytest.fixture
def here(swift: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=swift) as made:
        yield Path(made)


@pytest.fixture
def frames(here: Path) -> Iterator[FrameStore]:
    folder = DataFolder(here)
    folder.open()
    database = Database(folder.root, SystemClock())
    database.open()
    yield FrameStore(database, folder)
    database.close()
    folder.close()


def picture(number: int, side: int = 96) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 60, (side, side, 3), dtype=np.uint8)
    return simplejpeg.encode_jpeg(pixels, quality=90, colorspace="BGR")  # type: ignore[no-any-return]


def add(frames: FrameStore, number: int, side: int = 96, night: NightId = NIGHT) -> StoredFrame:
    data = picture(number, side)
    return frames.add(
        data,
        data,
        night=night,
        exposure=Exposure(FrameKind.LIGHT, 0.1 * (number + 1), 1.5 * number, 1 + number % 4, number % 50 or None),
        started_at=EVENING + timedelta(seconds=number, microseconds=number),
        width=side,
        height=side,
        measurement=Measurement(100.0 + number / 7, number / FRAMES, number % 300 or None, 20 + number / 3000),
        sensor_temperature_c=-5 + number / 100,
    )


def deliver(target: SyncTarget, frames: FrameStore, frame: StoredFrame) -> None:
    data = frames.picture_path(frame).read_bytes()
    target.deliver(BytesIO(data), len(data), f"{frame.night}/{frames.picture_path(frame).name}", lambda _: None)


def things(observatory: Observatory, night: NightId = NIGHT) -> list[Received]:
    found, before = list[Received](), None
    while page := observatory.world.parts.received.frames_of(observatory.peer.id, night, 500, before):
        found, before = found + page, page[-1].key.number
    return found


def files_below(observatory: Observatory) -> set[str]:
    root = observatory.world.parts.folder.root
    top = root / "peers" / observatory.peer.id
    return {path.relative_to(root).as_posix() for path in top.rglob("*") if path.is_file()}


# --- equal stores -----------------------------------------------------------------------------------------------------


def test_1000_frames_make_equal_stores_though_the_network_is_cut_at_random(
    here: Path, peer: Observatory, frames: FrameStore
) -> None:
    chance = random.Random(11)
    sent = {frame.id: frame for frame in (add(frames, number) for number in range(FRAMES))}
    clip = film(here, 320, 40)
    (here / "night.mp4").write_bytes(clip)
    relay = Relay(peer.port)
    with (
        closing(relay),
        queue_in(here / "queue", Hurried()) as queue,
        closing(courier_of(queue, here, lambda: peer.target(frames.of_name, port=relay.port), chance, Hurried())) as courier,
    ):
        outgoing = [
            Outgoing(TARGET, UploadKind.PICTURE, frame.picture_name, f"{frame.night}/{Path(frame.picture_name).name}")
            for frame in sent.values()
        ]
        queue.add([*outgoing, Outgoing(TARGET, UploadKind.FILM, "night.mp4", f"{NIGHT}/night.mp4")])
        deadline = time.monotonic() + 400
        while queue.summary(TARGET).waiting:
            assert time.monotonic() < deadline, queue.summary(TARGET)
            if relay.budget is None and relay.cuts < 25:
                relay.budget = chance.choice((300, 5_000, 60_000, 200_000, 400_000))
            courier.step()
        summary = queue.summary(TARGET)
    assert (summary.arrived, summary.refused, summary.dropped) == (FRAMES + 1, 0, 0)
    assert relay.cuts >= 10, "the network held too well"
    found = things(peer)
    assert [one.key.number for one in found] == sorted(sent, reverse=True)
    for one in found:
        frame = sent[one.key.number]
        path = peer.world.parts.folder.path_of(one.path)
        assert path.read_bytes() == frames.picture_path(frame).read_bytes()
        numbers = one.numbers
        assert numbers is not None
        assert (numbers.started_at, numbers.exposure, numbers.measurement, numbers.sensor_temperature_c) == (
            frame.started_at,
            frame.exposure,
            frame.measurement,
            frame.sensor_temperature_c,
        )
        assert (one.width, one.height, one.size) == (frame.width, frame.height, frame.picture_bytes)
    (night,) = peer.world.parts.received.nights(peer.peer.id)
    assert (night.frames, night.first_at, night.last_at) == (FRAMES, sent[min(sent)].started_at, sent[max(sent)].started_at)
    (one,) = peer.world.parts.received.products_of(peer.peer.id, NIGHT)
    assert peer.world.parts.folder.path_of(one.path).read_bytes() == clip
    assert (one.key.kind, one.key.name, one.width, one.height) == (ThingKind.FILM, "night", 320, 320)
    assert files_below(peer) == {name for thing in [*found, one] for name in (thing.path, thing.thumb_path) if name}
    print(f"{relay.cuts} cuts")


def test_a_large_film_goes_on_where_it_was_cut(tmp_path: Path, peer: Observatory) -> None:
    clip = film(tmp_path, 640, 60)
    assert len(clip) > 4_000_000
    relay = Relay(peer.port)
    sent: list[int] = []
    with closing(relay):
        for budget in (1_500_000, 3_000_000, None):
            relay.budget = budget
            with closing(peer.target(port=relay.port)) as target:
                with suppress(UploadError):
                    target.deliver(BytesIO(clip), len(clip), f"{NIGHT}/night.mp4", sent.append)
                    break
                sent.append(-1)
    attempts = [max(part, default=0) for part in _split(sent)]
    assert len(attempts) == 3
    assert attempts[-1] < len(clip) - 500_000, "the last attempt sent all of it again"
    (one,) = peer.world.parts.received.products_of(peer.peer.id, NIGHT)
    assert peer.world.parts.folder.path_of(one.path).read_bytes() == clip
    assert files_below(peer) == {one.path}


def _split(sent: list[int]) -> Iterator[list[int]]:
    part: list[int] = []
    for number in sent:
        if number < 0:
            yield part
            part = []
        else:
            part.append(number)
    yield part


def test_a_repeat_stores_nothing_and_a_new_keogram_replaces_the_old_one(peer: Observatory, frames: FrameStore) -> None:
    frame = add(frames, 1)
    with closing(peer.target(frames.of_name)) as target:
        for _ in range(3):
            deliver(target, frames, frame)
        before = files_below(peer)
        assert len(before) == 2
        for number in (5, 6, 6):
            data = picture(number, 120)
            target.deliver(BytesIO(data), len(data), f"{NIGHT}/keogram.jpg", lambda _: None)
    (keogram,) = peer.world.parts.received.products_of(peer.peer.id, NIGHT)
    assert peer.world.parts.folder.path_of(keogram.path).read_bytes() == picture(6, 120)
    assert files_below(peer) == before | {keogram.path}
    assert peer.world.parts.received.bytes_of(peer.peer.id) == sum(
        (peer.world.parts.folder.root / name).stat().st_size for name in files_below(peer)
    )


def test_two_peers_with_the_same_numbers_do_not_meet(there: Observatory, peer: Observatory, frames: FrameStore) -> None:
    frame = add(frames, 2)
    for one in (there, peer):
        with closing(one.target(frames.of_name)) as target:
            deliver(target, frames, frame)
    assert [len(things(one)) for one in (there, peer)] == [1, 1]
    assert things(there)[0].path != things(peer)[0].path


# --- faults, told apart -----------------------------------------------------------------------------------------------


def fault_of(target: SyncTarget) -> tuple[Fault, str]:
    with closing(target), pytest.raises(UploadError) as failed:
        target.check()
    return failed.value.fault, str(failed.value)


def _off_by(apart_s: float) -> float:
    return time.time() + apart_s


def test_what_is_wrong_is_told_apart(peer: Observatory) -> None:
    with closing(peer.target()) as good:
        good.check()
    told = peer.world.parts.peers.get(peer.peer.id)
    assert told is not None
    assert told.told == "Hilltop (7Q2M9KD4), Nightjar 0.1.0"
    assert fault_of(SyncTarget(peer.place(key=new_sync_key())))[0] is Fault.LOGIN
    assert fault_of(SyncTarget(peer.place(key=Secret("a word"))))[0] is Fault.LOGIN
    other = replace(peer.place(), fingerprint=":".join(["AB"] * 32))
    fault, words = fault_of(SyncTarget(other))
    assert (fault, peer.fingerprint in words) == (Fault.CERTIFICATE, True)
    assert fault_of(SyncTarget(peer.place(port=1)))[0] is Fault.PORT
    for apart_s, side in ((600, "ahead of"), (-600, "behind")):
        fault, words = fault_of(SyncTarget(peer.place(), now=partial(_off_by, apart_s)))
        assert fault is Fault.CLOCK
        assert f" s {side} this one; at most 300 s are allowed" in words
        assert 590 <= int(words.split(" s ")[0].rsplit(" ", 1)[1]) <= 610
    peer.world.parts.peer_gate.revoke(peer.peer.id)
    fault, words = fault_of(peer.target())
    assert (fault, "revoked" in words) == (Fault.LOGIN, True)


def test_a_rotated_key_takes_over_with_its_first_use_and_the_old_one_ends_then(peer: Observatory) -> None:
    new = peer.world.parts.peer_gate.rotate(peer.peer.id, at_once=False)
    with closing(peer.target()) as old:
        old.check()
    with closing(SyncTarget(peer.place(key=new))) as fresh:
        fresh.check()
    assert fault_of(peer.target())[0] is Fault.LOGIN
    newest = peer.world.parts.peer_gate.rotate(peer.peer.id, at_once=True)
    assert fault_of(SyncTarget(peer.place(key=new)))[0] is Fault.LOGIN
    with closing(SyncTarget(peer.place(key=newest))) as last:
        last.check()


def test_a_full_peer_and_bytes_that_are_no_picture_are_refused(peer: Observatory, frames: FrameStore) -> None:
    with closing(peer.target(frames.of_name)) as target:
        for bad in (b"MZ" + bytes(2000), b"<svg onload=alert(1)>" * 40, picture(3)[:700], b"\xff\xd8\xff\xd9" * 200):
            with pytest.raises(UploadRefusedError):
                target.deliver(BytesIO(bad), len(bad), f"{NIGHT}/keogram.jpg", lambda _: None)
        with pytest.raises(UploadRefusedError):
            target.deliver(BytesIO(picture(3)), len(picture(3)), f"{NIGHT}/night.mp4", lambda _: None)
        with pytest.raises(UploadRefusedError):
            target.deliver(BytesIO(b"x"), 1, f"{NIGHT}/../../etc/passwd", lambda _: None)
        settings = peer.world.parts.settings.published.value
        free_mib = peer.world.parts.folder.free_bytes() >> 20
        try:
            retention = settings.retention.model_copy(update={"reserve_mib": free_mib + 100})
            peer.world.parts.settings.published.publish(settings.model_copy(update={"retention": retention}))
            with pytest.raises(UploadError) as full:
                deliver(target, frames, add(frames, 4))
            assert full.value.fault is Fault.FULL
        finally:
            peer.world.parts.settings.published.publish(settings)
    assert files_below(peer) == set()


# --- nothing forged ---------------------------------------------------------------------------------------------------


class Raw:
    """Sends whatever it is told to over TLS, and reads what comes."""

    def __init__(self, there: Observatory) -> None:
        context = ssl.create_default_context(cadata=there.world.parts.certificates.authority_pem.decode())
        self._connection = http.client.HTTPSConnection("127.0.0.1", there.port, timeout=30, context=context)

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, ""

    def close(self) -> None:
        self._connection.close()


def signed(key: Secret[str], body: bytes, *, time_s: int | None = None) -> tuple[str, dict[str, str]]:
    path = f"{HERE}/product/{NIGHT}/keogram?offset=0"
    metadata = json.dumps({"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}, separators=(",", ":"))
    now_s = int(time.time()) if time_s is None else time_s
    header = signed_header(key, "PUT", path, body=body, metadata=metadata, time_s=now_s)
    return path, {"Authorization": header, "Nightjar-Metadata": metadata}


Request = tuple[str, str, bytes, dict[str, str]]
"""Method, path, body and headers."""


def changed(chance: random.Random, request: Request, which: int) -> Request:
    """Return a request that was changed after it was signed."""
    method, path, body, headers = request
    authorization = headers["Authorization"]
    match which:
        case 0:  # another body of the same length
            at = chance.randrange(len(body))
            return method, path, body[:at] + bytes([body[at] ^ (1 + chance.randrange(255))]) + body[at + 1 :], headers
        case 1:
            return method, path, body[: chance.randrange(len(body))], headers
        case 2:
            return method, path.replace("keogram", "startrail"), body, headers
        case 3:
            return method, path.replace("offset=0", f"offset={1 + chance.randrange(9)}"), body, headers
        case 4:
            told = headers["Nightjar-Metadata"].replace('"size":', '"size": ')
            return method, path, body, {**headers, "Nightjar-Metadata": told}
        case 5:
            return "GET", path, body, headers
        case 6:  # another digit somewhere
            at = chance.randrange(len("NIGHTJAR1 key="), len(authorization))
            new = chance.choice([digit for digit in "0123456789abcdef" if digit != authorization[at]])
            return method, path, body, {**headers, "Authorization": authorization[:at] + new + authorization[at + 1 :]}
        case 7:
            return method, path, body, {**headers, "Authorization": authorization[: chance.randrange(len(authorization))]}
        case _:
            return method, path, body, {**headers, "Cookie": "__Host-nightjar=x"}


def forged(chance: random.Random, key: Secret[str], number: int, used: Request) -> Request:
    """Return a request that was changed, comes again, is of another time, or is signed with no key of ours."""
    body = picture(number % 50, 64)
    match number % 12:
        case 9:
            return used
        case 10:
            path, headers = signed(new_sync_key(), body)
        case 11:
            apart_s = chance.choice((-1, 1)) * chance.randrange(310, 10**6)
            path, headers = signed(key, body, time_s=int(time.time()) + apart_s)
        case which:
            path, headers = signed(key, body)
            return changed(chance, ("PUT", path, body, headers), which)
    return "PUT", path, body, headers


def test_10000_forged_replayed_and_truncated_requests_store_nothing_and_the_panel_answers_meanwhile(peer: Observatory) -> None:
    good = picture(999, 64)
    path, headers = signed(peer.key, good)
    with closing(Raw(peer)) as raw:
        assert raw.ask("PUT", path, good, headers)[0] == 200
    used, before = ("PUT", path, good, headers), files_below(peer)
    (kept,) = peer.world.parts.received.products_of(peer.peer.id, NIGHT)
    statuses: dict[int, int] = {}
    done = threading.Event()
    waited: list[float] = []

    def flood(seed: int) -> None:
        chance = random.Random(seed)
        with closing(Raw(peer)) as raw:
            for number in range(seed, FORGED, 2):
                method, path, body, headers = forged(chance, peer.key, number, used)
                status, _ = raw.ask(method, path, body, headers)
                statuses[status] = statuses.get(status, 0) + 1

    def look() -> None:
        with closing(Raw(peer)) as raw:
            while not done.is_set():
                begin = time.monotonic()
                assert raw.ask("GET", "/healthz", b"", {})[0] == 200
                waited.append(time.monotonic() - begin)
                done.wait(0.1)

    looker, flooders = threading.Thread(target=look), [threading.Thread(target=flood, args=(seed,)) for seed in (0, 1)]
    begin = time.monotonic()
    for thread in (looker, *flooders):
        thread.start()
    for thread in flooders:
        thread.join()
    took = time.monotonic() - begin
    done.set()
    looker.join()
    assert sum(statuses.values()) == FORGED
    assert set(statuses) <= {0, 400, 401, 403, 409}, statuses
    assert files_below(peer) == before
    assert peer.world.parts.received.products_of(peer.peer.id, NIGHT) == [kept]
    assert len(waited) > 5
    waited.sort()
    print(
        f"{FORGED / took:.0f} requests/s; /healthz meanwhile: median {1000 * waited[len(waited) // 2]:.0f} ms, "
        f"worst {1000 * waited[-1]:.0f} ms; {statuses}"
    )
    body = picture(998, 64)
    path, headers = signed(peer.key, body)
    with closing(Raw(peer)) as raw:
        assert raw.ask("PUT", path, body, headers)[0] == 200, "an honest request is taken as before"


def test_each_part_that_is_changed_is_refused_with_its_reason(peer: Observatory) -> None:
    body = picture(1, 64)
    path, headers = signed(peer.key, body)
    other = {**headers, "Nightjar-Metadata": headers["Nightjar-Metadata"].replace('"size":', '"size": ')}
    late_path, late = signed(peer.key, body, time_s=int(time.time()) - 600)
    with closing(Raw(peer)) as raw:
        reasons = [
            json.loads(raw.ask(method, at, data, with_headers)[1]).get("reason")
            for method, at, data, with_headers in (
                ("PUT", path, body + b"x", headers),
                ("PUT", path.replace("keogram", "startrail"), body, headers),
                ("PUT", path, body, other),
                ("GET", path, b"", headers),
                ("PUT", path, body, {**headers, "Cookie": "a=b"}),
                ("PUT", path, body, {"Nightjar-Metadata": headers["Nightjar-Metadata"]}),
                ("PUT", late_path, body, late),
            )
        ]
        assert reasons == ["signature"] * 6 + ["clock"]
        assert raw.ask("PUT", path, body, headers)[0] == 200
        status, answer = raw.ask("PUT", path, body, headers)
        assert (status, json.loads(answer)["reason"]) == (409, "replay")
