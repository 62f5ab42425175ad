"""A night as a ZIP through the real TLS front and application server."""

import io
import random
import time
import zipfile
from contextlib import closing
from pathlib import Path

from appliance.domain.night import NightId
from appliance.web.downloads import MOST
from tests.integration.web.client import Answer
from tests.integration.web.conftest import RunningPanel
from tests.unit.web.world import STAFF, World, fill

LARGE = 24_000_000
"""More than sockets and the application server hold for a reader that does not read."""


def night_with_products(world: World) -> tuple[NightId, dict[str, bytes]]:
    """Return a night and what lies of it on disk, by the names in the archive."""
    world.claim()
    frames = fill(world)
    night = frames[0].night
    world.parts.products.write(night, "keogram.jpg", b"a keogram")
    files = {f"{night}/products/keogram.jpg": b"a keogram"}
    for frame in frames:
        if frame.night == night:
            path = world.parts.folder.path_of(frame.picture_name)
            files[f"{night}/frames/{frame.started_at:%H}/{path.name}"] = path.read_bytes()
    return night, files


def ask(running: RunningPanel, method: str, path: str, **headers: str) -> Answer:
    """Ask once, over a connection of its own."""
    with closing(running.client()) as client:
        return client.request(method, path, **headers)


def spilled() -> list[str]:
    """Return the temporary files that this process holds open."""
    names = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(handle.readlink()))
        except OSError:
            continue
    return [name for name in names if "(deleted)" in name and "/tmp" in name]  # noqa: S108 - where they would lie


def test_a_night_arrives_whole(running: RunningPanel) -> None:
    night, files = night_with_products(running.world)
    headers = running.login(STAFF)
    answer = ask(running, "GET", f"/nights/{night}/night.zip", **headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="nightjar-{night}.zip"'
    assert answer.headers["content-length"] == str(len(answer.body))
    with zipfile.ZipFile(io.BytesIO(answer.body)) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == files
    page = ask(running, "GET", f"/nights/{night}", **headers).body.decode()
    assert f'href="/nights/{night}/night.zip"' in page


def test_it_is_asked_about_in_parts_and_not_sent_twice(running: RunningPanel) -> None:
    night, _ = night_with_products(running.world)
    headers, path = running.login(STAFF), f"/nights/{night}/night.zip"
    whole = ask(running, "GET", path, **headers)
    head = ask(running, "HEAD", path, **headers)
    assert (head.status, head.headers["content-length"]) == (200, str(len(whole.body)))
    part = ask(running, "GET", path, range="bytes=100-299", if_range=whole.headers["etag"], **headers)
    assert (part.status, part.body) == (206, whole.body[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole.body)}"
    beyond = ask(running, "GET", path, range=f"bytes={len(whole.body)}-", **headers)
    assert (beyond.status, beyond.body) == (416, b"")
    known = ask(running, "GET", path, if_none_match=whole.headers["etag"], **headers)
    assert (known.status, known.body) == (304, b"")
    for _ in range(2 * MOST):
        assert ask(running, "GET", path, **headers).status == 200, "none of them kept its place"


def test_nobody_else_gets_it_also_while_pictures_are_public(running: RunningPanel) -> None:
    night, _ = night_with_products(running.world)
    running.world.set_public(True)
    answer = ask(running, "GET", f"/nights/{night}/night.zip")
    assert answer.status == 401
    page = ask(running, "GET", f"/nights/{night}")
    assert page.status == 200
    assert b"night.zip" not in page.body


def test_a_night_that_is_not_there_is_said(running: RunningPanel) -> None:
    night_with_products(running.world)
    headers = running.login(STAFF)
    for name in ("1999-01-01", "yesterday", "..%2f..%2fkeys"):
        assert ask(running, "GET", f"/nights/{name}/night.zip", **headers).status == 404


def test_slow_readers_have_their_places_nobody_waits_and_nothing_spills(running: RunningPanel) -> None:
    night, files = night_with_products(running.world)
    running.world.parts.products.write(night, "night.mp4", random.Random(1).randbytes(LARGE))
    headers, path = running.login(STAFF), f"/nights/{night}/night.zip"
    before = spilled()
    slow = [running.client() for _ in range(MOST)]
    request = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    for client in slow:
        client.send(f"GET {path} HTTP/1.1\r\nhost: {client.name}\r\n{request}\r\n".encode())
        assert client.socket.recv(12) == b"HTTP/1.1 200", "it has its place"
    third = ask(running, "GET", path, **headers)
    assert (third.status, third.headers["retry-after"]) == (503, "30")
    assert b"downloads of this kind are under way already" in third.body
    assert ask(running, "GET", "/system", **headers).status == 200
    assert spilled() == before
    for client in slow:
        client.close()
    deadline = time.monotonic() + 120
    while (answer := ask(running, "GET", path, **headers)).status == 503:
        assert time.monotonic() < deadline, "the places were not given back"
        time.sleep(0.1)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as read:
        assert read.testzip() is None
        assert set(read.namelist()) == {*files, f"{night}/products/night.mp4"}


def test_a_file_that_goes_meanwhile_breaks_the_download_off(running: RunningPanel) -> None:
    night, _ = night_with_products(running.world)
    running.world.parts.products.write(night, "night.mp4", random.Random(1).randbytes(LARGE))
    headers, path = running.login(STAFF), f"/nights/{night}/night.zip"
    client = running.client()
    request = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    client.send(f"GET {path} HTTP/1.1\r\nhost: {client.name}\r\n{request}\r\n".encode())
    got = client.socket.recv(1 << 16)
    for frame in running.world.parts.frames.of_night(night, 1000):
        running.world.parts.folder.path_of(frame.picture_name).unlink()
    while piece := client.socket.recv(1 << 16):
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    told = next(line for line in head.decode().lower().split("\r\n") if line.startswith("content-length: "))
    client.close()
    assert LARGE < len(body) < int(told.split()[1]), "whoever counts sees that it is not whole"
    assert ask(running, "GET", "/system", **headers).status == 200
