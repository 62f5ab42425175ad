"""The queue of uploads: rows, so that a crash, a pulled plug and a week without network forget nothing.

Every target has a queue of its own. What has arrived is counted and its row removed, so that a queue is as long as what is
still to be done.
"""

from collections.abc import Iterable

import peewee

from appliance.domain.clock import Clock
from appliance.domain.upload import Outgoing, QueueSummary, Upload, UploadKind, UploadState
from appliance.store.database import Database
from appliance.store.models import UploadRow, UploadTallyRow, count, replace

MOST_PER_TARGET = 20_000
"""Two weeks of pictures, one a minute: 4 MB of rows. Then the oldest pictures give way, and are counted."""
_LONGEST_MESSAGE = 500
_LATER_KINDS = [UploadKind.PRODUCT.value, UploadKind.FILM.value]


class UploadQueue:
    """The queues of all targets. Who delivers calls `claim` and then one of `arrived`, `put_back`, `refuse`, `drop`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, outgoing: Iterable[Outgoing]) -> None:
        """Write files down that are to go out, in a transaction of their own."""
        with self._database.write() as db:
            self.add_within(db, outgoing)

    def add_within(self, db: peewee.SqliteDatabase, outgoing: Iterable[Outgoing]) -> None:
        """Do so in somebody's transaction: a frame and its uploads are written together or not at all.

        A file that waits already under the same name keeps its place; one that is on its way just now goes again
        afterwards, since it has changed.
        """
        for one in outgoing:
            same = (UploadRow.target == one.target) & (UploadRow.name == one.name)
            row = UploadRow.select().where(same).get_or_none(db)
            if row is None:
                self._make_room(db, one.target)
                UploadRow.insert(
                    target=one.target,
                    kind=one.kind.value,
                    path=one.path,
                    name=one.name,
                    state=UploadState.WAITING.value,
                    tries=0,
                    message="",
                    is_changed=False,
                ).execute(db)
            elif row.state == UploadState.RUNNING.value:
                UploadRow.update(path=one.path, is_changed=True).where(same).execute(db)
            else:
                UploadRow.update(path=one.path, state=UploadState.WAITING.value).where(same).execute(db)

    def claim(self, target: str) -> Upload | None:
        """Return what goes next to a target, and note that it is on its way; None where nothing waits.

        Notices go first. Then goes the picture that was queued last, once: it is what people look at. Films, keograms
        and star trails follow, then all other pictures, the oldest first. What has failed goes behind what has not: one file
        that a target cannot take holds up no other.
        """
        is_here = (UploadRow.target == target) & (UploadRow.state == UploadState.WAITING.value)
        waiting = UploadRow.select().where(is_here)
        with self._database.write() as db:
            row = self._first_of(db, waiting, [UploadKind.NOTICE.value]) or self._newest_picture(db, target)
            if row is None:
                row = self._first_of(db, waiting, _LATER_KINDS)
            if row is None:
                row = waiting.order_by(UploadRow.tries, UploadRow.id).limit(1).get_or_none(db)
            if row is None:
                return None
            UploadRow.update(state=UploadState.RUNNING.value).where(UploadRow.id == row.id).execute(db)
        row.state = UploadState.RUNNING.value
        return _upload(row)

    def _first_of(
        self, db: peewee.SqliteDatabase, waiting: "peewee.ModelSelect[UploadRow]", kinds: list[str]
    ) -> UploadRow | None:
        """Return the oldest of some kinds that has not failed yet."""
        fresh = waiting.where(UploadRow.kind.in_(kinds), UploadRow.tries == 0)
        found: UploadRow | None = fresh.order_by(UploadRow.id).limit(1).get_or_none(db)
        return found

    def _newest_picture(self, db: peewee.SqliteDatabase, target: str) -> UploadRow | None:
        """Return the picture queued last, once: afterwards it is one of the backlog."""
        pictures = UploadRow.select().where(UploadRow.target == target, UploadRow.kind == UploadKind.PICTURE.value)
        newest = pictures.order_by(UploadRow.id.desc()).limit(1).get_or_none(db)
        tally = _tally(db, target)
        if newest is None or newest.state != UploadState.WAITING.value or newest.id <= tally.newest_claimed:
            return None
        tally.newest_claimed = newest.id
        _save(db, tally)
        return newest

    def arrived(self, upload: Upload, size: int) -> None:
        """Note that a file stands at its target, whole; it goes again if it has changed meanwhile."""
        with self._database.write() as db:
            tally = _tally(db, upload.outgoing.target)
            tally.arrived += 1
            tally.arrived_bytes += size
            tally.last_name, tally.last_at = upload.outgoing.name, self._clock.now()
            _save(db, tally)
            same = UploadRow.id == upload.id
            if not UploadRow.delete().where(same, ~UploadRow.is_changed).execute(db):
                again = {"state": UploadState.WAITING.value, "tries": 0, "message": "", "is_changed": False}
                UploadRow.update(**again).where(same).execute(db)

    def put_back(self, upload: Upload, message: str, *, is_counted: bool = True) -> None:
        """Let an upload wait again.

        Parameters
        ----------
        upload : Upload
        message : str
            Why, for people.
        is_counted : bool
            Whether it failed; a stop of the appliance is no failure.
        """
        tries = UploadRow.tries + 1 if is_counted else UploadRow.tries
        values = {"state": UploadState.WAITING.value, "message": message[:_LONGEST_MESSAGE], "tries": tries, "is_changed": False}
        with self._database.write() as db:
            UploadRow.update(**values).where(UploadRow.id == upload.id).execute(db)

    def refuse(self, upload: Upload, message: str) -> None:
        """Note that a target does not take a file, for good; it is sent again when a person says so."""
        values = {"state": UploadState.REFUSED.value, "message": message[:_LONGEST_MESSAGE], "is_changed": False}
        with self._database.write() as db:
            UploadRow.update(**values).where(UploadRow.id == upload.id).execute(db)

    def drop(self, upload: Upload) -> None:
        """Forget an upload whose file is no longer here, and count it."""
        with self._database.write() as db:
            _count_dropped(db, upload.outgoing.target, UploadRow.delete().where(UploadRow.id == upload.id).execute(db))

    def put_back_running(self) -> int:
        """Let those wait again that a crash left on their way; return how many."""
        with self._database.write() as db:
            is_running = UploadRow.state == UploadState.RUNNING.value
            return int(UploadRow.update(state=UploadState.WAITING.value, is_changed=False).where(is_running).execute(db))

    def retry(self, target: str) -> int:
        """Have everything that failed or was refused tried again as if it were new; return how much that is."""
        values = {"state": UploadState.WAITING.value, "tries": 0, "message": ""}
        failed = (UploadRow.tries > 0) | (UploadRow.state == UploadState.REFUSED.value)
        is_here = (UploadRow.target == target) & (UploadRow.state != UploadState.RUNNING.value)
        with self._database.write() as db:
            return int(UploadRow.update(**values).where(is_here, failed).execute(db))

    def clear(self, target: str) -> int:
        """Drop everything that waits for a target or was refused by it; return how much that was."""
        is_here = (UploadRow.target == target) & (UploadRow.state != UploadState.RUNNING.value)
        with self._database.write() as db:
            gone = int(UploadRow.delete().where(is_here).execute(db))
            _count_dropped(db, target, gone)
        return gone

    def keep_only(self, targets: Iterable[str]) -> None:
        """Forget the queues and counts of all other targets: they were removed from the settings."""
        known = list(targets)
        with self._database.write() as db:
            UploadRow.delete().where(UploadRow.target.not_in(known)).execute(db)
            UploadTallyRow.delete().where(UploadTallyRow.target.not_in(known)).execute(db)

    def summary(self, target: str) -> QueueSummary:
        """Return how a target's queue stands; what is on its way counts as waiting."""
        is_here = UploadRow.target == target
        with self._database.read() as db:
            tally = _tally(db, target)
            total = count(UploadRow.select().where(is_here), db)
            refused = count(UploadRow.select().where(is_here, UploadRow.state == UploadState.REFUSED.value), db)
        return QueueSummary(
            waiting=total - refused,
            refused=refused,
            arrived=tally.arrived,
            arrived_bytes=tally.arrived_bytes,
            dropped=tally.dropped,
            last_name=tally.last_name,
            last_at=tally.last_at,
        )

    def refused(self, target: str, limit: int = 20) -> list[Upload]:
        """Return uploads that a target refused, the newest first."""
        query = UploadRow.select().where(UploadRow.target == target, UploadRow.state == UploadState.REFUSED.value)
        with self._database.read() as db:
            return [_upload(row) for row in query.order_by(UploadRow.id.desc()).limit(limit).execute(db)]

    def _make_room(self, db: peewee.SqliteDatabase, target: str) -> None:
        """Let the oldest pictures of a full queue give way, refused ones before those that wait; films give way last."""
        is_here = UploadRow.target == target
        surplus = count(UploadRow.select().where(is_here), db) - MOST_PER_TARGET + 1
        if surplus <= 0:
            return
        may_go = UploadRow.select(UploadRow.id).where(is_here, UploadRow.state != UploadState.RUNNING.value)
        order = (UploadRow.kind != UploadKind.PICTURE.value, UploadRow.state != UploadState.REFUSED.value, UploadRow.id)
        ids = [row.id for row in may_go.order_by(*order).limit(surplus).execute(db)]
        _count_dropped(db, target, UploadRow.delete().where(UploadRow.id.in_(ids)).execute(db))


def _tally(db: peewee.SqliteDatabase, target: str) -> UploadTallyRow:
    found = UploadTallyRow.select().where(UploadTallyRow.target == target).get_or_none(db)
    if found is not None:
        return found
    return UploadTallyRow(target=target, arrived=0, arrived_bytes=0, dropped=0, newest_claimed=0, last_name="", last_at=None)


def _save(db: peewee.SqliteDatabase, tally: UploadTallyRow) -> None:
    replace(UploadTallyRow, db, **tally.__data__)


def _count_dropped(db: peewee.SqliteDatabase, target: str, number: int) -> None:
    if number:
        tally = _tally(db, target)
        tally.dropped += number
        _save(db, tally)


def _upload(row: UploadRow) -> Upload:
    outgoing = Outgoing(row.target, UploadKind(row.kind), row.path, row.name)
    return Upload(row.id, outgoing, UploadState(row.state), row.tries, row.message)
