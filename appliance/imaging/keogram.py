"""A night in one picture: the middle column of every frame, side by side as time goes on."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Picture

HEIGHT_MAX = 720
COLUMNS_MAX = 6000
"""A whole day of a frame each 15 s; with more frames every second, then every fourth one gives a column."""
_STRIP = 256
"""The middle column is the mean of a strip this part of the picture wide, which calms its noise."""

Columns = npt.NDArray[np.uint8]


def height_for(picture: Picture) -> int:
    """Return the height of a keogram of such pictures."""
    return min(len(picture), HEIGHT_MAX)


def column_of(picture: Picture, height: int) -> Columns:
    """Return (height, 3): the middle of a picture, brought to this height."""
    width = picture.shape[1]
    strip = max(1, width // _STRIP)
    left = (width - strip) // 2
    middle = np.ascontiguousarray(picture[:, left : left + strip])
    return cast(Columns, cv2.resize(middle, (1, height), interpolation=cv2.INTER_AREA)).reshape(height, 3)


@dataclass(frozen=True, slots=True)
class KeogramState:
    """What must be known besides the picture itself to go on growing it."""

    frames: int
    stride: int


class Keogram:
    """A keogram that grows by a column a frame, in memory that is bounded however long the night.

    Its picture after n frames is the columns of frames 0, s, 2 s, ... with the smallest power of two s that keeps them
    within `COLUMNS_MAX`: the same as if made afterwards from all frames.
    """

    def __init__(self, height: int, *, columns_max: int = COLUMNS_MAX) -> None:
        if columns_max < 2 or columns_max % 2:
            raise ValueError(f"a keogram has an even number of columns, 2 at least, not {columns_max}")
        self._columns_max = columns_max
        self._columns = np.empty((min(256, columns_max), height, 3), np.uint8)
        self._count = self._frames = 0
        self._stride = 1

    @classmethod
    def resumed(cls, picture: Picture, state: KeogramState, *, columns_max: int = COLUMNS_MAX) -> "Keogram":
        """Go on from a picture and its state.

        Raises
        ------
        ValueError
            If the two do not belong together.
        """
        height, count = picture.shape[:2]
        stride = state.stride
        is_power = stride > 0 and stride & (stride - 1) == 0
        if not is_power or not 0 < count <= columns_max or count != -(-state.frames // stride):
            raise ValueError(f"{count} columns are not every {stride}. of {state.frames} frames")
        keogram = cls(height, columns_max=columns_max)
        keogram._make_room(count)
        keogram._columns[:count] = picture.transpose(1, 0, 2)
        keogram._count, keogram._frames, keogram._stride = count, state.frames, stride
        return keogram

    @property
    def height(self) -> int:
        """Height of every column, in pixels."""
        return self._columns.shape[1]

    @property
    def state(self) -> KeogramState:
        """What `resumed` needs."""
        return KeogramState(self._frames, self._stride)

    @property
    def picture(self) -> Picture:
        """A copy (h, columns, 3) of what has grown."""
        return np.ascontiguousarray(self._columns[: self._count].transpose(1, 0, 2))

    def add(self, column: Columns) -> None:
        """Take the column of the next frame.

        Raises
        ------
        ValueError
            If it has another height.
        """
        if column.shape != self._columns.shape[1:]:
            raise ValueError(f"the column is {column.shape} but the keogram's are {self._columns.shape[1:]}")
        if self._frames % self._stride == 0:
            if self._count == self._columns_max:
                self._thin_out()  # an even number of columns: this frame has one under the doubled stride too
            self._make_room(self._count + 1)
            self._columns[self._count] = column
            self._count += 1
        self._frames += 1

    def _thin_out(self) -> None:
        """Keep every second column."""
        half = self._columns_max // 2
        self._columns[:half] = self._columns[: self._columns_max : 2].copy()
        self._count, self._stride = half, 2 * self._stride

    def _make_room(self, count: int) -> None:
        if count > len(self._columns):
            room = min(self._columns_max, max(count, 2 * len(self._columns)))
            grown = np.empty((room, *self._columns.shape[1:]), np.uint8)
            grown[: self._count] = self._columns[: self._count]
            self._columns = grown
