"""Packages that whoever builds adds to the image: files in a folder, of which the lock knows nothing."""

import hashlib
from pathlib import Path

from imagebuild.lock import Package
from imagebuild.run import BuildError, run

USE = "extra"
FIELDS = ("Package", "Version", "Architecture")


def read(folder: Path, architecture: str) -> dict[Package, Path]:
    """Return what lies in the folder, by what each file says of itself.

    Raises
    ------
    BuildError
        If a file is no package, or one for another kind of processor, or two are of the same package.
    """
    found: dict[Package, Path] = {}
    for path in sorted(folder.glob("*.deb")):
        try:
            name, version, of = (run("dpkg-deb", "--field", path, field).strip() for field in FIELDS)
        except BuildError as error:
            raise BuildError(f"{path} is no Debian package: take it out of {folder.name}/") from error
        if of not in {architecture, "all"}:
            raise BuildError(f"{path.name} is for {of}, and the image for {architecture}: take it out of {folder.name}/")
        if name in {package.name for package in found}:
            raise BuildError(f"{folder.name}/ holds {name} twice: leave one of them")
        data = path.read_bytes()
        found[Package(USE, name, version, of, hashlib.sha256(data).hexdigest(), len(data))] = path
    return found


def fill_pool(pool: Path, packages: dict[Package, Path]) -> None:
    """Lay the files where a pool has them: called as Debian calls them."""
    pool.mkdir()
    for package, path in packages.items():
        (pool / package.file).write_bytes(path.read_bytes())
