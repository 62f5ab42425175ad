"""The products of the night that is going on: keogram and star trail grow in memory and are saved every few frames.

The saved JPEG is also the state that a restart goes on from; how far it had come stands in its comment, so that picture
and state cannot disagree after a power cut. See decisions/0402.
"""

import json
import logging
from collections.abc import Mapping

from appliance.domain.errors import InputError, StoreError
from appliance.domain.frame import Picture
from appliance.domain.night import NightId
from appliance.imaging import codec
from appliance.imaging.keogram import Keogram, KeogramState, column_of, height_for
from appliance.imaging.startrail import StarTrail
from appliance.settings.schema import Image, Settings
from appliance.store.products import ProductStore
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

SAVE_EVERY = 10
"""Frames between two saves: what a power cut may cost."""
KEOGRAM, STAR_TRAIL = "keogram.jpg", "startrail.jpg"
_QUALITY = 90


class NightProducts:
    """Keogram and star trail of one night at a time."""

    def __init__(self, products: ProductStore, beat: Beat) -> None:
        self._products, self._beat = products, beat
        self._night: NightId | None = None
        self._keogram: Keogram | None = None
        self._trail: StarTrail | None = None
        self._trail_geometry = ""
        self._unsaved: dict[str, int] = {}

    def add(self, night: NightId, picture: Picture, settings: Settings, *, is_night: bool) -> None:
        """Take a picture, before its label is drawn; a picture of another night changes over to that night.

        Raises
        ------
        StoreError
            If the products of the night before cannot be saved; the picture is taken all the same.
        """
        failed: StoreError | None = None
        if night != self._night:
            try:
                self.save()
            except StoreError as error:
                failed = error
            self._begin(night)
        if settings.night.keogram:
            self._add_to_keogram(picture)
        if settings.night.star_trail and is_night:
            self._add_to_trail(picture, geometry_of(picture, settings.image))
        if failed is not None:
            raise failed

    def save_if_due(self) -> None:
        """Save what has grown by enough frames, or has no file yet."""
        for name, count in tuple(self._unsaved.items()):
            if count >= SAVE_EVERY:
                self._save(name)

    def save(self) -> None:
        """Save everything that has grown since it was saved last."""
        for name in tuple(self._unsaved):
            self._save(name)

    def _begin(self, night: NightId) -> None:
        """Forget the night before; go on from what is saved of this one."""
        self._night = night
        self._unsaved = {}
        self._keogram = self._resume_keogram(night)
        self._trail, self._trail_geometry = self._resume_trail(night)

    def _add_to_keogram(self, picture: Picture) -> None:
        if self._keogram is None:
            self._keogram = Keogram(height_for(picture))
            self._unsaved[KEOGRAM] = SAVE_EVERY
        self._keogram.add(column_of(picture, self._keogram.height))
        self._unsaved[KEOGRAM] = self._unsaved.get(KEOGRAM, 0) + 1

    def _add_to_trail(self, picture: Picture, geometry: str) -> None:
        if self._trail is None or geometry != self._trail_geometry:
            if self._trail is not None:
                log.info("the star trail begins anew, pictures have another size or orientation: %s", geometry)
            self._trail, self._trail_geometry = StarTrail(picture), geometry
            self._unsaved[STAR_TRAIL] = SAVE_EVERY
        else:
            self._trail.add(picture)
        self._unsaved[STAR_TRAIL] = self._unsaved.get(STAR_TRAIL, 0) + 1

    def _save(self, name: str) -> None:
        # Counted as saved also when it fails: a full disk must not make every frame encode the products again.
        self._unsaved.pop(name, None)
        if self._night is None:
            return
        if name == KEOGRAM and self._keogram is not None:
            state = self._keogram.state
            self._write(self._night, name, self._keogram.picture, {"frames": state.frames, "stride": state.stride})
        if name == STAR_TRAIL and self._trail is not None:
            self._write(self._night, name, self._trail.picture, {"frames": self._trail.frames, "geometry": self._trail_geometry})

    def _write(self, night: NightId, name: str, picture: Picture, state: Mapping[str, int | str]) -> None:
        self._beat()
        data = codec.with_comment(codec.encode(picture, _QUALITY), json.dumps(state))
        self._products.write(night, name, data)

    def _resume_keogram(self, night: NightId) -> Keogram | None:
        saved = self._read(night, KEOGRAM)
        if saved is None:
            return None
        picture, state = saved
        frames, stride = state.get("frames"), state.get("stride")
        if isinstance(frames, int) and isinstance(stride, int):
            try:
                return Keogram.resumed(picture, KeogramState(frames, stride))
            except ValueError as error:
                log.warning("the keogram of %s begins anew: %s", night, error)
        return None

    def _resume_trail(self, night: NightId) -> tuple[StarTrail | None, str]:
        saved = self._read(night, STAR_TRAIL)
        if saved is None:
            return None, ""
        picture, state = saved
        frames, geometry = state.get("frames"), state.get("geometry")
        if not isinstance(frames, int) or not isinstance(geometry, str):
            return None, ""
        return StarTrail(picture, frames=frames), geometry

    def _read(self, night: NightId, name: str) -> tuple[Picture, Mapping[str, object]] | None:
        """Return a saved product with its state, or None where there is none that can be gone on with."""
        self._beat()
        try:
            untrusted = self._products.read(night, name)
            if untrusted is None:
                return None
            state = json.loads(codec.comment_of(untrusted) or "null")
            picture = codec.decode(untrusted)
        except (InputError, ValueError, StoreError) as error:
            log.warning("%s of %s begins anew: %s", name, night, error)
            return None
        return (picture, state) if isinstance(state, dict) else None


def geometry_of(picture: Picture, image: Image) -> str:
    """Return what must be the same for two pictures to lie on one another."""
    height, width = picture.shape[:2]
    mirrors = ("h" if image.flip_horizontal else "") + ("v" if image.flip_vertical else "")
    return f"{width}x{height}-{image.rotation.value}{mirrors}"
