"""What has come from peers, kept within its limits; before a night of our own goes, theirs go."""

import logging
from collections.abc import Callable

from appliance.domain.night import NightId
from appliance.housekeeping.retention import peer_nights_to_remove
from appliance.store.files import DataFolder
from appliance.store.peerreconcile import PeerReconciler
from appliance.store.peers import PeerStore
from appliance.store.received import ReceivedStore

log = logging.getLogger(__name__)


class PeerKeeper:
    """Looks after the files of peers."""

    def __init__(self, peers: PeerStore, received: ReceivedStore, reconciler: PeerReconciler, folder: DataFolder) -> None:
        self._peers, self._received, self._reconciler, self._folder = peers, received, reconciler, folder

    def reconcile(self, beat: Callable[[], None]) -> None:
        """Make rows and files agree after a crash."""
        done = self._reconciler.run(beat)
        if done:
            log.warning("after a crash, files and rows of other cameras were made to agree: %s", done)

    def look_after(self, tonight: NightId, reserve_bytes: int, beat: Callable[[], None]) -> None:
        """Remove nights by age, limit and room, and what is left of peers that were removed."""
        self._reconciler.empty_trash()
        limits = {peer.id: peer.limits for peer in self._peers.all()}
        going = peer_nights_to_remove(
            self._received.all_nights(),
            limits,
            tonight=tonight,
            free_bytes=self._folder.free_bytes(),
            reserve_bytes=reserve_bytes,
        )
        for night in going:
            self._received.remove_night(night.peer, night.night)
            log.info("old night of another camera removed: %s, %s, %d MiB", night.peer, night.night, night.bytes >> 20)
            beat()
