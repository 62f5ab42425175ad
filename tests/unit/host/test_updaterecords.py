"""What root wrote down about updates, read with suspicion: damage, size, types, links."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.domain.update import Outcome, Past, Records, Trial
from appliance.host.updaterecords import LARGEST, MOST_SHOWN, UpdateRecords

NOW = "2026-11-29T20:00:00+00:00"
AT = datetime(2026, 11, 29, 20, tzinfo=UTC)


def line(version: str = "1.2.0", outcome: str = "good", **more: object) -> str:
    return json.dumps({"at": NOW, "version": version, "from_version": "1.1.0", "outcome": outcome, "reason": "", **more})


def test_everything_is_read_the_newest_first(tmp_path: Path) -> None:
    trial = {"version": "1.2.0", "from_version": "1.1.0", "at": NOW, "network": {"route": True, "address": True}}
    (tmp_path / "trial.json").write_text(json.dumps(trial))
    (tmp_path / "history.jsonl").write_text(f"{line('1.1.0')}\n{line('1.2.0', 'fell back', reason='the panel did not answer')}\n")
    (tmp_path / "bad.json").write_text('["1.1.5", "1.1.6-rc.1"]')
    assert UpdateRecords(tmp_path).read() == Records(
        Trial("1.2.0", "1.1.0", AT),
        (
            Past(AT, "1.2.0", "1.1.0", Outcome.FELL_BACK, "the panel did not answer"),
            Past(AT, "1.1.0", "1.1.0", Outcome.GOOD, ""),
        ),
        ("1.1.5", "1.1.6-rc.1"),
    )


@pytest.mark.parametrize("folder", [None, Path("/nonexistent")])
def test_where_nobody_writes_there_is_nothing(folder: Path | None) -> None:
    assert UpdateRecords(folder).read() == Records()


def test_lines_that_are_damaged_are_left_out_and_the_others_stay(tmp_path: Path) -> None:
    lines = [
        line("1.0.0"),
        "{",
        "[]",
        '"text"',
        line(outcome="unheard of"),
        line(at=7),
        line(at="2026-11-29T20:00:00"),
        '{"at": 1}',
    ]
    (tmp_path / "history.jsonl").write_bytes(
        "\n".join([*lines, line("1.3.0", reason="a\x07b" + "c" * 9000)]).encode() + b"\n\xff\xfe"
    )
    history = UpdateRecords(tmp_path).read().history
    assert [past.version for past in history] == ["1.3.0", "1.0.0"]
    assert history[0].reason.startswith("a b")
    assert len(history[0].reason) == 500


def test_a_long_history_is_read_from_its_end(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text("".join(f"{line(f'1.{n}.0')}\n" for n in range(LARGEST // 80)))
    history = UpdateRecords(tmp_path).read().history
    assert len(history) == MOST_SHOWN
    assert history[0].version == f"1.{LARGEST // 80 - 1}.0"


@pytest.mark.parametrize("text", ["{}", "7", '["1.0", 7, null, "../x"]', "[" * 50_000, " " * (LARGEST + 1)])
def test_a_list_of_bad_versions_that_is_none_names_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    (tmp_path / "trial.json").write_text(text)
    assert UpdateRecords(tmp_path).read() == Records()


def test_neither_a_link_nor_a_pipe_nor_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('["1.0.0"]')
    (tmp_path / "bad.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "history.jsonl")
    (tmp_path / "trial.json").mkdir()
    assert UpdateRecords(tmp_path).read() == Records()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nothing_that_stands_there_stops_the_panel(tmp_path: Path, tree: object) -> None:
    for name in ("trial.json", "history.jsonl", "bad.json"):
        (tmp_path / name).write_text(json.dumps(tree))
    assert isinstance(UpdateRecords(tmp_path).read(), Records)
