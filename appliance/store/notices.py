"""Notices on disk: one small file each while it may still be sent, and what was told, so that a restart tells nothing twice."""

import json
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError
from appliance.domain.health import Issue
from appliance.domain.notice import Notice, NoticeEvent, Told, from_json, issue_from, issue_tree, to_json
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder

log = logging.getLogger(__name__)

FOLDER = "notices"
MOST = 500
OLDEST = timedelta(days=30)
"""One that could not be sent for so long is no news."""
_TOLD = f"{FOLDER}/told.json"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d{1,12})\.json\Z")


@dataclass(frozen=True, slots=True)
class Memory:
    """What was told, and how many notices there were."""

    told: tuple[Told, ...] = ()
    count: int = 0


class NoticeStore:
    """Writes a notice and queues it for the targets that want it, in this order: a row always finds its file."""

    def __init__(self, folder: DataFolder, deliveries: Deliveries, clock: Clock) -> None:
        self._folder, self._deliveries, self._clock = folder, deliveries, clock

    def recall(self) -> Memory:
        """Return what was told before; nothing where that cannot be read.

        What a crash left between a notice and the memory of it is told already: it is queued again under its own id.
        """
        raw = self._folder.read(_TOLD)
        if raw is None:
            return Memory()
        try:
            tree = json.loads(raw)
            told = tuple(Told(issue_from(one["issue"]), int(one["rounds"])) for one in tree["told"])
            memory = Memory(told, int(tree["count"]))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("what was told of issues cannot be read, and is begun anew: %r", error)
            return Memory(count=max((file.number for file in self._files()), default=0))
        for file in sorted(self._files(), key=lambda one: one.number):
            if file.number > memory.count:
                memory = self._caught_up(memory, file)
        return memory

    def _caught_up(self, memory: Memory, file: "_File") -> Memory:
        path = f"{FOLDER}/{file.path.name}"
        try:
            notice = from_json(self._folder.read(path) or b"")
        except InputError:
            return replace(memory, count=file.number)
        if notice.issue is None:
            return replace(memory, count=file.number)
        self._deliveries.add_notice(self._deliveries.wanting(notice.issue), path)
        before = {one.issue.key: one for one in memory.told}
        known = before.pop(notice.issue.key, Told(notice.issue))
        if notice.event is NoticeEvent.RAISED:
            before[notice.issue.key] = replace(known, issue=notice.issue)
        return Memory(tuple(before.values()), file.number)

    def remember(self, memory: Memory) -> None:
        """Write down what was told."""
        told = [{"issue": issue_tree(one.issue), "rounds": one.rounds} for one in memory.told]
        self._folder.write_atomic(_TOLD, json.dumps({"told": told, "count": memory.count}).encode())

    def add(self, notice: Notice, issue: Issue) -> None:
        """Keep a notice and queue it; nothing is kept where no target wants it."""
        targets = self._deliveries.wanting(issue)
        if targets:
            path = f"{FOLDER}/{notice.id}.json"
            self._folder.write_atomic(path, to_json(notice))
            self._deliveries.add_notice(targets, path)

    def sweep(self) -> int:
        """Remove files that are old or too many, the oldest first, sent or not; return how many."""
        found = sorted(self._files(), key=lambda one: one.number, reverse=True)
        oldest = self._clock.now() - OLDEST
        going = [one for place, one in enumerate(found) if place >= MOST or one.at < oldest]
        for one in going:
            one.path.unlink(missing_ok=True)
        return len(going)

    def _files(self) -> "Iterable[_File]":
        for path in self._folder.path_of(FOLDER).iterdir():
            if found := _NAME.match(path.name):
                with suppress(ValueError):  # digits that are no time are no name of ours
                    at = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                    yield _File(int(found[2]), at, path)


@dataclass(frozen=True, slots=True)
class _File:
    number: int
    at: datetime
    path: Path


def name_of(at: datetime, number: int) -> str:
    """Return a notice's id, which is also the name of its file."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{number}"
