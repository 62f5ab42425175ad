"""An object store: every byte, every fault by its name, nothing half, no certificate but a trusted one."""

import io
import random
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.auth
import pytest

from appliance.domain.errors import StoppedError, UploadError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.settings.servicetargets import Addressing
from appliance.uploads import s3, trust
from appliance.uploads.faults import DEADLINE_S
from appliance.uploads.s3 import PART, S3Place, S3Target
from tests.integration.uploads.certificates import Authority, Issued, self_signed
from tests.integration.uploads.many import files_of, send_through_a_storm
from tests.integration.uploads.s3d import BUCKET, KEY_ID, READER_ID, READER_KEY, SECRET_KEY, Relay, Store, free_ports, store

pytestmark = [pytest.mark.needs("curl"), pytest.mark.timeout(300)]
LARGE = 2 * PART + 1_234_567


@dataclass
class Site:
    """A store, and a folder of a test's own in its bucket."""

    store: Store
    place: S3Place

    def found(self) -> dict[str, bytes]:
        return {
            key.removeprefix(f"{self.place.prefix}/"): data for key, data in self.store.found(f"{self.place.prefix}/").items()
        }

    def relay(self, alter: Callable[[bytes], bytes] = bytes, lets_through: Callable[[bytes], bool] = bool) -> Relay:
        issued = self.store.authority.issue("relay", "127.0.0.1")
        return Relay((issued.certificate, issued.key), self.store.plain_port, alter, lets_through)

    def beyond(self, issued: Issued) -> Relay:
        """Return a way to the store that shows another certificate."""
        return Relay((issued.certificate, issued.key), self.store.plain_port)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    with store(folder, Authority(folder), free_ports()) as server:
        yield server


@pytest.fixture
def site(running: Store, request: pytest.FixtureRequest) -> Site:
    prefix = f"roof/{abs(hash(request.node.name)):x}"
    pem = running.authority.pem
    secret = Secret(SECRET_KEY)
    return Site(running, S3Place(running.endpoint, "us-east-1", BUCKET, prefix, Addressing.PATH, "", KEY_ID, pem, secret))


def send(place: S3Place, name: str, data: bytes) -> list[int]:
    seen: list[int] = []
    with closing(S3Target(place)) as target:
        target.deliver(io.BytesIO(data), len(data), name, seen.append)
    return seen


def fault_of(place: S3Place) -> UploadError:
    began_s = time.monotonic()
    with pytest.raises(UploadError) as caught, closing(S3Target(place)) as target:
        target.check()
    assert time.monotonic() - began_s < 4 * DEADLINE_S
    return caught.value


def test_files_stand_there_whole_under_their_names(site: Site) -> None:
    chance = random.Random(1)
    sizes = {"a.jpg": 0, "b c.jpg": 1, "2026-01-31/x_~.jpg": 40_000, "2026-01-31/y.jpg": 3_000_001}
    files = {name.replace("~", "-"): chance.randbytes(size) for name, size in sizes.items()}
    with closing(S3Target(site.place)) as target:
        for name, data in files.items():
            seen = list[int]()
            target.deliver(io.BytesIO(data), len(data), name, seen.append)
            assert seen == sorted(seen)
            assert seen[-1] == len(data)
        target.deliver(io.BytesIO(b"new"), 3, "a.jpg", lambda _: None)  # what lay there is replaced
    assert site.found() == {**files, "a.jpg": b"new"}
    assert "content-type: image/jpeg" in site.store.head(f"{site.place.prefix}/a.jpg").lower()


def test_a_film_goes_in_parts_with_bounded_memory(site: Site, tmp_path: Path) -> None:
    path, data = tmp_path / "night.mp4", random.Random(2).randbytes(LARGE)
    path.write_bytes(data)
    seen: list[int] = []
    with path.open("rb") as file, closing(S3Target(site.place)) as target:
        target.check()
        tracemalloc.start()
        target.deliver(file, LARGE, "2026-01-31/night.mp4", seen.append)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (seen, seen[-1]) == (sorted(seen), LARGE)
    assert peak < PART / 2
    assert site.found() == {"2026-01-31/night.mp4": data}
    head = site.store.head(f"{site.place.prefix}/2026-01-31/night.mp4").lower()
    assert f"content-length: {LARGE}" in head
    assert '-3"' in head.partition("etag:")[2].splitlines()[0], "it has come in three parts"
    assert site.store.unfinished() == []


