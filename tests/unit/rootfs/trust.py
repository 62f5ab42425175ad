"""The script `nightjar-trust` of the device as a module, so that its functions can be called with paths of a test's."""

from types import ModuleType

from tests.unit.rootfs import scripts

SCRIPT = scripts.FOLDER / "nightjar-trust"


def load() -> ModuleType:
    """Return the script as a module."""
    return scripts.load(SCRIPT.name)
