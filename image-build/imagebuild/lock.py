"""`packages.lock`: every Debian package that goes into an image or makes one, with version and hash."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imagebuild.run import BuildError

REFRESH = "./build.sh image --refresh-lock"
HEAD = f"# Written by {REFRESH}: use, package, version, architecture, SHA-256, size in bytes.\n"
LINE = re.compile(
    r"(?P<use>[a-z0-9-]+) (?P<name>[a-z0-9][a-z0-9+.-]+) (?P<version>[A-Za-z0-9.+:~-]+) (?P<architecture>[a-z0-9]+) "
    r"(?P<sha256>[0-9a-f]{64}) (?P<size>[0-9]+)"
)


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package file."""

    use: str
    """`image`, `parts`, `test`, or `tools-` and the architecture of the building machine."""
    name: str
    version: str
    architecture: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Name of its file; as Debian's, without the epoch's colon."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def read(path: Path, refresh: str = REFRESH) -> tuple[Package, ...]:
    """Return what a lock names.

    Parameters
    ----------
    path : Path
    refresh : str
        The command that writes it.

    Raises
    ------
    BuildError
        If there is none, or a line is not one of ours.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BuildError(f"{path.name} is missing: {refresh} writes it") from error
    packages = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise BuildError(f"{path.name}, line {number}, is not a package: {line[:80]!r}; {refresh} renews it")
        packages.append(Package(**{**match.groupdict(), "size": int(match["size"])}))  # type: ignore[arg-type]
    return tuple(packages)


def write(path: Path, packages: Iterable[Package]) -> None:
    """Write a lock, sorted."""
    lines = [f"{one.use} {one.name} {one.version} {one.architecture} {one.sha256} {one.size}\n" for one in sorted(set(packages))]
    path.write_text(HEAD + "".join(lines), encoding="utf-8")


def used_for(packages: Iterable[Package], use: str) -> tuple[Package, ...]:
    """Return those of one use.

    Raises
    ------
    BuildError
        If there are none.
    """
    found = tuple(package for package in packages if package.use == use)
    if not found:
        raise BuildError(f"the lock names nothing for {use!r}: renew it with --refresh-lock")
    return found
