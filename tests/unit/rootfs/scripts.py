"""Scripts of the device as modules, so that their functions can be called with paths of a test's."""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[3] / "rootfs-overlay/usr/libexec/nightjar"


@contextmanager
def _nothing_compiled() -> Iterator[None]:
    """Leave nothing beside what lies as it will lie on the device."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def part(name: str) -> ModuleType:
    """Return a module that several scripts share."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    with _nothing_compiled():
        return importlib.import_module(f"updating.{name}")


def load(name: str) -> ModuleType:
    """Return a script as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(FOLDER / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look for their module there
    with _nothing_compiled():
        loader.exec_module(module)
    return module
