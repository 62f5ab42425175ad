"""Writes the lock anew: from the names in packages.toml to what the archive has today."""

from pathlib import Path

from imagebuild import lock
from imagebuild.archive import Archive
from imagebuild.flavour import Flavour
from imagebuild.lock import Package
from imagebuild.packages import MACHINES, TARGET


def refresh(flavour: Flavour, path: Path, scratch: Path) -> list[str]:
    """Write the lock; return what changed, a line for each package."""
    wanted = flavour.wanted
    before = {(one.use, one.name): one.version for one in lock.read(path, flavour.refresh)} if path.exists() else {}
    found: list[Package] = []
    for machine in sorted(set(MACHINES.values())):
        archive = Archive(machine, scratch / machine, flavour.sources if machine == TARGET else ())
        archive.update()
        found += archive.described(f"tools-{machine}", archive.resolve(wanted.tools, with_essential=True))
        if machine == TARGET:
            found += archive.described("image", archive.resolve(wanted.image, with_essential=True))
            for use, names in (("parts", wanted.parts), ("test", wanted.test)):
                found += archive.described(use, [archive.newest(name) for name in names])
    lock.write(path, found)
    after = {(one.use, one.name): one.version for one in found}
    return [
        f"{use}: {name} {before.get((use, name), 'new')} -> {after.get((use, name), 'gone')}"
        for use, name in sorted(before.keys() | after.keys())
        if before.get((use, name)) != after.get((use, name))
    ]
