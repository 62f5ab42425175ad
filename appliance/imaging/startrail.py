"""The stars' paths through a night: of every pixel the brightest value of all frames."""

import cv2

from appliance.domain.frame import Picture


class StarTrail:
    """A star trail that grows in place; after n frames it is the maximum of all of them, exactly."""

    def __init__(self, picture: Picture, *, frames: int = 1) -> None:
        self._picture = picture.copy()
        self._frames = frames

    @property
    def picture(self) -> Picture:
        """The trail itself, not a copy: the next frame changes it."""
        return self._picture

    @property
    def frames(self) -> int:
        """How many frames are in it."""
        return self._frames

    def add(self, picture: Picture) -> None:
        """Take the next frame.

        Raises
        ------
        ValueError
            If it has another size.
        """
        if picture.shape != self._picture.shape:
            raise ValueError(f"the picture is {picture.shape} but the star trail {self._picture.shape}")
        cv2.max(self._picture, picture, dst=self._picture)
        self._frames += 1
