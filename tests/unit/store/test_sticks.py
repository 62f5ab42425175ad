"""Confirmed sticks."""

import pytest

from appliance.domain.errors import InputError
from appliance.store.database import Database
from appliance.store.sticks import MOST_STICKS, ConfirmedStick, StickStore
from tests.unit.store.conftest import MovableClock


@pytest.fixture
def sticks(database: Database, clock: MovableClock) -> StickStore:
    return StickStore(database, clock)


def test_a_stick_is_confirmed_renamed_and_forgotten(sticks: StickStore, clock: MovableClock) -> None:
    assert not sticks.is_confirmed("1234-ABCD")
    sticks.confirm("1234-ABCD", "HOLIDAY\n\x1b[31m", "ada")
    assert sticks.confirmed() == [ConfirmedStick("1234-ABCD", "HOLIDAY[31m", "ada", clock.now())]
    sticks.confirm("1234-ABCD", "x" * 500, "grace")
    ((stick),) = sticks.confirmed()
    assert (stick.name, stick.by) == ("x" * 60, "grace")
    assert sticks.is_confirmed("1234-ABCD")
    assert not sticks.is_confirmed("1234-abcd")
    assert sticks.forget("1234-ABCD")
    assert not sticks.forget("1234-ABCD")
    assert sticks.confirmed() == []


@pytest.mark.parametrize("fs_id", ["", "0000-0000", "../x", "a b c d"])
def test_what_cannot_be_remembered_is_refused(sticks: StickStore, fs_id: str) -> None:
    with pytest.raises(InputError, match="no id"):
        sticks.confirm(fs_id, "x", "ada")


def test_there_is_an_end_to_them(sticks: StickStore) -> None:
    for number in range(MOST_STICKS):
        sticks.confirm(f"1234-{number:04d}", "x", "ada")
    with pytest.raises(InputError, match="Forget one"):
        sticks.confirm("9999-9999", "x", "ada")
    sticks.confirm("1234-0001", "again", "ada")
