"""Settings as revisions: saved, published, compared, returned to, and readable whatever a release left behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.domain.errors import InputError, SettingsError
from appliance.settings.parse import parse
from appliance.settings.schema import VERSION, Settings
from appliance.store.database import Database
from appliance.store.models import RevisionRow
from appliance.store.revisions import ISSUE, KEPT, SettingsStore
from appliance.supervisor.health import HealthBoard
from tests.unit.store.conftest import MovableClock


@pytest.fixture
def board(clock: MovableClock) -> HealthBoard:
    return HealthBoard(clock)


@pytest.fixture
def store(database: Database, board: HealthBoard, clock: MovableClock) -> SettingsStore:
    return SettingsStore(database, board, clock)


def named(name: str) -> Settings:
    return parse({"site": {"name": name}})


def insert(database: Database, clock: MovableClock, text: str, version: int = VERSION) -> None:
    with database.write() as db:
        RevisionRow.insert(saved_at=clock.now(), saved_by="release", version=version, json=text).execute(db)


def test_defaults_are_in_force_at_first(store: SettingsStore) -> None:
    assert store.load() == store.published.value == Settings()
    assert store.revisions() == []
    assert store.newest_id() == 0


def test_saved_settings_are_published_and_come_back(
    store: SettingsStore, database: Database, board: HealthBoard, clock: MovableClock
) -> None:
    seen = store.published.revision
    revision = store.save(named("Vienna"), "vera")
    assert (revision.saved_at, revision.saved_by, revision.version) == (clock.now(), "vera", VERSION)
    assert store.published.wait(seen, 0) == (named("Vienna"), seen + 1)
    again = SettingsStore(database, board, clock)
    assert again.load() == again.published.value == named("Vienna")
    assert board.issues == ()


def test_a_former_revision_is_read_and_returned_to(store: SettingsStore) -> None:
    first = store.save(named("first"), "vera")
    store.save(named("second"), "vera")
    assert store.settings_of(first.id) == named("first")
    third = store.restore(first.id, "otto")
    assert store.published.value == named("first")
    assert [(revision.id, revision.saved_by) for revision in store.revisions()] == [(third.id, "otto"), (2, "vera"), (1, "vera")]
    assert store.revisions(limit=1) == [third]


def test_an_unknown_revision_is_refused(store: SettingsStore) -> None:
    for use in (store.settings_of, lambda number: store.restore(number, "vera")):
        with pytest.raises(InputError, match="no revision 7"):
            use(7)


def test_who_saw_older_settings_does_not_overwrite_newer_ones(store: SettingsStore) -> None:
    first = store.save(named("first"), "vera", based_on=0)
    store.save(named("second"), "otto", based_on=first.id)
    with pytest.raises(InputError, match="meanwhile"):
        store.save(named("third"), "vera", based_on=first.id)
    assert store.published.value == named("second")


def test_what_is_published_is_the_newest_revision_also_when_many_save_at_once(store: SettingsStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.save(named(f"name {number}"), "vera"), range(40)))
    assert store.published.value == store.settings_of(store.newest_id())


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("not JSON", VERSION), ("[]", VERSION), ('{"site": {"name": 5}}', VERSION), ('{"unknown": 1}', VERSION),
        ("[" * 100_000, VERSION), ("{}", VERSION + 1), ("{}", 0),
    ],
    ids=["text", "list", "type", "key", "deep", "future", "zero"],
)  # fmt: skip
def test_a_revision_that_cannot_be_read_is_kept_and_the_last_good_one_used(
    store: SettingsStore, database: Database, board: HealthBoard, clock: MovableClock, text: str, version: int
) -> None:
    store.save(named("good"), "vera")
    insert(database, clock, text, version)
    assert store.load() == named("good")
    (issue,) = board.issues
    assert issue.key == ISSUE
    assert "revision 2" in issue.title
    assert [revision.id for revision in store.revisions()] == [2, 1]
    with pytest.raises(SettingsError):
        store.settings_of(2)
    store.save(named("better"), "vera")
    assert board.issues == ()
    assert store.load() == named("better")
    assert board.issues == ()


def test_without_any_good_revision_the_defaults_are_in_force(
    store: SettingsStore, database: Database, board: HealthBoard, clock: MovableClock
) -> None:
    insert(database, clock, "ruined")
    assert store.load() == Settings()
    assert [issue.key for issue in board.issues] == [ISSUE]


def test_the_latest_revisions_are_kept(store: SettingsStore, database: Database, clock: MovableClock) -> None:
    for _ in range(KEPT):
        insert(database, clock, "{}")
    newest = store.save(named("newest"), "vera")
    kept = store.revisions(limit=10_000)
    assert len(kept) == KEPT
    assert (kept[0], kept[-1].id) == (newest, newest.id - KEPT + 1)
