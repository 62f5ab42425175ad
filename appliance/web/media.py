"""Files on their way to the browser: with validators, so that an unchanged one is not sent twice, and in parts for films."""

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO

from appliance.web.answers import Media, NotFoundError

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a browser says that it has already."""

    none_match: str = ""
    modified_since: str = ""
    range: str = ""
    if_range: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What becomes of a file: status, headers, and the open file where a body follows."""

    status: int
    headers: tuple[tuple[str, str], ...]
    file: BinaryIO | None = None


def matches(etag: str, none_match: str) -> bool:
    """Say whether an If-None-Match holds this entity tag; a weak comparison, as GET wants it."""
    return none_match.strip() == "*" or etag in [word.strip().removeprefix("W/") for word in none_match.split(",")]


def send(media: Media, conditions: Conditions) -> Sent:
    """Open a file and decide between the whole, a part, and nothing new.

    Raises
    ------
    NotFoundError
        If it is not there, or is no plain file.
    """
    file = _open(media)
    facts = os.fstat(file.fileno())
    etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
    changed_at = datetime.fromtimestamp(int(facts.st_mtime), UTC)
    keeper = "public" if media.is_public else "private"
    cache = f"{keeper}, max-age={media.max_age_s}" if media.max_age_s else f"{keeper}, no-cache"
    headers = [
        ("ETag", etag),
        ("Last-Modified", format_datetime(changed_at, usegmt=True)),
        ("Cache-Control", cache),
        ("Accept-Ranges", "bytes"),
        *media.headers,
    ]
    if _is_known(etag, changed_at, conditions):
        file.close()
        return Sent(304, tuple(headers))
    headers.append(("Content-Type", media.content_type))
    if media.download_name:
        headers.append(("Content-Disposition", f'attachment; filename="{media.download_name}"'))
    return _part(file, facts.st_size, etag, conditions, headers)


def _open(media: Media) -> BinaryIO:
    try:
        file = os.fdopen(os.open(media.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise NotFoundError("This file is not there any more.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotFoundError("This is not a file.")
    return file


def _is_known(etag: str, changed_at: datetime, conditions: Conditions) -> bool:
    if conditions.none_match:
        return matches(etag, conditions.none_match)
    if not conditions.modified_since:
        return False
    try:
        since = parsedate_to_datetime(conditions.modified_since)
    except ValueError:
        return False
    return since.tzinfo is not None and changed_at <= since


def _part(file: BinaryIO, size: int, etag: str, conditions: Conditions, headers: list[tuple[str, str]]) -> Sent:
    part = part_of(size, etag, conditions)
    if part.status == 416:
        file.close()
        return Sent(416, (*headers, *part.headers))
    file.seek(part.first)
    return Sent(part.status, (*headers, *part.headers), file)


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes are sent, and how that is told."""

    status: int
    """200 for the whole, 206 for a part, 416 where nothing of it is there."""
    first: int
    last: int
    headers: tuple[tuple[str, str], ...]


def part_of(size: int, etag: str, conditions: Conditions) -> Part:
    """Return the part of so many bytes that a browser asks for."""
    wanted = _RANGE.match(conditions.range) if conditions.if_range in ("", etag) else None
    if wanted is None or not any(wanted.groups()):
        return Part(200, 0, size - 1, (("Content-Length", str(size)),))
    first, last = _bounds(wanted[1], wanted[2], size)
    if first > last:
        return Part(416, 0, -1, (("Content-Range", f"bytes */{size}"), ("Content-Length", "0")))
    return Part(206, first, last, (("Content-Range", f"bytes {first}-{last}/{size}"), ("Content-Length", str(last - first + 1))))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and last byte; the first is larger where nothing of it is there."""
    if not first:  # the last so many
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last) if last else size - 1, size - 1)
