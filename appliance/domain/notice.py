"""A notice: word of an issue that came up or is over, as it goes to people and to other programs."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from appliance.domain.errors import InputError
from appliance.domain.health import Issue, Severity

LARGEST = 64 << 10
"""Bytes of a notice; they have about 600."""
_LONGEST_WORDS = 1000


class NoticeEvent(StrEnum):
    """What has happened."""

    RAISED = "raised"
    CLEARED = "cleared"
    TEST = "test"
    """Nothing: an admin wants to see whether notices arrive."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose notice it is."""

    site: str
    device_id: str
    panel: str
    """Address of the panel, empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the appliance stands as a whole."""

    open: int
    """How many issues are open that are more than good to know."""
    status: str
    """`ok` or `degraded`."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice; a test has neither an issue nor health."""

    id: str
    """Of its own, so that one that arrives twice is known: `20260131T210015Z-7`."""
    event: NoticeEvent
    at: datetime
    origin: Origin
    issue: Issue | None = None
    health: Health | None = None

    @property
    def title(self) -> str:
        """What has happened, in one line."""
        match self.event:
            case NoticeEvent.RAISED if self.issue:
                return _one_line(self.issue.title)
            case NoticeEvent.CLEARED if self.issue:
                return f"Over: {_one_line(self.issue.title)}"
            case _:
                return "A test: notices arrive here"

    @property
    def text(self) -> str:
        """What has happened and what to do, in a line or two, with the site's name."""
        told = f"{_one_line(self.origin.site)}: {self.title}"
        has_advice = self.issue is not None and self.event is NoticeEvent.RAISED
        return f"{told}\n{_one_line(self.issue.advice)}" if self.issue and has_advice else told


@dataclass(frozen=True, slots=True)
class Told:
    """An issue that people were told of, and not yet that it is over."""

    issue: Issue
    """With the gravest severity that was told."""
    rounds: int = 0
    """How often it has come back lately."""


def to_json(notice: Notice) -> bytes:
    """Return a notice as it is kept and sent; what a test does not have is left out."""
    tree: dict[str, Any] = {
        "id": notice.id,
        "event": notice.event.value,
        "at": _time_text(notice.at),
        "site": notice.origin.site,
        "device_id": notice.origin.device_id,
        "panel": notice.origin.panel,
        "text": notice.text,
    }
    if notice.issue is not None:
        tree["issue"] = issue_tree(notice.issue)
    if notice.health is not None:
        tree |= {"open": notice.health.open, "status": notice.health.status}
    return json.dumps(tree, ensure_ascii=False).encode()


def from_json(untrusted: bytes) -> Notice:
    """Return a notice that was kept.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        tree = json.loads(untrusted)
        return Notice(
            id=_one_line(str(tree["id"])),
            event=NoticeEvent(tree["event"]),
            at=datetime.fromisoformat(tree["at"]),
            origin=Origin(*(_one_line(str(tree[name])) for name in ("site", "device_id", "panel"))),
            issue=issue_from(tree["issue"]) if "issue" in tree else None,
            health=Health(int(tree["open"]), str(tree["status"])) if "status" in tree else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("This is no notice.") from error


def issue_tree(issue: Issue) -> dict[str, str]:
    """Return an issue as JSON has it."""
    return {
        "key": issue.key,
        "severity": issue.severity.value,
        "title": _one_line(issue.title),
        "advice": _one_line(issue.advice),
        "since": _time_text(issue.since),
    }


def issue_from(untrusted: Any) -> Issue:  # noqa: ANN401 - JSON is any value
    """Return an issue; raises ValueError, KeyError or TypeError where it is none."""
    words = [_one_line(str(untrusted[name])) for name in ("key", "severity", "title", "advice", "since")]
    return Issue(words[0], Severity(words[1]), words[2], words[3], datetime.fromisoformat(words[4]))


def _time_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _one_line(words: str) -> str:
    """Return words without what would end a line or a header: some hold what a driver or another computer said."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())[:_LONGEST_WORDS]
