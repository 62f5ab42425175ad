"""Which power cuts are done, and that a hundred of them may be done in pieces."""

from dataclasses import replace
from pathlib import Path

from tests.image.cuts import PHASES, Outcome, Results, planned

WELL = Outcome(7, 0, "first start", 3.25, 1, 61.5, "ok", 0, is_kept=True)


def test_a_seed_names_the_same_cuts_every_time_and_each_kind_of_work_has_its_share(tmp_path: Path) -> None:
    results = Results(tmp_path / "none.jsonl")
    cuts = planned(7, 100, results)
    assert [cut.share for cut in cuts] == [cut.share for cut in planned(7, 100, results)]
    assert [cut.share for cut in cuts] != [cut.share for cut in planned(8, 100, results)]
    assert all(0 <= cut.share < 1 for cut in cuts)
    assert {phase: sum(cut.phase == phase for cut in cuts) for phase in PHASES} == dict.fromkeys(PHASES, 25)


def test_what_has_an_outcome_is_not_done_again(tmp_path: Path) -> None:
    results = Results(tmp_path / "folder/cuts.jsonl")
    results.add(WELL)
    results.add(replace(WELL, seed=8, number=1))
    assert list(results.known()) == [WELL, replace(WELL, seed=8, number=1)]
    assert [cut.number for cut in planned(7, 4, results)] == [1, 2, 3]
    assert [cut.number for cut in planned(8, 4, results)] == [0, 2, 3]


def test_what_counts_as_well() -> None:
    assert WELL.is_well
    assert replace(WELL, frames_lost=1, starts=2).is_well
    bad = (
        replace(WELL, starts=3),
        replace(WELL, integrity="row 1 missing"),
        replace(WELL, frames_lost=2),
        replace(WELL, is_kept=False),
    )
    assert not any(outcome.is_well for outcome in bad)
