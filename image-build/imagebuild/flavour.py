"""The two kinds of image: of Debian alone, and with Raspberry Pi's own archive beside it, for cameras on a Pi's ribbon cable."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imagebuild.archive import Source

DEBIAN, RASPIOS = "debian", "raspios"
NAMES = (DEBIAN, RASPIOS)
_OVERLAY = "rootfs-overlay"


def suffix_of(name: str) -> str:
    """Return what the files of a kind have in their names, and what an update for it calls itself has at its end."""
    return "" if name == DEBIAN else f"-{name}"


@dataclass(frozen=True, slots=True)
class Names:
    """What packages.toml names."""

    image: tuple[str, ...]
    parts: tuple[str, ...]
    test: tuple[str, ...]
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flavour:
    """One kind of image."""

    name: str
    wanted: Names
    lock: str
    """Name of its lock, beside packages.toml."""
    sources: tuple[Source, ...]
    """Archives beside Debian's."""
    groups: tuple[str, ...]
    """Of pyproject.toml, whose packages go in besides the program's own."""
    boards: tuple[str, ...]
    """Patterns of device trees, as its kernel calls them."""
    config: str
    """Name of the file in firmware-config that becomes `config.txt`."""
    in_old_table: tuple[int, ...]
    """Numbers of the partitions that the Pi's firmware has to find by the table of the old kind."""
    overlays: tuple[str, ...]
    """Folders of the repository whose files are laid over the system."""

    @property
    def is_debian(self) -> bool:
        """Whether it is the one that is tested."""
        return self.name == DEBIAN

    @property
    def suffix(self) -> str:
        """What its files have in their names."""
        return suffix_of(self.name)

    @property
    def refresh(self) -> str:
        """The command that renews its lock."""
        return "./build.sh image " + ("" if self.is_debian else f"--flavour {self.name} ") + "--refresh-lock"

    @classmethod
    def read(cls, path: Path, name: str) -> Self:
        """Read packages.toml; raises KeyError or TypeError where it is not of this form."""
        known = tomllib.loads(path.read_text(encoding="utf-8"))
        raspios = known.pop(RASPIOS)
        wanted = Names(**{use: tuple(names) for use, names in known.items()})
        if name == DEBIAN:
            return cls(
                name, wanted, "packages.lock", (), (), ("bcm2711-rpi-*.dtb", "bcm2837-rpi-*.dtb"), "config.txt", (1,), (_OVERLAY,)
            )
        wanted = Names((*wanted.image, *raspios["image"]), tuple(raspios["parts"]), wanted.test, wanted.tools)
        source = Source(raspios["address"], raspios["suite"], raspios["components"], Path(raspios["keyring"]))
        boards = tuple(raspios["boards"])
        groups, config, overlays = tuple(raspios["wheels"]), f"config-{name}.txt", (_OVERLAY, f"image-build/{name}")
        return cls(name, wanted, f"packages-{name}.lock", (source,), groups, boards, config, (1, 3, 4), overlays)