def test_a_bucket_may_stand_in_the_host_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, resolve = list[str](), socket.getaddrinfo

    def resolved(host: str, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - as what it stands for
        asked.append(host)
        return resolve("127.0.0.1" if host == f"{BUCKET}.localhost" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)  # no name server here knows names below localhost
    data = random.Random(3).randbytes(LARGE)
    place = replace(site.place, endpoint=f"https://localhost:{site.store.port}", addressing=Addressing.HOST)
    send(place, "a.jpg", b"sky")
    send(place, "b c.mp4", data)
    assert site.found() == {"a.jpg": b"sky", "b c.mp4": data}
    assert set(asked) == {f"{BUCKET}.localhost"}


def test_the_storage_class_is_asked_for(site: Site) -> None:
    with closing(site.relay()) as relay:
        place = replace(site.place, endpoint=relay.endpoint, storage_class="STANDARD_IA")
        send(place, "a.jpg", b"sky")
        send(place, "b.mp4", bytes(LARGE))
        heads = [head for head in relay.heard.split(b"\r\n") if head.startswith(b"x-amz-storage-class")]
    assert heads == [b"x-amz-storage-class: STANDARD_IA"] * 2
    for name in ("a.jpg", "b.mp4"):
        assert "x-amz-storage-class: standard_ia" in site.store.head(f"{site.place.prefix}/{name}").lower()


def test_the_test_button_leaves_nothing(site: Site) -> None:
    with closing(S3Target(site.place)) as target:
        target.check()
    assert site.found() == {}


def test_faults_are_told_apart_and_name_the_field(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    place, reader = site.place, {"key_id": READER_ID, "secret_key": Secret(READER_KEY)}
    wrong = {
        "Endpoint for a typing error": (Fault.NAME, replace(place, endpoint="https://no-such-name.invalid")),
        "port in Endpoint": (Fault.PORT, replace(place, endpoint=f"https://127.0.0.1:{port}")),
        "Enter Secret key again": (Fault.LOGIN, replace(place, secret_key=Secret("wrong"))),
        "and enter Secret key": (Fault.LOGIN, replace(place, secret_key=None)),
        "Check Access key id": (Fault.LOGIN, replace(place, key_id="AKNOBODY")),
        "Check Bucket": (Fault.PATH, replace(place, bucket="typo")),
        "check Bucket and Prefix": (Fault.RIGHT, replace(place, **reader)),  # type: ignore[arg-type]
    }
    for advice, (fault, other) in wrong.items():
        error = fault_of(other)
        assert (error.fault, advice in error.words.advice) == (fault, True), (error, error.words)
        assert SECRET_KEY not in str(error)
    late = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: late)
    error = fault_of(place)
    assert (error.fault, "clocks" in error.words.sentence) == (Fault.LOGIN, True), error
    assert site.found() == {}
    assert "typo" not in site.store.curl("?x-id=ListBuckets").decode(), "no bucket is made by a typing error"


def test_a_host_that_swallows_everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "DEADLINE_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as hole:
        error = fault_of(replace(site.place, endpoint=f"https://127.0.0.1:{hole.getsockname()[1]}"))
    assert (error.fault, "Endpoint" in error.words.advice) == (Fault.SILENT, True)


def test_a_body_that_was_changed_on_its_way_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAUSES_S", ())
    data = b"the sky over the roof" + bytes(LARGE)
    with closing(site.relay(alter=lambda piece: piece.replace(b"over the roof", b"over the moon"))) as relay:
        place = replace(site.place, endpoint=relay.endpoint)
        for name, size in (("a.jpg", 1000), ("b.mp4", LARGE)):
            with pytest.raises(UploadError) as caught:
                send(place, name, data[:size])
            assert (caught.value.fault, "BadDigest" in str(caught.value)) == (Fault.BROKEN, True), caught.value
    assert site.found() == {}
    assert site.store.unfinished() == []


def test_no_certificate_but_a_trusted_one(site: Site, tmp_path: Path) -> None:
    shown = fault_of(replace(site.place, certificate=""))
    assert (shown.fault, shown.shown) == (Fault.CERTIFICATE, (site.store.folder / "store.pem").read_text())
    own, other = self_signed(tmp_path, "own", "attic.local"), self_signed(tmp_path, "other", "attic.local")
    wrong = {
        "authority": (Authority(tmp_path).issue("unknown", "127.0.0.1"), site.place),
        "name": (site.store.authority.issue("named", "other.example"), site.place),
        "ended": (site.store.authority.issue("ended", "127.0.0.1", ended=True), site.place),
        "pinned": (other, replace(site.place, certificate=own.pem)),
    }
    for what, (issued, place) in wrong.items():
        with closing(site.beyond(issued)) as relay:
            error = fault_of(replace(place, endpoint=relay.endpoint))
            assert (error.fault, error.shown, relay.heard) == (Fault.CERTIFICATE, issued.pem, b""), what
    assert site.found() == {}
    with closing(site.beyond(own)) as relay:
        send(replace(site.place, endpoint=relay.endpoint, certificate=own.pem), "a.jpg", b"sky")
    assert site.found() == {"a.jpg": b"sky"}


def test_a_stop_in_mid_transfer_leaves_no_object_and_no_parts(site: Site) -> None:
    for name, size, most in (("a.jpg", 2_000_000, 500_000), ("night.mp4", LARGE, PART + 500_000)):

        def stop(sent: int, most: int = most) -> None:
            if sent > most:
                raise StoppedError("the appliance stops")

        with closing(S3Target(site.place)) as target, pytest.raises(StoppedError):
            target.deliver(io.BytesIO(bytes(size)), size, name, stop)
        assert site.found() == {}
        assert site.store.unfinished() == []
        send(site.place, name, b"whole")
        assert site.found() == {name: b"whole"}
        site.store.curl(f"{BUCKET}/{site.place.prefix}/{name}", "--request", "DELETE")


def test_what_a_crash_has_left_of_this_file_is_removed_and_nothing_else(site: Site) -> None:
    prefix = f"{BUCKET}/{site.place.prefix}"
    for name in ("night.mp4", "night.mp4", "night.mp4x", "day.mp4"):
        assert b"<UploadId>" in site.store.curl(f"{prefix}/{name}?uploads=", "--request", "POST")
    data = random.Random(4).randbytes(LARGE)
    send(site.place, "night.mp4", data)
    left = sorted(site.store.unfinished())
    assert left == sorted(f"{site.place.prefix}/{name}" for name in ("night.mp4x", "day.mp4"))
    assert site.found() == {"night.mp4": data}
    for upload in left:
        with closing(S3Target(site.place)) as target:
            target._remove_leftovers(upload.removeprefix(f"{site.place.prefix}/"), lambda _: None)
    assert site.store.unfinished() == []


def test_a_part_that_broke_is_sent_again_and_not_the_film(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAUSES_S", (0.01, 0.01))
    swallowed = list[bytes]()

    def once(head: bytes) -> bool:
        is_second = b"partNumber=2&" in head and not swallowed
        if is_second:
            swallowed.append(head)
        return not is_second

    data = random.Random(5).randbytes(LARGE)
    with closing(site.relay(lets_through=once)) as relay:
        send(replace(site.place, endpoint=relay.endpoint), "night.mp4", data)
        counts = [relay.heard.count(b"partNumber=%d&" % number) for number in (1, 2, 3)]
    assert counts == [1, 2, 1]
    assert site.found() == {"night.mp4": data}


def test_a_lost_answer_to_the_last_word_is_found_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAUSES_S", (0.01, 0.01))
    lost = list[bytes]()

    def not_the_last(head: bytes) -> bool:
        is_last = head.startswith(b"POST") and b"uploadId=" in head and not lost
        if is_last:
            lost.append(head)
        return not is_last

    data = random.Random(6).randbytes(LARGE)
    with closing(site.relay(lets_through=not_the_last)) as relay:
        send(replace(site.place, endpoint=relay.endpoint), "night.mp4", data)
        assert relay.heard.count(b"partNumber=1&") == 1, "it has not been sent anew"
    assert len(lost) == 1
    assert site.found() == {"night.mp4": data}
    assert site.store.unfinished() == []


def test_500_files_arrive_whole_once_though_the_store_is_killed_at_random(tmp_path: Path) -> None:
    chance, ports, files = random.Random(7), free_ports(), files_of(random.Random(7))
    there = tmp_path / "there"
    there.mkdir()
    authority = Authority(there)
    endpoint = f"https://127.0.0.1:{ports[-1]}"
    place = S3Place(endpoint, "us-east-1", BUCKET, "sky", Addressing.PATH, "", KEY_ID, authority.pem, Secret(SECRET_KEY))
    send_through_a_storm(tmp_path, files, lambda: S3Target(place), lambda: store(there, authority, ports), chance, deaths=(1, 2))
    with store(there, authority, ports) as server:
        assert server.found() == {f"sky/{name}": data for name, data in files.items()}
        assert server.unfinished() == []
