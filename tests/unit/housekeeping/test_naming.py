"""The machine's name in its own network."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.errors import UnavailableError
from appliance.host.announcer import Announced
from appliance.housekeeping import naming
from appliance.housekeeping.naming import Announce, NameKeeper, Rename, Taken, next_step
from appliance.store.audit import AuditStore
from appliance.store.database import Database
from appliance.supervisor.health import HealthBoard

ID = "7Q2MK3M9"


@pytest.mark.parametrize(
    ("own", "announced", "step"),
    [
        ("nightjar", "nightjar", None),
        ("Roof", "roof", None),
        ("nightjar", "nightjar-2", Rename("nightjar-k3m9")),
        ("nightjar", "nightjar-13", Rename("nightjar-k3m9")),
        ("a" * 63, "a" * 63 + "-2", Rename("a" * 58 + "-k3m9")),
        ("a" * 57 + "-" + "b" * 5, "a" * 57 + "-" + "b" * 5 + "-2", Rename("a" * 57 + "-k3m9")),
        ("nightjar-k3m9", "nightjar-k3m9-2", Taken()),
        ("roof", "nightjar", Announce()),
        ("nightjar", "nightjar-2a", Announce()),
        ("roof.2", "roofx2-2", Announce()),
    ],
)
def test_what_is_done_about_the_name_that_the_network_gave(own: str, announced: str, step: object) -> None:
    assert next_step(own, announced, ID) == step


@dataclass
class Avahi:
    """What the network says of a name."""

    name: str = "nightjar"
    is_settled: bool = True
    taken: frozenset[str] = frozenset()
    told: list[str] = field(default_factory=list)
    is_away: bool = False

    def announced(self) -> Announced:
        if self.is_away:
            raise UnavailableError("not available on this machine: avahi")
        return Announced(f"{self.name}-2" if self.name in self.taken else self.name, self.is_settled)

    def announce(self, name: str) -> None:
        self.told.append(name)
        self.name = name


@dataclass
class Name:
    own: str = "nightjar"

    def name(self) -> str:
        return self.own

    def set_name(self, name: str) -> None:
        self.own = name


@dataclass
class Desk:
    avahi: Avahi
    name: Name
    board: HealthBoard
    audit: AuditStore
    keeper: NameKeeper

    @property
    def issues(self) -> list[str]:
        return [issue.key for issue in self.board.issues]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(naming, "LOOK_EVERY_S", 0.0)
    clock = SystemClock()
    database = Database(tmp_path, clock)
    database.open()
    avahi, name, board, audit = Avahi(), Name(), HealthBoard(clock), AuditStore(database, clock)
    return Desk(avahi, name, board, audit, NameKeeper(avahi, name, ID, audit, board, clock))  # type: ignore[arg-type]


def test_a_name_that_is_free_stays(desk: Desk) -> None:
    desk.keeper.step()
    assert (desk.name.own, desk.avahi.told, desk.issues) == ("nightjar", [], [])


def test_a_name_that_is_taken_becomes_unique_and_that_is_told_until_somebody_gives_another(desk: Desk) -> None:
    desk.avahi.taken = frozenset({"nightjar"})
    for _ in range(3):
        desk.keeper.step()
        assert (desk.name.own, desk.avahi.told, desk.issues) == ("nightjar-k3m9", ["nightjar-k3m9"], ["name.renamed"])
    [entry] = desk.audit.page()
    assert (entry.who, entry.action) == ("device", "machine named")
    desk.name.own = "roof"
    desk.keeper.step()
    assert (desk.avahi.told[-1], desk.issues) == ("roof", [])


def test_where_even_that_one_is_taken_a_person_is_asked(desk: Desk) -> None:
    desk.name.own = desk.avahi.name = "nightjar-k3m9"
    desk.avahi.taken = frozenset({"nightjar-k3m9"})
    desk.keeper.step()
    assert (desk.name.own, desk.issues) == ("nightjar-k3m9", ["name.taken"])
    desk.avahi.taken = frozenset()
    desk.keeper.step()
    assert desk.issues == []


@pytest.mark.parametrize("avahi", [Avahi("nightjar-2", is_settled=False), Avahi(is_away=True)])
def test_while_the_network_is_asked_and_without_avahi_nothing_is_done(desk: Desk, avahi: Avahi) -> None:
    desk.keeper = NameKeeper(avahi, desk.name, ID, desk.audit, desk.board, SystemClock())  # type: ignore[arg-type]
    desk.keeper.step()
    assert (desk.name.own, avahi.told, desk.issues) == ("nightjar", [], [])
