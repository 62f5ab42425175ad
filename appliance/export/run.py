"""The work of the child: which files are missing on the stick, in which order they go there, and when it is enough."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from appliance.domain.errors import InputError, StoreError
from appliance.domain.night import NightId
from appliance.export.backups import Finder
from appliance.export.bundle import take_bundle
from appliance.export.copier import Copier, GoneError, Pace, SourceError, StoppedError
from appliance.export.manifest import Manifest, parse, text_of
from appliance.export.messages import MORE, Ended, Event, Looked, Outcome, Progress, Task
from appliance.export.names import BACKUPS, LARGEST_ON_FAT
from appliance.export.request import Choice, choice_of
from appliance.export.source import Source, SourceFile
from appliance.export.stick import NightFolder, StickError, StickFolder

SAY_EVERY_S = 0.5
KEEP_EVERY_S = 20.0
"""A pull costs at most so long a piece of work: what is in no manifest is copied again."""


class Hands(NamedTuple):
    """What the work needs of the world."""

    say: Callable[[Event], None]
    is_stopping: Callable[[], bool]
    now: Callable[[], float]
    sleep: Callable[[float], None]


class Export:
    """One task."""

    def __init__(self, task: Task, hands: Hands) -> None:
        self._task, self._hands = task, hands
        self._source = Source(Path(task.data))
        self._copier = Copier(Pace(task.speed_bytes_s, hands.now, hands.sleep), self._passed)
        self._done_bytes = self._total_bytes = self._done_files = self._free_bytes = 0
        self._too_large = self._in_the_way = 0
        self._night = self._detail = ""
        self._say_at = self._keep_at = 0.0

    def run(self) -> Ended:
        """Do it and tell how it ended."""
        try:
            with StickFolder(Path(self._task.mount)) as stick:
                self._work(stick)
        except StickError as error:
            return self._ended(error.outcome, error.detail)
        except InputError as error:
            return self._ended(Outcome.BAD_REQUEST, str(error))
        except (SourceError, StoreError) as error:
            return self._ended(Outcome.NO_SOURCE, str(error))
        except StoppedError:
            return self._ended(Outcome.STOPPED)
        return self._ended(Outcome.DONE, self._detail)

    def _work(self, stick: StickFolder) -> None:
        task = self._task
        if task.takes_bundle:
            self._detail = take_bundle(stick, Path(task.data), self._begin, self._passed)
            return
        if task.finds_backups:
            self._find_backups(stick)
            return
        untrusted = stick.request() if task.reads_request else None
        choice = Choice(task.kinds, tuple(NightId(night) for night in task.nights), task.newest)
        if untrusted is not None:
            choice = choice.narrowed_by(choice_of(untrusted))
        self._free_bytes = stick.room().free_bytes
        self._hands.say(Looked(self._free_bytes, untrusted is not None, stick.bundle_bytes()))
        if task.is_look_only:
            return
        stick.begin(task.folder)
        if task.backup:
            self._copy_backup(stick, task.backup)
            return
        nights = choice.of(self._source.nights())
        left = [self._estimate(stick, night, choice) for night in nights]
        for number, night in enumerate(nights):
            with stick.night(str(night)) as folder:
                self._copy_night(stick, folder, night, choice, sum(left[number + 1 :]))

    def _find_backups(self, stick: StickFolder) -> None:
        """Copy what may be backups from the stick, and tell of each."""
        finder = Finder(stick, self._passed)
        for found in finder.take(Path(self._task.data), self._begin):
            self._done_files += 1
            self._hands.say(found)
        over = finder.passed_over
        self._too_large, self._in_the_way = over.too_large, over.no_files
        self._detail = MORE if over.too_many else ""

    def _copy_backup(self, stick: StickFolder, name: str) -> None:
        """Copy a backup beside those that lie there."""
        file = self._source.backup(name)
        if file is None:
            raise SourceError("the backup is gone, make it once more")
        self._total_bytes = file.size
        with stick.night(BACKUPS) as folder:
            manifest = {place: digest for place, digest in parse(folder.manifest()).items() if folder.holds(place)}
            self._copy_file(stick, folder, file, manifest)
            self._keep(folder, manifest)

    def _estimate(self, stick: StickFolder, night: NightId, choice: Choice) -> int:
        """Return how many bytes of a night are probably missing: those that its manifest does not name."""
        with stick.night(str(night)) as folder:
            listed = parse(folder.manifest())
        missing = sum(file.size for file in self._source.files(night, choice.kinds) if file.place not in listed)
        self._total_bytes += missing
        self._passed(0)
        return missing

    def _copy_night(self, stick: StickFolder, folder: NightFolder, night: NightId, choice: Choice, left: int) -> None:
        self._night = str(night)
        listed_text = folder.manifest()
        listed = parse(listed_text)
        files = self._source.files(night, choice.kinds)
        missing = [file for file in files if not self._is_there(folder, file, listed)]
        away = {file.place for file in missing}
        manifest = {place: digest for place, digest in listed.items() if place not in away and folder.holds(place)}
        self._total_bytes = self._done_bytes + sum(file.size for file in missing) + left
        if listed_text and text_of(manifest) != listed_text:
            folder.write_manifest(text_of(manifest))  # before a file changes, so that at no moment a line is wrong
        self._keep_at = self._hands.now() + KEEP_EVERY_S
        kept = dict(manifest)
        try:
            for file in missing:
                self._copy_file(stick, folder, file, manifest)
                if self._hands.now() >= self._keep_at and manifest != kept:
                    kept = self._keep(folder, manifest)
        except (StoppedError, SourceError):
            self._keep(folder, manifest)
            raise
        except StickError as error:
            if error.outcome is Outcome.FULL and manifest != kept:
                self._keep(folder, manifest)
            raise
        if manifest != kept:
            self._keep(folder, manifest)

    def _is_there(self, folder: NightFolder, file: SourceFile, listed: Manifest) -> bool:
        """Return whether a file lies on the stick as the manifest says, in its size, and as it is here now."""
        self._passed(0)
        if file.place not in listed or not folder.holds(file.place, file.size):
            return False
        try:
            return file.is_settled or self._copier.digest(file.path) == listed[file.place]
        except GoneError:
            return True

    def _copy_file(self, stick: StickFolder, folder: NightFolder, file: SourceFile, manifest: Manifest) -> None:
        """Copy a file and note it in `manifest`; what this stick cannot take is counted and passed over."""
        if self._task.fs_type == "vfat" and file.size > LARGEST_ON_FAT:
            self._too_large += 1
            return
        room = stick.room()
        self._free_bytes = room.free_bytes
        if not room.has(file.size):
            raise StickError(Outcome.FULL, "a twentieth is kept free")
        part = stick.new_part()
        try:
            digest = self._copier.copy(file.path, part)
        except GoneError:
            return  # an old night, removed while we copy
        finally:
            os.close(part)
        try:
            folder.put(file.place)
        except StickError as error:
            if error.outcome is not Outcome.IN_THE_WAY:
                raise
            self._in_the_way += 1
            return
        manifest[file.place] = digest
        self._done_files += 1

    def _keep(self, folder: NightFolder, manifest: Manifest) -> Manifest:
        """Write the manifest and return what it holds now."""
        folder.write_manifest(text_of(manifest))
        self._keep_at = self._hands.now() + KEEP_EVERY_S
        return dict(manifest)

    def _begin(self, total_bytes: int) -> None:
        """Say how much there is."""
        self._total_bytes = total_bytes
        self._passed(0)

    def _passed(self, count: int) -> None:
        """Count bytes, tell about it now and then, and stop if that is wanted."""
        self._done_bytes += count
        if self._hands.is_stopping():
            raise StoppedError
        now = self._hands.now()
        if now >= self._say_at:
            self._say_at = now + SAY_EVERY_S
            self._hands.say(
                Progress(self._done_bytes, self._total_bytes, self._done_files, max(0, self._free_bytes), self._night)
            )

    def _ended(self, outcome: Outcome, detail: str = "") -> Ended:
        return Ended(outcome, detail, self._done_bytes, self._done_files, self._too_large, self._in_the_way)
