"""What people read at the end."""

import pytest

from appliance.domain.job import JobState
from appliance.domain.stick import StickState
from appliance.export import words
from appliance.export.messages import Ended, Outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_told_and_every_failure_with_advice(outcome: Outcome) -> None:
    ending = words.ending(Ended(outcome, "nightjar", 5 << 20, 3))
    assert ending.job.is_over
    assert ending.sentence
    if outcome in {Outcome.DONE, Outcome.STOPPED}:
        assert (ending.stick, ending.advice) == (StickState.DONE, "")
    else:
        is_refused = outcome in {Outcome.READ_ONLY, Outcome.NOT_WRITABLE}
        assert (ending.job, ending.stick) == (JobState.FAILED, StickState.REFUSED if is_refused else StickState.FAILED)
        assert ending.advice.endswith(".")
        assert ending.reason == f"{ending.sentence} {ending.advice}"


def test_an_ext4_stick_that_may_not_be_written_is_met_with_both_ways_out() -> None:
    advice = words.ending(Ended(Outcome.NOT_WRITABLE)).advice
    assert "exFAT" in advice
    assert "1777" in advice


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (Ended(Outcome.DONE), "Everything was on the stick already."),
        (Ended(Outcome.DONE, "", 1 << 20, 1), "1 file copied (1.0 MiB)."),
        (Ended(Outcome.DONE, "", 3 << 30, 812), "812 files copied (3.0 GiB)."),
        (Ended(Outcome.STOPPED, "", 100, 2), "Stopped: 2 files copied (100 bytes)."),
    ],
)
def test_the_sentences(ended: Ended, sentence: str) -> None:
    assert words.ending(ended).sentence == sentence


def test_what_fat32_cannot_hold_is_an_issue_although_the_rest_is_there() -> None:
    ending = words.ending(Ended(Outcome.DONE, "", 100, 2, too_large=1, in_the_way=2))
    assert ending.job is JobState.DONE
    assert "4 GiB" in ending.sentence
    assert "2 files could not be written" in ending.sentence
    assert "exFAT" in ending.advice
    assert "Rename" in ending.advice


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (7200, "2.0 h")])
def test_a_time_left(seconds: float, text: str) -> None:
    assert words.duration_text(seconds) == text
