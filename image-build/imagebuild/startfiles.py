"""What the Pi's own processor starts from: which files lie on the first partition, and which beside each system's kernel."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from imagebuild.bootfiles import environment, script_image
from imagebuild.flavour import Flavour

FIRST_STAGE = "bootcode.bin"
"""What a Pi 3 and its like read first, from the first partition they find; a Pi 4 and a Pi 5 have it in themselves."""
FIRMWARE = ("start*.elf", "fixup*.dat")
OF_SYSTEM = ("vmlinuz", "initrd.img")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the files come from."""

    repository: Path
    parts: Path
    """Folder of the packages that were taken apart."""
    kernel: Path
    """Folder of kernel and initrd."""
    epoch: int

    @property
    def config(self) -> Path:
        """The project's own files."""
        return self.repository / "firmware-config"

    @property
    def firmware(self) -> Path:
        """The Pi's firmware."""
        return self.parts / "raspi-firmware/usr/lib/raspi-firmware"

    def trees(self) -> Path:
        """Return the folder of the device trees."""
        (package,) = self.parts.glob("linux-image-*")
        (found,) = package.glob("usr/lib/linux-image-*/broadcom")
        return found


def lay(first: Path, boot: Path, sources: Sources, flavour: Flavour, roots: dict[str, UUID]) -> None:
    """Lay the files into two folders, which are empty.

    Parameters
    ----------
    first : Path
        Of the first partition.
    boot : Path
        Of the partition of a system's kernel, the same one for both systems.
    sources : Sources
    flavour : Flavour
    roots : dict
        Ids of the partitions that the systems lie on, by `A` and `B`.
    """
    for path in (sources.firmware / FIRST_STAGE, sources.config / "nightjar.toml"):
        _copy(path, first)
    for name in OF_SYSTEM:
        _copy(sources.kernel / name, boot)
    # U-Boot finds a system's kernel by itself; without it, the firmware starts from the partition that the kernel lies on.
    beside = first if flavour.is_debian else boot
    trees = sources.trees()
    for folder, patterns in ((sources.firmware, FIRMWARE), (trees, flavour.boards)):
        for pattern in patterns:
            for path in folder.glob(pattern):
                _copy(path, beside)
    _copy(sources.config / flavour.config, beside, "config.txt")
    if flavour.is_debian:
        u_boot = sources.parts / "u-boot-rpi/usr/lib/u-boot/rpi_arm64/u-boot.bin"
        _copy(u_boot, first)
        (first / "uboot.env").write_bytes(environment(u_boot.read_bytes()))
        script = (sources.config / "boot.cmd").read_text(encoding="ascii")
        (first / "boot.scr").write_bytes(script_image(script, sources.epoch))
    else:
        shutil.copytree(
            trees.parent / "overlays", boot / "overlays"
        )  # what tells the kernel which camera hangs on the ribbon cable
        _copy(sources.config / "autoboot.txt", first)
        line = (sources.config / f"cmdline-{flavour.name}.txt").read_text(encoding="ascii")
        (boot / "cmdline.txt").write_text(line.format_map(roots), encoding="ascii")


def _copy(path: Path, folder: Path, name: str = "") -> None:
    (folder / (name or path.name)).write_bytes(path.read_bytes())
