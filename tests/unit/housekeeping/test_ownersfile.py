"""The owner's file in the settings: once, what fits, and the rest told until somebody saves settings."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.host.ownerfiles import OwnerFiles
from appliance.housekeeping.damage import tell_damage
from appliance.housekeeping.ownersfile import OwnersFileKeeper, with_values
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.revisions import SettingsStore
from appliance.supervisor.health import HealthBoard


@dataclass
class Room:
    """Real stores, and what is handed over."""

    handed: Path
    settings: SettingsStore
    folder: DataFolder
    audit: AuditStore
    board: HealthBoard

    def hand(self, settings: dict[str, object], *told: str, digest: str = "a") -> None:
        origins = {path: f"nightjar.toml, {path}" for path in settings}
        content = {"digest": digest * 64, "settings": settings, "origins": origins, "told": told}
        (self.handed / "owner.json").write_text(json.dumps(content))

    def start(self) -> None:
        self.board = HealthBoard(SystemClock())
        handed = OwnerFiles(self.handed, self.handed / "partition")
        OwnersFileKeeper(handed, self.settings, self.folder, self.audit, self.board).look()

    @property
    def now(self) -> Settings:
        return self.settings.published.value

    def issues(self) -> dict[str, str]:
        return {issue.key: issue.advice for issue in self.board.issues}

    def save(self, name: str) -> None:
        site = self.now.site.model_copy(update={"name": name})
        self.settings.save(self.now.model_copy(update={"site": site}), "ada")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    clock = SystemClock()
    with ExitStack() as stack:
        folder = DataFolder(tmp_path / "data")
        folder.open()
        stack.callback(folder.close)
        database = Database(tmp_path / "data", clock)
        database.open()
        stack.callback(database.close)
        board = HealthBoard(clock)
        settings = SettingsStore(database, board)
        settings.load()
        (tmp_path / "handed").mkdir()
        yield Room(tmp_path / "handed", settings, folder, AuditStore(database, clock), board)


PLACE = {"site.name": "My roof", "site.latitude_deg": 48.2, "site.longitude_deg": 16.4, "site.timezone": "Europe/Vienna"}


def test_it_becomes_a_revision_of_its_own(room: Room) -> None:
    room.hand(PLACE)
    room.start()
    site = room.now.site
    assert (site.name, site.latitude_deg, site.longitude_deg, site.timezone) == tuple(PLACE.values())
    assert [one.saved_by for one in room.settings.revisions()] == ["owner's file"]
    assert [(one.who, one.action, one.detail) for one in room.audit.page()] == [("device", "settings saved", "owner's file")]
    assert room.issues() == {}


def test_what_the_panel_changed_later_stays(room: Room) -> None:
    room.hand(PLACE)
    room.start()
    room.save("Changed in the panel")
    room.start()
    assert room.now.site.name == "Changed in the panel"
    room.hand({"site.name": "Another file"}, digest="b")
    room.start()
    assert room.now.site.name == "Another file"
    assert room.now.site.latitude_deg == 48.2


def test_what_does_not_fit_is_told_by_its_line_and_the_rest_is_taken(room: Room) -> None:
    room.hand(
        {"site.name": "My roof", "site.latitude_deg": 91.0, "site.longitude_deg": 16.4, "camera.strange": "x"}, "[ssh]: refused"
    )
    room.start()
    assert (room.now.site.name, room.now.site.latitude_deg, room.now.site.longitude_deg) == ("My roof", None, None)
    told = room.issues()["owner.refused"]
    for line in ("[ssh]: refused", "nightjar.toml, site.latitude_deg: must be at most 90", "nightjar.toml, camera.strange: "):
        assert line in told
    assert "nightjar.toml, site.longitude_deg: site.latitude_deg is needed too" in told


def test_it_is_told_at_each_start_until_settings_are_saved(room: Room) -> None:
    room.hand({"site.latitude_deg": 91.0})
    for _ in range(2):
        room.start()
        assert "owner.refused" in room.issues()
    room.save("Looked at it")
    room.start()
    assert room.issues() == {}


def test_a_file_that_asks_for_what_is_so_already_saves_nothing(room: Room) -> None:
    room.hand({"site.name": room.now.site.name})
    room.start()
    assert (room.settings.revisions(), room.audit.page()) == ([], [])


@pytest.mark.parametrize("content", ["{", "{}", '{"digest": 5}'])
def test_what_is_not_understood_changes_nothing(room: Room, content: str) -> None:
    (room.handed / "owner.json").write_text(content)
    room.start()
    assert room.settings.revisions() == []
    room.hand(PLACE)
    room.folder.write_atomic("owners-file.json", content.encode())
    room.start()
    assert room.now.site.name == "My roof", "a damaged memory is none"


@pytest.mark.parametrize("state", ["repaired", "damaged", "recreated", ""])
def test_what_became_of_database_and_partition_is_told(state: str) -> None:
    board = HealthBoard(SystemClock())
    tell_damage(board, ("a page was lost",) if state else (), state)
    assert sorted(issue.key for issue in board.issues) == (["store.partition", "store.repaired"] if state else [])


def test_half_a_place_is_none() -> None:
    settings, problems = with_values(Settings(), {"site.latitude_deg": 48.0, "site.name": "x", "night.star_trail": "no"})
    assert (settings.site.name, settings.site.latitude_deg, settings.night) == ("x", None, Settings().night)
    assert problems == {
        "site.latitude_deg": "site.longitude_deg is needed too: give latitude and longitude, or neither",
        "night.star_trail": "must be true or false",
    }
