"""The child's other work: the one file of an update's name is copied from the stick into the data folder, and hashed.

What it is, is not decided here: the update service has its signature checked like that of any other bundle.
"""

from collections.abc import Callable
from pathlib import Path

from appliance.domain.errors import InputError
from appliance.domain.update import LARGEST_BUNDLE, SMALLEST_BUNDLE
from appliance.export.inward import copy_in
from appliance.export.names import BUNDLE
from appliance.export.stick import StickFolder

TAKEN = "updates/stick.bin"
"""Where in the data folder it goes."""


def take_bundle(stick: StickFolder, data: Path, begin: Callable[[int], None], passed: Callable[[int], None]) -> str:
    """Copy the bundle; return its SHA-256.

    Parameters
    ----------
    stick : StickFolder
    data : Path
        The data folder.
    begin : callable
        Is told how many bytes there are.
    passed : callable
        Is told of each piece; may raise to stop, and nothing is left behind then.

    Raises
    ------
    InputError
        If the stick holds no such file, or it cannot be an update.
    StickError
        If the stick fails.
    SourceError
        If it finds no room here.
    """
    with stick.bundle() as (descriptor, size):
        if not SMALLEST_BUNDLE <= size <= LARGEST_BUNDLE:
            raise InputError(f"The file {BUNDLE} on the stick is no update: it has {size} bytes.")
        begin(size)
        return copy_in(descriptor, size, BUNDLE, data / TAKEN, passed)
