"""The bundle on its way and the one that is here: files in `updates/`, which outlive a restart; one of each, no more."""

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Protocol

from appliance.domain.errors import DiskFullError, InputError, StoreError
from appliance.domain.update import Announced, Arriving, Bundle, BundleState, Manifest, Refused, RestartPlan, Signer
from appliance.store.bundlefiles import JsonFile, announced_of, bundle_of, plan_of, refused_of
from appliance.store.files import DataFolder

log = logging.getLogger(__name__)

FOLDER = "updates"
BUNDLE = f"{FOLDER}/bundle.raucb"
_ARRIVING = f"{FOLDER}/arriving.bin"
ROOM_LEFT_BYTES = 64 << 20
"""What stays free beside a bundle, for the frames of the next minutes; old nights make room for more."""
_PIECE = 1 << 20
_OWN = frozenset(("arriving.bin", "arriving.json", "bundle.raucb", "bundle.json", "refused.json", "restart.json", "channel.json"))


class _Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class BundleStore:
    """What `updates/` holds. One thread at a time adds to a bundle: the file itself is locked for that."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._arriving = JsonFile(folder, f"{FOLDER}/arriving.json", announced_of)
        self._bundle = JsonFile(folder, f"{FOLDER}/bundle.json", bundle_of)
        self._refused = JsonFile(folder, f"{FOLDER}/refused.json", refused_of)
        self._plan = JsonFile(folder, f"{FOLDER}/restart.json", plan_of)
        self._digest: tuple[str, int, _Digest] | None = None
        """Of what arrives: how far it has been hashed while it grew. What a restart forgets is read again at the end."""

    def sweep(self) -> int:
        """Remove what no record of ours speaks of; return how many files."""
        count = 0
        if self._arriving.read() is None:
            count += self._remove(_ARRIVING)
        bundle = self._bundle.read()
        if bundle is None or bundle.state is BundleState.INSTALLED:
            count += self._remove(BUNDLE)
        elif not self._folder.path_of(BUNDLE).is_file():
            self._bundle.remove()
        for path in self._folder.path_of(FOLDER).iterdir():
            if path.name not in _OWN and not path.is_dir():
                with contextlib.suppress(OSError):
                    path.unlink()
                    count += 1
        if count:
            log.info("leftovers of updates removed: %d", count)
        return count

    # What arrives

    def arriving(self) -> Arriving | None:
        """Return the bundle on its way, if any."""
        announced = self._arriving.read()
        return None if announced is None else Arriving(announced, min(self._have(), announced.size))

    def begin(self, announced: Announced) -> Arriving:
        """Make ready for a bundle, or go on with it where it is the same; another one on its way, or here, is given up.

        Raises
        ------
        DiskFullError
            If there is no room for it.
        """
        now = self._arriving.read()
        if now is not None and (now.size, now.sha256) == (announced.size, announced.sha256) and self._have() <= now.size:
            self._check_room(now.size - self._have())
            return Arriving(now, self._have())
        self.drop_arriving()
        self.drop_bundle()
        self._check_room(announced.size)
        self._arriving.write(announced)
        return Arriving(announced, 0)

    def add(self, sha256: str, data: bytes | memoryview, at: int) -> Arriving:
        """Add bytes, if they go on where the last ones ended.

        Raises
        ------
        InputError
            If no such bundle was announced, or these are more bytes than were.
        BlockingIOError
            If another request is adding to it.
        DiskFullError
        """
        announced = self._expected(sha256)
        if at + len(data) > announced.size:
            raise InputError("These are more bytes than were announced.")
        have = self._folder.append(_ARRIVING, data, at=at)
        if have == at + len(data):
            self._hash_on(sha256, data, at)
        return Arriving(announced, have)

    def finish(self, sha256: str) -> Bundle:
        """Take the bundle whose last byte has come, if its hash is the one that was announced; else give it up.

        Raises
        ------
        InputError
            If it is another one.
        """
        announced = self._expected(sha256)
        if self._hash() != announced.sha256:
            self.drop_arriving()
            raise InputError("What came is not what was announced: its SHA-256 is another one. Send it again.")
        bundle = Bundle(announced, BundleState.NEW)
        self._folder.move(_ARRIVING, BUNDLE)
        self._bundle.write(bundle)
        self._refused.remove()
        self._arriving.remove()
        self._digest = None
        return bundle

    def adopt(self, name: str, announced: Announced) -> None:
        """Take a file of the folder, whose size and hash were found while it came, as the bundle that is here."""
        self.drop_arriving()
        self.drop_bundle()
        self._folder.move(name, BUNDLE)
        self._bundle.write(Bundle(announced, BundleState.NEW))
        self._refused.remove()

    def drop_arriving(self) -> bool:
        """Give up what is on its way; return whether there was any."""
        self._digest = None
        was_there = self._arriving.remove()
        return self._remove(_ARRIVING) or was_there

    # What is here

    @property
    def path(self) -> Path:
        """Where the bundle that is here lies."""
        return self._folder.path_of(BUNDLE)

    def bundle(self) -> Bundle | None:
        """Return the bundle that is here, if any."""
        return self._bundle.read()

    def keep_checked(self, bundle: Bundle, manifest: Manifest, signer: Signer | None) -> None:
        """Write down that a bundle may be installed."""
        self._bundle.write(Bundle(bundle.announced, BundleState.CHECKED, manifest, signer))

    def keep_installed(self, bundle: Bundle) -> None:
        """Write down that a bundle is in the other half, and give its file up."""
        self._bundle.write(Bundle(bundle.announced, BundleState.INSTALLED, bundle.manifest, bundle.signer))
        self._remove(BUNDLE)

    def refuse(self, refused: Refused) -> None:
        """Give the bundle up, and keep why."""
        self._refused.write(refused)
        self.drop_bundle()

    def drop_bundle(self) -> bool:
        """Give the bundle up; return whether there was one."""
        was_there = self._bundle.remove()
        return self._remove(BUNDLE) or was_there

    def refused(self) -> Refused | None:
        """Return the last bundle that was refused, until another one comes."""
        return self._refused.read()

    def tail(self, count: int) -> bytes:
        """Return the last bytes of the bundle; StoreError if it cannot be read."""
        try:
            with self._folder.path_of(BUNDLE).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - count))
                return file.read(count)
        except OSError as error:
            raise StoreError(f"the bundle cannot be read: {error.strerror}") from error

    # The restart that waits

    def plan(self) -> RestartPlan | None:
        """Return the restart that waits for the end of the night, if any."""
        return self._plan.read()

    def keep_plan(self, plan: RestartPlan) -> None:
        """Write a restart down, in place of another one."""
        self._plan.write(plan)

    def drop_plan(self) -> bool:
        """Forget the restart; return whether there was one."""
        return self._plan.remove()

    def _expected(self, sha256: str) -> Announced:
        announced = self._arriving.read()
        if announced is None or announced.sha256 != sha256:
            raise InputError("No such bundle is expected here: announce it first.")
        return announced

    def _have(self) -> int:
        try:
            return self._folder.path_of(_ARRIVING).stat().st_size
        except FileNotFoundError:
            return 0

    def _check_room(self, more_bytes: int) -> None:
        if self._folder.free_bytes() < more_bytes + ROOM_LEFT_BYTES:
            raise DiskFullError(f"no room for a bundle: {more_bytes} bytes are still to come")

    def _hash_on(self, sha256: str, data: bytes | memoryview, at: int) -> None:
        before, self._digest = self._digest, None
        if at == 0:
            before = (sha256, 0, hashlib.sha256())
        if before is not None and before[:2] == (sha256, at):
            before[2].update(data)
            self._digest = (sha256, at + len(data), before[2])

    def _hash(self) -> str:
        if self._digest is not None and self._digest[1] == self._have():
            return self._digest[2].hexdigest()
        digest = hashlib.sha256()
        with self._folder.path_of(_ARRIVING).open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def _remove(self, relative: str) -> bool:
        return self._folder.remove(relative)
