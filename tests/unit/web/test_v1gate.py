"""The gate of indi-allsky's sync: what the head alone opens, and forms on their way into files."""

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.errors import InputError, RefusedError, StoreError
from appliance.domain.peer import PeerLimits
from appliance.domain.secret import Secret
from appliance.security.vault import Vault, new_key
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.peers import PeerStore
from appliance.store.v1peers import V1PeerStore
from appliance.web.head import END, HeadError, RequestHead, parse_head
from appliance.web.limits import Limits
from appliance.web.v1arrivals import Arrival, Arrivals
from appliance.web.v1gate import V1Gate
from tests.unit.store.conftest import MovableClock

BOUNDARY = "a0b1c2d3"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
METADATA = b'{"type": 2}'
FROM = "192.168.1.20"


class Bench:
    """A gate with one peer."""

    def __init__(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        self.folder, self.clock, self.reserve = folder, clock, 0
        self.peers, self.credentials = PeerStore(database, clock), CredentialStore(database, clock)
        vault = Vault([new_key()])
        arrivals = Arrivals(folder, lambda: self.reserve)
        self.gate = V1Gate(self.peers, V1PeerStore(database, clock), self.credentials, lambda: vault, arrivals, clock)
        self.gate.arrivals.open()
        self.peer, self.key = self.gate.make("Attic", "attic", ipaddress.ip_network(f"{FROM}/32"), PeerLimits())

    def authorization(self, metadata: bytes = METADATA, *, slot: int = 0, key: Secret[str] | None = None) -> str:
        text = str(int(self.clock.now().timestamp() // 300) + slot).encode() + metadata
        return f"Bearer attic:{hmac.new((key or self.key).reveal().encode(), text, hashlib.sha3_512).hexdigest()}"

    def head(self, *, word: str = "image", size: int = 1 << 20, method: str = "PUT", authorization: str = "") -> RequestHead:
        lines = [
            f"{method} /indi-allsky/sync/v1/{word} HTTP/1.1", "Host: nightjar.local", f"Content-Length: {size}",
            f"Content-Type: {TYPE}", f"Authorization: {authorization or self.authorization()}",
        ]  # fmt: skip
        return parse_head("\r\n".join(lines).encode() + END, Limits(body_bytes=1 << 31))

    def spooled(self) -> list[str]:
        return sorted(path.name for path in (self.folder.root / "spool").iterdir())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder, clock = DataFolder(tmp_path / "data"), MovableClock()
    folder.open()
    database = Database(folder.root, clock)
    database.open()
    yield Bench(folder, database, clock)
    database.close()
    folder.close()


def form(metadata: bytes = METADATA, media: bytes = b"sky") -> bytes:
    def part(name: str, content: bytes) -> bytes:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="../x.sh"\r\n'
        return head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"

    return part("metadata", metadata) + part("media", media) + f"--{BOUNDARY}--\r\n".encode()


def arrive(bench: Bench, body: bytes, authorization: str = "") -> Arrival:
    arrival = bench.gate.begin(bench.gate.claim_of(authorization or bench.authorization(), FROM), TYPE)
    for begin in range(0, len(body), 7):
        arrival.feed(body[begin : begin + 7])
    return arrival


def test_the_head_alone_opens_the_door_from_the_set_address(bench: Bench) -> None:
    leave = bench.gate.leave(bench.head(), FROM)
    assert (leave.size, leave.holder) == ((64 << 20) + (128 << 10), f"v1:{bench.peer.id}")
    assert bench.gate.leave(bench.head(word="video"), FROM).size == (1 << 30) + (128 << 10)


@pytest.mark.parametrize(
    ("changes", "address", "status"),
    [
        ({}, "192.168.1.21", 403), ({}, "127.0.0.1", 403), ({}, "fe80::1", 403), ({"word": "images"}, FROM, 404),
        ({"word": "../image"}, FROM, 404), ({"method": "POST"}, FROM, 404), ({"authorization": "Bearer x"}, FROM, 403),
        ({"authorization": f"Bearer other:{'0' * 128}"}, FROM, 403),
    ],
)  # fmt: skip
def test_nothing_else_opens_it(bench: Bench, changes: dict[str, str], address: str, status: int) -> None:
    with pytest.raises(HeadError) as caught:
        bench.gate.leave(bench.head(**changes), address)  # type: ignore[arg-type]
    assert caught.value.status == status


def test_a_disk_without_room_keeps_it_shut(bench: Bench) -> None:
    bench.reserve = bench.folder.free_bytes() - (8 << 20)
    bench.gate.leave(bench.head(size=1 << 20), FROM)
    bench.reserve = bench.folder.free_bytes() + (8 << 20)
    with pytest.raises(HeadError) as caught:
        bench.gate.leave(bench.head(size=1 << 20), FROM)
    assert caught.value.status == 507


def test_without_such_a_peer_there_is_nothing(bench: Bench) -> None:
    bench.gate.forget(bench.peer.id)
    bench.gate.forget(bench.peer.id)
    with pytest.raises(HeadError) as caught:
        bench.gate.leave(bench.head(), FROM)
    assert caught.value.status == 404
    assert bench.credentials.names() == ()
    assert bench.peers.get(bench.peer.id) is not None


def test_a_peer_that_is_shut_out_is_let_in_nowhere(bench: Bench) -> None:
    bench.peers.revoke(bench.peer.id)
    with pytest.raises(RefusedError):
        bench.gate.claim_of(bench.authorization(), FROM)
    with pytest.raises(HeadError):
        bench.gate.leave(bench.head(), FROM)


def test_a_form_goes_into_a_file_of_a_name_of_ours(bench: Bench) -> None:
    media = os.urandom(10_000)
    arrival = arrive(bench, form(media=media))
    token, told = arrival.finish()
    assert (told, arrival.size, arrival.sha256) == (METADATA, 10_000, hashlib.sha256(media).hexdigest())
    assert bench.gate.arrivals.of_token(token) is arrival
    assert bench.spooled() == [token]
    assert bench.folder.path_of(arrival.name).read_bytes() == media
    assert bench.folder.path_of(arrival.name).stat().st_mode & 0o777 == 0o600
    arrival.discard()
    assert bench.spooled() == []
    assert bench.gate.arrivals.of_token(token) is None


@pytest.mark.parametrize("what", ["key", "slot", "metadata"])
def test_nothing_is_written_before_the_signature_is_good(bench: Bench, what: str) -> None:
    authorization = {
        "key": bench.authorization(key=Secret("0" * 64)),
        "slot": bench.authorization(slot=-5),
        "metadata": bench.authorization(b'{"type": 3}'),
    }[what]
    arrival = bench.gate.begin(bench.gate.claim_of(authorization, FROM), TYPE)
    with pytest.raises(InputError):
        arrival.feed(form(media=b"x" * 100_000))
    assert bench.spooled() == []


def test_media_before_metadata_and_half_a_form_are_refused(bench: Bench) -> None:
    whole = form()
    first, second = whole.split(f"--{BOUNDARY}\r\n".encode())[1:]
    swapped = b"".join(
        f"--{BOUNDARY}\r\n".encode() + part for part in (second.replace(f"--{BOUNDARY}--\r\n".encode(), b""), first)
    )
    with pytest.raises(InputError):
        arrive(bench, swapped)
    half = arrive(bench, whole[:-20])
    with pytest.raises(InputError):
        half.finish()
    half.discard()
    assert bench.spooled() == []


def test_a_full_disk_is_told_and_nothing_stays(bench: Bench) -> None:
    (bench.folder.root / "spool").rmdir()
    with pytest.raises(StoreError):
        arrive(bench, form())


def test_what_a_killed_process_left_is_removed(bench: Bench) -> None:
    (bench.folder.root / "spool" / ("0" * 32)).write_bytes(b"left")
    bench.gate.arrivals.open()
    assert bench.spooled() == []


def test_another_key_ends_the_first(bench: Bench) -> None:
    peer = bench.gate.peers.of_peer(bench.peer.id)
    assert peer is not None
    claim = bench.gate.claim_of(bench.authorization(), FROM)
    bench.gate.check(claim, METADATA)
    new = bench.gate.rotate(peer)
    with pytest.raises(RefusedError):
        bench.gate.check(claim, METADATA)
    bench.gate.check(bench.gate.claim_of(bench.authorization(key=new), FROM), METADATA)
    sealed = bench.credentials.all()[f"peer.{bench.peer.id}.v1"]
    assert new.reveal().encode() not in sealed


def test_a_user_and_a_name_are_taken_once_and_free_again_after_a_removal(bench: Bench) -> None:
    network = ipaddress.ip_network("192.168.1.0/24")
    for name, user in (("Barn", "attic"), ("Attic", "barn"), ("Barn", "a:b"), ("", "barn")):
        with pytest.raises(InputError):
            bench.gate.make(name, user, network, PeerLimits())
    assert [peer.name for peer in bench.peers.all()] == ["Attic"]
    bench.gate.forget(bench.peer.id)
    bench.peers.remove(bench.peer.id)
    bench.gate.make("Attic", "attic", network, PeerLimits())
    assert len(bench.credentials.names()) == 1
