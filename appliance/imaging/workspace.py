"""Arrays that are used again for the next frame: a fresh 37 MB array costs more in page faults than the debayering into it."""

from typing import Any

import numpy as np
import numpy.typing as npt


class Workspace:
    """Holds one array per name and hands it out again while shape and type stay the same.

    What a function returns from a workspace is valid until the same function is called with that workspace again.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, npt.NDArray[Any]] = {}  # arrays of several types, each asked for by its own name

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the array of this name, uninitialised when it is new or had another shape or type."""
        found = self._arrays.get(name)
        if found is None or found.shape != shape or found.dtype != np.dtype(dtype):
            found = self._arrays[name] = np.empty(shape, dtype)
        return found

    def forget(self) -> None:
        """Give every array back."""
        self._arrays.clear()
