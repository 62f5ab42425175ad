"""What the Pi's own processor finds: U-Boot on the first partition, or a system's own files beside its kernel."""

import re
from pathlib import Path

import pytest

from imagebuild.disk import LINUX, Partition
from imagebuild.flavour import DEBIAN, RASPIOS, Flavour
from imagebuild.startfiles import Sources, lay
from tests.unit.image_build.test_bootfiles import OWN, u_boot
from tests.unit.rootfs import scripts

ROOT = Path(__file__).parents[3]
IDS = {name: Partition(f"root_{name.lower()}", LINUX, 0).id for name in "AB"}
autoboot = scripts.raspios_part("autoboot")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    parts, kernel = tmp_path / "parts", tmp_path / "kernel"
    package = parts / "linux-image-6.12-rpi/usr/lib/linux-image-6.12-rpi"
    for path in (
        *(
            parts / "raspi-firmware/usr/lib/raspi-firmware" / name
            for name in ("bootcode.bin", "start.elf", "start4.elf", "fixup.dat")
        ),
        parts / "u-boot-rpi/usr/lib/u-boot/rpi_arm64/u-boot.bin",
        *(package / "broadcom" / f"bcm{name}.dtb" for name in ("2837-rpi-3-b", "2710-rpi-3-b", "2711-rpi-4-b", "2712-rpi-5-b")),
        package / "overlays/imx477.dtbo",
        kernel / "vmlinuz",
        kernel / "initrd.img",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    (parts / "u-boot-rpi/usr/lib/u-boot/rpi_arm64/u-boot.bin").write_bytes(u_boot(OWN))
    return Sources(ROOT, parts, kernel, 0)


def laid(tmp_path: Path, sources: Sources, name: str) -> tuple[Path, Path]:
    first, boot = tmp_path / "first", tmp_path / "boot"
    for folder in (first, boot):
        folder.mkdir()
    lay(first, boot, sources, Flavour.read(ROOT / "image-build/packages.toml", name), IDS)
    return first, boot


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_u_boot_lies_on_the_first_partition_with_all_that_the_firmware_reads(tmp_path: Path, sources: Sources) -> None:
    first, boot = laid(tmp_path, sources, DEBIAN)
    firmware = {"bootcode.bin", "start.elf", "start4.elf", "fixup.dat", "bcm2837-rpi-3-b.dtb", "bcm2711-rpi-4-b.dtb"}
    assert names(first) == firmware | {"u-boot.bin", "uboot.env", "boot.scr", "config.txt", "nightjar.toml"}
    assert names(boot) == {"vmlinuz", "initrd.img"}
    assert "kernel=u-boot.bin" in (first / "config.txt").read_text().splitlines()


def test_without_u_boot_all_that_the_firmware_reads_lies_beside_the_kernel(tmp_path: Path, sources: Sources) -> None:
    first, boot = laid(tmp_path, sources, RASPIOS)
    assert names(first) == {"bootcode.bin", "autoboot.txt", "nightjar.toml"}, "nothing that could be taken for a system"
    trees = {"bcm2710-rpi-3-b.dtb", "bcm2711-rpi-4-b.dtb", "bcm2712-rpi-5-b.dtb", "overlays/imx477.dtbo"}
    firmware = {"start.elf", "start4.elf", "fixup.dat", "config.txt", "cmdline.txt"}
    assert names(boot) == trees | firmware | {"vmlinuz", "initrd.img"}
    assert {name.upper() for name in names(boot)} >= autoboot.NEEDED


def test_a_new_card_starts_the_first_system_as_the_appliance_itself_would_have_it(tmp_path: Path, sources: Sources) -> None:
    first, _ = laid(tmp_path, sources, RASPIOS)
    assert (first / "autoboot.txt").read_bytes() == autoboot.text("A")


def test_the_same_files_serve_in_both_places(tmp_path: Path, sources: Sources) -> None:
    _, boot = laid(tmp_path, sources, RASPIOS)
    (line,) = (boot / "cmdline.txt").read_text().splitlines()
    words = dict(word.partition("=")[::2] for word in line.split())
    assert {name: words[f"nightjar.root_{name}"] for name in "AB"} == {name: f"PARTUUID={one}" for name, one in IDS.items()}
    assert not {"root", "rauc.slot"} & set(words), "which of the two it is the firmware tells the kernel"
    script = (ROOT / "firmware-config/boot.cmd").read_text()
    told = re.search(r'^setenv bootargs "root=\S+ (.*) rauc\.slot=\S+ (.*)"$', script, re.MULTILINE)
    assert told is not None
    assert set(f"{told[1]} {told[2]}".split()) <= set(line.split()), "all else is what U-Boot's script says"
    config = (boot / "config.txt").read_text().splitlines()
    assert {"kernel=vmlinuz", "initramfs initrd.img followkernel"} <= set(config)
    assert not [line for line in config if line.startswith("[") or "u-boot" in line]


def test_a_package_without_the_firmware_stops_the_build(tmp_path: Path, sources: Sources) -> None:
    (sources.firmware / "bootcode.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"bootcode\.bin"):
        laid(tmp_path, sources, RASPIOS)
