"""Scripts of the device as modules, so that their functions can be called with paths of a test's."""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "rootfs-overlay/usr/libexec/nightjar"
RASPIOS = ROOT / "image-build/raspios/usr/libexec/nightjar"
"""What is laid over it in the other kind of image."""


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


def raspios_part(name: str) -> ModuleType:
    """Return a module that only the other kind of image has: there, it lies in the same folder."""
    package, folder = importlib.import_module(part("bootstate").__name__.partition(".")[0]), str(RASPIOS / "updating")
    if folder not in package.__path__:
        package.__path__.append(folder)
    return part(name)


def replaced_by_raspios(name: str) -> ModuleType:
    """Return what lies in the other kind of image in the place of a module."""
    raspios_part("autoboot")
    spec = importlib.util.spec_from_file_location(f"raspios_{name}", RASPIOS / f"updating/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _nothing_compiled():
        spec.loader.exec_module(module)
    return module


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
