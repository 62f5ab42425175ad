"""What passes between supervisor and child."""

import contextlib
import json

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.stick import MOST_NIGHTS, ExportKind
from appliance.export.messages import Ended, Event, FoundFile, Looked, Outcome, Progress, Task, event_of, line_of, task_of

PIPE_BYTES = 64 << 10


def test_a_task_passes_whole() -> None:
    task = Task(
        "/run/media/n/MY STICK ü", "/data", "roof-ABC", "vfat", (ExportKind.FILMS,), ("2026-01-31",), 3, reads_request=False
    )
    assert task_of(line_of(task)) == task
    assert line_of(task).count(b"\n") == 1


def test_the_longest_task_fits_into_a_pipe_without_a_reader() -> None:
    nights = tuple(f"{2000 + number // 300}-01-{1 + number % 28:02d}" for number in range(MOST_NIGHTS))
    assert len(line_of(Task("/m" * 2000, "/d" * 2000, "x" * 80, "vfat", tuple(ExportKind), nights))) < PIPE_BYTES


@pytest.mark.parametrize(
    "event",
    [
        Looked(5, has_request=True),
        Progress(1, 2, 3, 4, "2026-01-31"),
        FoundFile(1, "a.nightjar-backup", "roof-ABC", 5, 6, "0" * 64),
        *(Ended(outcome, "why", 1, 2, 3, 4) for outcome in Outcome),
    ],
)
def test_an_event_passes_whole(event: Event) -> None:
    assert event_of(line_of(event)) == event


@pytest.mark.parametrize(
    "value",
    [
        None, 5, [], "x", {}, {"is": "task"}, {"is": "looked"}, {"is": "looked", "free_bytes": "5", "has_request": True},
        {"is": "looked", "free_bytes": -1, "has_request": True}, {"is": "looked", "free_bytes": 1, "has_request": 1},
        {"is": "looked", "free_bytes": True, "has_request": True},
        {"is": "looked", "free_bytes": 1 << 70, "has_request": True},
        {"is": "looked", "free_bytes": 1, "has_request": True, "more": 1},
        {"is": "progress", "done_bytes": 1}, {"is": "ended"}, {"is": "foundfile", "number": 1},
        {"is": "ended", "outcome": "fine"}, {"is": "ended", "outcome": ["done"]},
        {"is": "ended", "outcome": "done", "detail": 5}, {"is": ["ended"]},
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason
        event_of(json.dumps(value).encode())


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[" * 60_000, b"x" * 70_000, b'{"is": "task"}', b'{"is": "task", "kinds": ["raw"]}']
)
def test_what_is_no_task_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason
        task_of(line)


@hypothesis.given(st.binary(max_size=300) | st.text().map(lambda text: json.dumps({"is": "ended", "outcome": text}).encode()))
def test_no_bytes_raise_anything_else(untrusted: bytes) -> None:
    with contextlib.suppress(ValueError):
        event_of(untrusted)
