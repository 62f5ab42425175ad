"""Which power cuts are done, and that a hundred of them may be done in pieces."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.image.conftest import CUTS, OUTCOMES
from tests.image.cuts import PHASES, Cut, Outcome, Results, planned

WELL = Outcome(7, 0, "first start", 3.25, 1, 61.5, "ok", 0, is_kept=True)


def test_a_seed_names_the_same_cuts_every_time_and_each_kind_of_work_has_its_share(tmp_path: Path) -> None:
    results = Results(tmp_path / "none.jsonl")
    cuts = planned(7, 100, results)
    assert [cut.share for cut in cuts] == [cut.share for cut in planned(7, 100, results)]
    assert [cut.share for cut in cuts] != [cut.share for cut in planned(8, 100, results)]
    assert all(0 <= cut.share < 1 for cut in cuts)
    assert {phase: sum(cut.phase == phase for cut in cuts) for phase in PHASES} == dict.fromkeys(PHASES, 25)
    assert [Cut(seed, 0).phase for seed in (1, 2, 5)] == [PHASES[0], PHASES[1], PHASES[0]]


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


@pytest.mark.parametrize(("name", "phases"), list(CUTS.values()))
def test_every_outcome_that_is_kept_is_well_and_each_cut_stands_once(name: str, phases: tuple[str, ...]) -> None:
    kept = list(Results(OUTCOMES / name).known())
    assert [outcome for outcome in kept if not outcome.is_well] == []
    assert len({(outcome.seed, outcome.number) for outcome in kept}) == len(kept) > 0
    assert all(outcome.phase == Cut(outcome.seed, outcome.number, phases).phase for outcome in kept)
