"""The ZIP that is made while it is sent: read by Python's own reader, whole, in parts, and where files change meanwhile."""

import io
import os
import random
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from appliance.web import zipstream
from appliance.web.answers import BusyError
from appliance.web.downloads import MOST, Downloads
from appliance.web.zipstream import Archive, GoneError, Member, dos_stamp, member

WHEN = datetime(2026, 1, 31, 22, 15, 30, tzinfo=UTC)


def archive_of(folder: Path, files: dict[str, bytes]) -> Archive:
    members = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / str(number)
        path.write_bytes(data)
        members.append(member(name, str(path), WHEN))
    return Archive(tuple(one for one in members if one is not None))


FILES = {
    "2026-01-31/frames/22/a.jpg": random.Random(1).randbytes(200_000),
    "2026-01-31/empty": b"",
    "2026-01-31/nächt.jpg": b"x" * zipstream.CHUNK,
    "2026-01-31/products/keogram.jpg": random.Random(2).randbytes(zipstream.CHUNK + 1),
}


def test_it_is_a_zip_of_exactly_the_announced_length(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, FILES)
    body = b"".join(archive.pieces())
    assert len(body) == archive.length
    with zipfile.ZipFile(io.BytesIO(body)) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == FILES
        assert {info.compress_type for info in read.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in read.infolist()} == {(2026, 1, 31, 22, 15, 30)}
        assert {info.external_attr >> 16 for info in read.infolist()} == {0o100644}


def test_every_part_is_cut_from_the_same_bytes(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, FILES)
    body = b"".join(archive.pieces())
    chance = random.Random(3)
    ends = [0, 1, archive.directory_at - 1, archive.directory_at, archive.length - 1]
    spans = [(a, b) for a in ends for b in ends if a <= b]
    for _ in range(60):
        first = chance.randrange(archive.length)
        spans.append((first, chance.randrange(first, archive.length)))
    for first, last in spans:
        assert b"".join(archive.pieces(first, last)) == body[first : last + 1], (first, last)


def test_nothing_larger_than_a_chunk_is_held(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, {"large": random.Random(4).randbytes(3_000_000)})
    assert max(len(piece) for piece in archive.pieces()) <= zipstream.CHUNK


def test_an_archive_of_nothing_is_an_empty_zip() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(Archive(()).pieces()))) as read:
        assert read.namelist() == []


def test_large_numbers_stand_in_zip64(tmp_path: Path) -> None:
    """With the marks of ZIP64 put low, every field that may be large is."""
    with patch.object(zipstream, "_FULL_32", 1000), patch.object(zipstream, "_FULL_16", 2):
        archive = archive_of(tmp_path, FILES)
        body = b"".join(archive.pieces())
    assert len(body) == archive.length
    assert body.count(b"PK\6\6") == 1
    assert body.count(b"PK\6\7") == 1


def test_a_night_of_more_than_four_gigabytes_is_placed_right(tmp_path: Path) -> None:
    """Files of no blocks on disk: the directory is read by Python's reader, the bytes are not made."""
    members = []
    for number, size in enumerate((5 << 30, 10, 7)):
        path = tmp_path / str(number)
        with path.open("wb") as file:
            file.truncate(size)
        found = member(f"film-{number}", str(path), WHEN)
        assert found is not None
        members.append(found)
    archive = Archive(tuple(members))
    with patch.object(zipstream, "_checksum", return_value=0):
        tail = b"".join(archive.pieces(archive.directory_at))
    hole = _Hole(archive.directory_at, tail)
    with zipfile.ZipFile(hole) as read:
        assert [info.file_size for info in read.infolist()] == [5 << 30, 10, 7]
        assert read.infolist()[1].header_offset > 5 << 30
        assert read.infolist()[2].header_offset == read.infolist()[1].header_offset + 30 + len("film-1") + 10


class _Hole(io.RawIOBase):
    """A file of zeros with a tail."""

    def __init__(self, zeros: int, tail: bytes) -> None:
        self._zeros, self._tail, self._at = zeros, tail, 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._zeros + len(self._tail)}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        assert self._at >= self._zeros, "only the directory is read"
        begin = self._at - self._zeros
        piece = self._tail[begin:] if size < 0 else self._tail[begin : begin + size]
        self._at += len(piece)
        return piece


@pytest.mark.parametrize("change", ["removed", "grown", "rewritten", "link", "folder"])
def test_a_file_that_changed_ends_it_short(tmp_path: Path, change: str) -> None:
    archive = archive_of(tmp_path, FILES)
    path = tmp_path / "3"
    data = path.read_bytes()
    path.unlink()
    if change == "grown":
        path.write_bytes(data + b"!")
    elif change == "rewritten":
        path.write_bytes(data)
        os.utime(path, ns=(1, 1))
    elif change == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")
    elif change == "folder":
        path.mkdir()
    got: list[bytes] = []
    with pytest.raises(GoneError, match=r"products/keogram\.jpg"):
        got.extend(archive.pieces())
    sent = b"".join(Downloads().begin(archive.pieces()))
    assert 0 < len(sent) < archive.directory_at, "it ends there, short of its length, and nothing is raised into the server"


def test_what_is_no_plain_file_is_no_member(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_bytes(b"x")
    for name in ("link", "nothing", "."):
        assert member("a", str(tmp_path / name)) is None


def test_the_tag_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    archive = archive_of(tmp_path / "a", FILES)
    assert archive.etag == Archive(archive.members).etag
    assert archive.etag != Archive(archive.members[:-1]).etag
    [first, *_] = archive.members
    touched = Member(first.name, first.path, first.size, first.mtime_ns + 1, first.stamp)
    assert archive.etag != Archive((touched, *archive.members[1:])).etag


@pytest.mark.parametrize(("year", "stamp"), [(1979, (33, 0)), (2108, (33, 0)), (1980, ((1 << 5) | 1, 0))])
def test_a_time_that_dos_cannot_tell_is_its_first_day(year: int, stamp: tuple[int, int]) -> None:
    assert dos_stamp(datetime(year, 1, 1, tzinfo=UTC)) == stamp


def test_places_are_given_and_taken_back(tmp_path: Path) -> None:
    downloads, archive = Downloads(), archive_of(tmp_path, FILES)
    held = [downloads.begin(archive.pieces()) for _ in range(MOST)]
    with pytest.raises(BusyError):
        downloads.begin(archive.pieces())
    held[0].close()  # type: ignore[attr-defined] # as a server does whose client went away
    held[0].close()  # type: ignore[attr-defined]
    assert b"".join(downloads.begin(archive.pieces())) == b"".join(archive.pieces()), "read to its end it gives its place back"
    again = downloads.begin(archive.pieces())
    with pytest.raises(BusyError):
        downloads.begin(archive.pieces())
    next(iter(again))
    again.close()  # type: ignore[attr-defined]
    downloads.begin(archive.pieces())


def test_a_fault_gives_the_place_back_and_is_raised() -> None:
    downloads = Downloads()

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("a mistake of ours")

    for _ in range(MOST + 1):
        with pytest.raises(ValueError, match="a mistake"):
            b"".join(downloads.begin(broken()))
