"""The owner's file, taken into the settings once: what the panel changes afterwards stays changed.

The same content is known by its digest. What the settings refuse is told until somebody saves other settings.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.errors import MachineError, SettingsError
from appliance.domain.health import Severity
from appliance.host.ownerfiles import OwnerFiles, OwnersFile
from appliance.settings.parse import parse, to_json
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.files import DataFolder
from appliance.store.revisions import SettingsStore
from appliance.supervisor.health import HealthBoard

log = logging.getLogger(__name__)

MEMORY = "owners-file.json"
"""In the data folder."""
SAVED_BY = "owner's file"
_REFUSED = "owner.refused"


@dataclass(frozen=True, slots=True)
class _Memory:
    digest: str
    revision: int
    refused: tuple[str, ...]


class OwnersFileKeeper:
    """Looks once, at the start."""

    def __init__(
        self, handed: OwnerFiles, settings: SettingsStore, folder: DataFolder, audit: AuditStore, board: HealthBoard
    ) -> None:
        self._handed, self._settings, self._folder = handed, settings, folder
        self._audit, self._board = audit, board

    def look(self) -> None:
        """Take over what is new, and tell what was refused."""
        try:
            found = self._handed.owners_file()
        except MachineError as error:
            log.error("the owner's file is not taken over: %s", error)
            return
        if found is None:
            return
        known = self._remembered()
        if known is None or known.digest != found.digest:
            known = self._take_over(found)
        if known.refused and known.revision == self._settings.newest_id():
            self._board.raise_issue(
                _REFUSED,
                Severity.INFO,
                "Not everything in the owner's files on the card was taken over",
                f"{'; '.join(known.refused)}. Set it here, or correct the file; saving settings ends this message.",
            )

    def _take_over(self, found: OwnersFile) -> _Memory:
        before = self._settings.published.value
        settings, problems = with_values(before, found.settings)
        if settings != before:
            self._settings.save(settings, SAVED_BY)
            self._audit.add("device", "", "settings saved", SAVED_BY)
        refused = [f"{found.origins.get(path, path)}: {message}" for path, message in problems.items()]
        memory = _Memory(found.digest, self._settings.newest_id(), (*found.told, *refused))
        text = json.dumps({"digest": memory.digest, "revision": memory.revision, "refused": memory.refused})
        self._folder.write_atomic(MEMORY, text.encode())
        log.info("owner's file taken over: %d settings, %d entries refused", len(found.settings) - len(problems), len(refused))
        return memory

    def _remembered(self) -> _Memory | None:
        kept = self._folder.read(MEMORY)
        try:
            match json.loads(kept or b"null"):
                case {"digest": str() as digest, "revision": int() as revision, "refused": list() as refused}:
                    return _Memory(digest, revision, tuple(str(line) for line in refused))
        except ValueError:
            log.warning("what is remembered of the owner's file cannot be read")
        return None


def with_values(settings: Settings, values: Mapping[str, str | float]) -> tuple[Settings, dict[str, str]]:
    """Return settings with the values that they take, and what is wrong with each of the others.

    A value that is fine alone but not with what stands beside it is refused, too: half a place is none.
    """
    left = dict(values)
    problems: dict[str, str] = {}
    while left:
        try:
            return _parsed(settings, left), problems
        except SettingsError as error:
            wrong = {problem.path: problem.message for problem in error.problems}
        blamed = [path for path in left if path in wrong] or _neighbour_to_blame(settings, left)
        other = next(f"{path} {message}" for path, message in wrong.items())
        for path in blamed:
            problems[path] = wrong.get(path, other)
            del left[path]
    return settings, problems


def _parsed(settings: Settings, values: Mapping[str, str | float]) -> Settings:
    tree = json.loads(to_json(settings))
    for path, value in values.items():
        section, _, name = path.partition(".")
        tree.setdefault(section, {})[name] = value
    return parse(tree)


def _neighbour_to_blame(settings: Settings, values: Mapping[str, str | float]) -> list[str]:
    """Return the value without which the others are fine, where a field that nobody gave is said to be wrong; else all."""
    for path in values:
        try:
            _parsed(settings, {one: value for one, value in values.items() if one != path})
        except SettingsError:
            continue
        return [path]
    return list(values)
