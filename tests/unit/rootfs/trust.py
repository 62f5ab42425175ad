"""The script `nightjar-trust` of the device as a module, so that its functions can be called with paths of a test's."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parents[3] / "rootfs-overlay/usr/libexec/nightjar/nightjar-trust"


def load() -> ModuleType:
    """Return the script as a module; nothing compiled is left beside it, for it lies as it will lie on the device."""
    loader = importlib.machinery.SourceFileLoader("nightjar_trust", str(SCRIPT))
    spec = importlib.util.spec_from_loader("nightjar_trust", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
