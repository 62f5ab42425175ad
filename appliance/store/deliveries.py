"""What goes to which target under which name: the rules of the settings, applied when a file is stored."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import peewee

from appliance.domain.frame import StoredFrame
from appliance.domain.health import Issue
from appliance.domain.naming import name_from
from appliance.domain.night import NightId
from appliance.domain.upload import Outgoing, UploadKind
from appliance.settings.schema import Settings
from appliance.settings.targetparts import Pictures
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Published


class Deliveries:
    """Puts every stored file into the queues of the targets that want it."""

    def __init__(self, queue: UploadQueue, settings: Published[Settings]) -> None:
        self._queue, self._settings = queue, settings
        self._last_picture: dict[str, datetime] = {}

    def add_frame(self, db: peewee.SqliteDatabase, frame: StoredFrame, path: str) -> None:
        """Queue a picture within the transaction that stores its frame."""
        settings = self._settings.value
        if settings.targets:
            self._queue.add_within(db, self._of_frame(settings, frame, path))

    def add_product(self, night: NightId, path: str) -> None:
        """Queue a keogram, star trail or film that has just been saved."""
        settings = self._settings.value
        if settings.targets:
            self._queue.add(_of_product(settings, night, path))

    def wanting(self, issue: Issue) -> tuple[str, ...]:
        """Return the ids of the targets that want to hear of an issue; none is told of its own."""
        targets = self._settings.value.targets
        return tuple(one.id for one in targets if one.wants_notice(issue.severity) and issue.key not in _own_issues(one.id))

    def add_notice(self, targets: Iterable[str], path: str) -> None:
        """Queue a notice that has just been written."""
        self._queue.add(Outgoing(target, UploadKind.NOTICE, path, path) for target in targets)

    def _of_frame(self, settings: Settings, frame: StoredFrame, path: str) -> Iterator[Outgoing]:
        local = frame.started_at.astimezone(ZoneInfo(settings.site.timezone))
        words = {
            "night": frame.night.text,
            "name": PurePosixPath(path).stem,
            "date": f"{local:%Y-%m-%d}",
            "time": f"{local:%H-%M-%S}",
            "number": str(frame.id),
        }
        for target in settings.targets:
            if isinstance(target, Pictures) and target.pictures and self._is_due(target, frame.started_at):
                yield Outgoing(target.id, UploadKind.PICTURE, path, _name(target.naming[0], words, path))

    def _is_due(self, target: Pictures, at: datetime) -> bool:
        """Tell whether it is time for another picture; a clock that was set back does not stop them."""
        last = self._last_picture.get(target.id)
        if last is not None and timedelta(0) <= at - last < timedelta(minutes=target.every_min):
            return False
        self._last_picture[target.id] = at
        return True


def _of_product(settings: Settings, night: NightId, path: str) -> Iterator[Outgoing]:
    is_film = path.endswith(".mp4")
    kind = UploadKind.FILM if is_film else UploadKind.PRODUCT
    words = {"night": night.text, "name": PurePosixPath(path).stem, "date": night.text, "time": "00-00-00", "number": "0"}
    for target in settings.targets:
        if isinstance(target, Pictures) and (target.sends_films if is_film else target.products):
            yield Outgoing(target.id, kind, path, _name(target.naming[1], words, path))


def _name(template: str, words: dict[str, str], path: str) -> str:
    return name_from(template, words) + PurePosixPath(path).suffix


def _own_issues(target_id: str) -> tuple[str, str]:
    """Return the keys of issues about a target itself: sent there, they would go round in circles."""
    return f"upload.{target_id}", f"worker.upload {target_id}"
