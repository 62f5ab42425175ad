"""Rows and files of peers made to agree again after a crash: a file without its row goes, and a row without its file.

What goes here was acknowledged to nobody, or is lost already: its sender brings it again when it is asked to.
"""

from collections.abc import Callable

from appliance.domain.night import NightId
from appliance.domain.peer import ThingKind
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.framefiles import empty
from appliance.store.peerfiles import ROOT, arriving_path, file_path, files_of_night, names_below, thumb_path
from appliance.store.peermodels import ArrivingRow, PeerRow, ReceivedRow
from appliance.store.received import ReceivedStore, sum_night
from appliance.store.reconcile import Reconciled


class PeerReconciler:
    """One walk over everything that has come from peers; safe beside a panel that receives."""

    def __init__(self, database: Database, folder: DataFolder, received: ReceivedStore) -> None:
        self._database, self._folder, self._received = database, folder, received

    def run(self, beat: Callable[[], None] = lambda: None) -> Reconciled:
        """Walk over peers and nights and return what was done."""
        with self._database.read() as db:
            peers = {row.id for row in PeerRow.select(PeerRow.id).execute(db)}
        for name in set(names_below(self._folder, ROOT)) - peers:
            if not self._is_known(name):  # of a peer that was removed, or is being removed
                empty(self._folder.path_of(f"{ROOT}/{name}"))
        total = Reconciled()
        for peer_id in sorted(peers):
            total = total.plus(self._arriving(peer_id))
            for night in sorted(self._nights(peer_id)):
                beat()
                total = total.plus(self._night(peer_id, night))
        return total

    def empty_trash(self) -> None:
        """Remove the files of peers that were removed."""
        for name in names_below(self._folder, ROOT):
            if name.startswith("removed-"):
                empty(self._folder.path_of(f"{ROOT}/{name}"))

    def _is_known(self, peer_id: str) -> bool:
        """Return whether a peer was made since."""
        with self._database.read() as db:
            return PeerRow.select().where(PeerRow.id == peer_id).exists(db)

    def _nights(self, peer_id: str) -> set[NightId]:
        with self._database.read() as db:
            of_peer = ReceivedRow.select(ReceivedRow.night).where(ReceivedRow.peer == peer_id).distinct()
            nights = {row.night for row in of_peer.execute(db)}
        for name in names_below(self._folder, f"{ROOT}/{peer_id}/nights"):
            try:
                nights.add(NightId(name))
            except ValueError:  # a night that is being removed
                empty(self._folder.path_of(f"{ROOT}/{peer_id}/nights/{name}"))
        return nights

    def _night(self, peer_id: str, night: NightId) -> Reconciled:
        # In this order: what is stored meanwhile is either in `writing` or, its row committed, among the rows.
        found = files_of_night(self._folder, peer_id, night)
        writing = frozenset(self._received.writing)
        with self._database.read() as db:
            rows = list(ReceivedRow.select().where(ReceivedRow.peer == peer_id, ReceivedRow.night == night).execute(db))
        files = {row.id: _files_of(row) for row in rows}
        lost = [number for number, names in files.items() if not all(name in found or self._exists(name) for name in names)]
        known = {name for number, names in files.items() if number not in lost for name in names}
        orphans = found - known - writing
        if lost:
            with self._database.write() as db:
                ReceivedRow.delete().where(ReceivedRow.id.in_(lost)).execute(db)
                sum_night(db, peer_id, night)
        removed = sum(self._folder.remove(name) for name in orphans)
        return Reconciled(files=removed, rows=len(lost))

    def _exists(self, name: str) -> bool:
        return self._folder.path_of(name).exists()

    def _arriving(self, peer_id: str) -> Reconciled:
        """Remove chunks of which nobody knows what they are chunks of."""
        found = names_below(self._folder, f"{ROOT}/{peer_id}/arriving")
        with self._database.read() as db:
            known = {str(row.id) for row in ArrivingRow.select().where(ArrivingRow.peer == peer_id).execute(db)}
        orphans = [name for name in found if name not in known and name.isdigit()]
        return Reconciled(files=sum(self._folder.remove(arriving_path(peer_id, int(name))) for name in orphans))


def _files_of(row: ReceivedRow) -> set[str]:
    path = file_path(row.peer, row.night, ThingKind(row.kind), row.file)
    return {path, thumb_path(row.peer, row.night, row.file)} if row.thumb_bytes else {path}
