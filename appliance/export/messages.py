"""What supervisor and child say to one another: a task down, events up, each a line of JSON."""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.domain.stick import ExportKind

LONGEST_LINE = 64 << 10
"""A task with a thousand nights has 13 KiB; a pipe takes this much without a reader."""
MORE = "more"
"""The detail of an end after a look for backups, where more lies there than is ever taken."""


class Outcome(StrEnum):
    """How a child's work ended."""

    DONE = "done"
    FULL = "full"
    STOPPED = "stopped"
    READ_ONLY = "read-only"
    NOT_WRITABLE = "not writable"
    IN_THE_WAY = "in the way"
    """Something of another kind lies where a folder of ours belongs."""
    BAD_REQUEST = "bad request"
    """`nightjar-export.toml` cannot be followed."""
    BROKEN = "broken"
    """The stick fails, or is gone."""
    NO_SOURCE = "no source"
    """This device's own disk fails."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a child is to do."""

    mount: str
    data: str
    folder: str
    """Name of this device's folder on the stick."""
    fs_type: str
    kinds: tuple[ExportKind, ...]
    nights: tuple[str, ...] = ()
    newest: int = 0
    reads_request: bool = True
    """Whether `nightjar-export.toml` may narrow what is copied."""
    is_look_only: bool = False
    """Only tell whether there is a `nightjar-export.toml`, and write nothing."""
    speed_bytes_s: int = 20 << 20
    takes_bundle: bool = False
    """Only copy the update that lies on the stick into the data folder, and write nothing to the stick."""
    backup: str = ""
    """Copy this backup's file, and no night."""
    finds_backups: bool = False
    """Only copy what may be backups from the stick into the data folder, and write nothing to the stick."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found before anything was written."""

    free_bytes: int
    has_request: bool
    bundle_bytes: int = 0
    """Of the update that lies there; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    done_bytes: int
    total_bytes: int
    done_files: int
    free_bytes: int
    night: str = ""
    """The night in work; empty while it is counted what there is to do."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be a backup; it is in the data folder now."""

    number: int
    name: str
    folder: str
    """The device's folder that it lay in; empty for the top of the stick."""
    size_bytes: int
    modified_s: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended; nothing comes after."""

    outcome: Outcome
    detail: str = ""
    """The system's words for what failed."""
    done_bytes: int = 0
    done_files: int = 0
    too_large: int = 0
    """Files that this file system cannot hold; of backups, those that can be none."""
    in_the_way: int = 0
    """Files in whose place something else lies: a link, a folder."""


Event = Looked | Progress | FoundFile | Ended
_EVENTS: dict[str, type[Event]] = {"looked": Looked, "progress": Progress, "foundfile": FoundFile, "ended": Ended}


def line_of(message: Task | Event) -> bytes:
    """Return a message as a line."""
    return json.dumps({"is": type(message).__name__.lower()} | dataclasses.asdict(message)).encode("ascii") + b"\n"


def task_of(untrusted_line: bytes) -> Task:
    """Return the task of a line.

    Raises
    ------
    ValueError
        If it is none.
    """
    values = _values(untrusted_line)
    if values.pop("is", None) != "task":
        raise ValueError("not a task")
    kinds = tuple(ExportKind(kind) for kind in values.pop("kinds", ()))
    return Task(kinds=kinds, nights=tuple(values.pop("nights", ())), **_checked(Task, values))


def event_of(untrusted_line: bytes) -> Event:
    """Return the event of a line; the child has touched a stick, so that its words are not taken on trust.

    Raises
    ------
    ValueError
        If it is none.
    """
    values = _values(untrusted_line)
    kind = _EVENTS.get(str(values.pop("is", "")))
    if kind is None:
        raise ValueError("not an event")
    if kind is Ended:
        outcome = Outcome(values.pop("outcome", ""))
        return Ended(outcome, **_checked(kind, values))
    return kind(**_checked(kind, values))


def _values(untrusted_line: bytes) -> dict[str, Any]:
    if len(untrusted_line) > LONGEST_LINE:
        raise ValueError("a line that is too long")
    try:
        values = json.loads(untrusted_line)
    except RecursionError as error:
        raise ValueError("not a message") from error
    if not isinstance(values, dict):
        raise ValueError("not a message")  # noqa: TRY004 - it is the peer's mistake, not a programmer's
    return values


def _checked(kind: type[Task | Event], values: dict[str, Any]) -> dict[str, Any]:
    """Return values whose names and types are those of a message's plain fields."""
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    for name, value in values.items():
        if types.get(name) is not type(value) or (isinstance(value, int) and not 0 <= value < 1 << 63):
            raise ValueError(f"a message says {name} wrongly")
    missing = [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    if set(missing) - values.keys() - {"kinds", "outcome"}:
        raise ValueError("a message that is not whole")
    return values
