"""Scripts of the device as modules, so that their functions can be called with paths of a test's."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[3] / "rootfs-overlay/usr/libexec/nightjar"


def load(name: str) -> ModuleType:
    """Return a script as a module; nothing compiled is left beside it, for it lies as it will lie on the device."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(FOLDER / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.modules[loader.name] = module  # dataclasses look for their module there
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
