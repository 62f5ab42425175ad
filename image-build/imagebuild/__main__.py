"""The command line of the image builder."""

import argparse
import gzip
import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imagebuild import archive, extra, keyring, lock, packages, sbom
from imagebuild.bootfiles import MIB, NEW_STATE, fat, set_dates, state_partition
from imagebuild.cache import Cache, key_of
from imagebuild.disk import BASIC_DATA, LINUX, Partition, block_map
from imagebuild.disk import write as write_disk
from imagebuild.flavour import NAMES, Flavour
from imagebuild.imager import entry
from imagebuild.kernel import Chosen, install_firmware, install_modules, make_initrd, modules_of
from imagebuild.program import Source, fill_root, pack_root
from imagebuild.refresh import refresh
from imagebuild.run import BuildError, must_be_root, run
from imagebuild.signature import sign
from imagebuild.startfiles import Sources, lay
from imagebuild.terminal import Steps
from imagebuild.wheels import make_wheels

HERE = Path(__file__).resolve().parents[1]
CODE = HERE / "imagebuild"
WANTED, MODULES, INIT = HERE / "packages.toml", HERE / "modules.toml", HERE / "initrd.sh"
EXTRA = HERE / "extra"
STEPS = ("package files", "tools", "system", "kernel", "wheels", "program", "disk", "download")
KEPT_IMAGES = 2
"""Of finished images so many stay in the cache: each has the size of a download."""
ROOT_LIMIT = DOWNLOAD_LIMIT = 400 * MIB
FIRMWARE_SIZE, STATE_SIZE, BOOT_SIZE, ROOT_SIZE = 96 * MIB, 8 * MIB, 128 * MIB, 512 * MIB
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Stages:
    """What was made before the program is put in."""

    flavour: Flavour
    tools: Path
    system: Path
    kernel: Path
    parts: Path
    wheels: Path


def build(source: Source, flavour: Flavour, cache: Cache, address: str, key: Path | None, taken: bytes) -> Path:
    """Build the image; return where it lies.

    Parameters
    ----------
    source : Source
    flavour : Flavour
    cache : Cache
    address : str
        Where the download will be published.
    key : Path or None
        What it is signed with.
    taken : bytes
        The keyring: whose updates it takes.

    Raises
    ------
    BuildError
        If that cannot be done, or the result is larger than it may be.
    """
    steps = Steps(cache.folder / "times.json", STEPS)
    locked = lock.read(HERE / flavour.lock, flavour.refresh)
    extras = extra.read(EXTRA, packages.TARGET)
    stages = _stages(source, flavour, cache, steps, locked, extras)
    stem = f"nightjar-{source.version}-arm64{flavour.suffix}"

    def make(folder: Path) -> None:
        with cache.scratch() as scratch:
            root, image = scratch / "root", scratch / f"{stem}.img"
            with steps.step("program"):
                fill_root(
                    root, source, flavour.overlays, stages.system, stages.wheels, stages.kernel, stages.tools / "root", taken
                )
                pack_root(root, scratch / "root.squashfs", source.epoch, stages.tools / "root")
                _must_fit(scratch / "root.squashfs", ROOT_LIMIT)
            with steps.step("disk"):
                _make_disk(image, scratch, source, stages)
            with steps.step("download"):
                _make_download(folder, image, source, (*locked, *extras), stages, address)

    inputs = key_of(source.inputs, flavour.name, repr(extras.keys()), address, stages.system.name, taken)
    made = cache.get("image", inputs, make)
    cache.keep_newest("image", KEPT_IMAGES)
    dist = source.folder / "dist"
    dist.mkdir(exist_ok=True)
    for path in made.iterdir():
        run("cp", "--reflink=auto", path, dist)
    packed = dist / f"{stem}.img.xz"
    if key is not None:
        sign(packed.with_name(f"{packed.name}.sha256"), key)
    return packed


def _stages(
    source: Source,
    flavour: Flavour,
    cache: Cache,
    steps: Steps,
    locked: tuple[lock.Package, ...],
    extras: dict[lock.Package, Path],
) -> Stages:
    own = packages.architecture()
    image, parts, test = (lock.used_for(locked, use) for use in ("image", "parts", "test"))
    tools_wanted = lock.used_for(locked, f"tools-{own}")
    with steps.step("package files"):
        _download(cache, flavour, (*image, *parts, *test), packages.TARGET)
        _download(cache, flavour, tools_wanted, own)

    def repository(folder: Path, wanted: tuple[lock.Package, ...]) -> Path:
        archive.make_repository(folder / "repository", cache.pool, wanted)
        return folder / "repository"

    code = [CODE / f"{name}.py" for name in ("packages", "archive", "room", "run")]
    with steps.step("tools"):
        key = key_of(repr(tools_wanted), *code)
        tools = cache.get("tools", key, lambda folder: packages.make_tools(folder, repository(folder, tools_wanted)))
    with steps.step("system"):
        key = key_of(repr(image), repr(tools_wanted), *code)
        base = cache.get("base", key, lambda folder: packages.make_base(folder, repository(folder, image)))
        system = cache.get("system", key, lambda folder: packages.make_system(folder, base, repository(folder, image), tools))
        system = _extended(cache, system, tools, key, extras)
    with steps.step("kernel"):
        unpacked = cache.get(
            "parts", key_of(repr(parts + test)), lambda folder: packages.unpack(parts + test, cache.pool, folder)
        )
        key = key_of(repr(parts), repr(tools_wanted), flavour.name, MODULES, INIT, CODE / "kernel.py", CODE / "cpio.py")
        kernel = cache.get("kernel", key, lambda folder: _make_kernel(folder, flavour, unpacked, tools / "root"))
    with steps.step("wheels"):
        key = key_of(source.folder / "uv.lock", CODE / "wheels.py", repr(tools_wanted), repr(flavour.groups))
        wheels = cache.get("wheels", key, lambda folder: make_wheels(folder, source.folder, tools / "root", flavour.groups))
    return Stages(flavour, tools, system, kernel, unpacked, wheels)


def _extended(cache: Cache, system: Path, tools: Path, system_key: str, extras: dict[lock.Package, Path]) -> Path:
    """Return the system with whoever builds' own packages, where there are any."""
    if not extras:
        return system

    def make(folder: Path) -> None:
        extra.fill_pool(folder / "pool", extras)
        archive.make_repository(folder / "repository", folder / "pool", tuple(extras))
        packages.make_extended(folder, system, folder / "repository", tools)

    return cache.get("extended", key_of(system_key, repr(sorted(extras)), CODE / "extra.py"), make)


def _download(cache: Cache, flavour: Flavour, files: tuple[lock.Package, ...], architecture: str) -> None:
    if all((cache.pool / one.file).is_file() for one in files):
        return
    beside = flavour.sources if architecture == packages.TARGET else ()
    with cache.scratch() as scratch:
        debian = archive.Archive(architecture, scratch / architecture, beside, flavour.refresh)
        debian.update()
        debian.download(files, cache.pool)


def _make_kernel(folder: Path, flavour: Flavour, unpacked: Path, tools: Path) -> None:
    """Choose what of the kernel lies on the card; `folder/root` is laid into the system, the rest onto the boot partition."""
    chosen = Chosen.read(MODULES)
    (package,) = unpacked.glob("linux-image-*")
    modules = modules_of(package, tools)
    ribbon = () if flavour.is_debian else chosen.ribbon
    may_lack = not flavour.is_debian
    on_card = modules.closure((*chosen.initrd, *chosen.image, *ribbon), may_lack=may_lack)
    install_modules(modules, on_card, folder / "root", tools)
    firmware = (unpacked / "raspi-firmware", unpacked / "firmware-brcm80211")
    install_firmware(chosen.firmware, firmware, folder / "root")
    (folder / "initrd-modules").mkdir()
    install_modules(modules, modules.closure(chosen.initrd, may_lack=may_lack), folder / "initrd-modules", tools)
    initrd = make_initrd(INIT, folder / "initrd-modules", unpacked / "busybox-static", tools)
    (folder / "initrd.img").write_bytes(initrd)
    vmlinuz = next(package.glob("boot/vmlinuz-*")).read_bytes()
    (folder / "vmlinuz").write_bytes(gzip.decompress(vmlinuz) if vmlinuz.startswith(GZIP) else vmlinuz)  # U-Boot starts it plain


def _make_disk(image: Path, scratch: Path, source: Source, stages: Stages) -> None:
    """Make the disk: the partitions are described in firmware-config/README.md."""
    tools = stages.tools / "root"
    firmware, boot = scratch / "firmware", scratch / "boot"
    for folder in (firmware, boot):
        folder.mkdir()
    roots = {"A": Partition("root_a", LINUX, ROOT_SIZE, scratch / "root.squashfs"), "B": Partition("root_b", LINUX, ROOT_SIZE)}
    sources = Sources(source.folder, stages.parts, stages.kernel, source.epoch)
    lay(firmware, boot, sources, stages.flavour, {name: one.id for name, one in roots.items()})
    for folder in (firmware, boot):
        set_dates(folder, source.epoch)
    images = scratch / "images"
    images.mkdir()
    fat(firmware, images / "firmware", label="NIGHTJAR", serial=0x4E4A0001, size=FIRMWARE_SIZE, tools=tools)
    fat(boot, images / "boot", label="BOOT", serial=0x4E4A0002, size=BOOT_SIZE, tools=tools)
    (images / "state").write_bytes(state_partition(NEW_STATE, STATE_SIZE))
    write_disk(
        image,
        (
            Partition("firmware", BASIC_DATA, FIRMWARE_SIZE, images / "firmware"),
            Partition("bootstate", LINUX, STATE_SIZE, images / "state"),
            Partition("boot_a", BASIC_DATA, BOOT_SIZE, images / "boot"),
            Partition("boot_b", BASIC_DATA, BOOT_SIZE),
            *roots.values(),
        ),
        in_old=stages.flavour.in_old_table,
    )


def _make_download(
    dist: Path, image: Path, source: Source, locked: tuple[lock.Package, ...], stages: Stages, address: str
) -> None:
    """Pack the image, and lay beside it what describes it."""
    packed = dist / f"{image.name}.xz"
    (dist / f"{image.name}.bmap").write_text(block_map(image), encoding="utf-8")
    size, sha256 = image.stat().st_size, _sha256(image)
    # Blocks of a fixed size: the result does not depend on how many processors there are.
    run("xz", "--threads=2", "--block-size=32MiB", "-0", "--check=sha256", "--keep", image)
    made = image.with_name(packed.name)
    _must_fit(made, DOWNLOAD_LIMIT)
    run("mv", made, packed)
    (dist / f"{packed.name}.sha256").write_text(f"{_sha256(packed)}  {packed.name}\n", encoding="ascii")
    parts = sbom.debian_parts([one for one in locked if one.use in {"image", "parts", extra.USE}], archive.RELEASE)
    parts += sbom.python_parts(stages.wheels / "site")
    stem = image.stem
    (dist / f"{stem}.spdx.json").write_text(sbom.spdx(parts, source.version, source.epoch), encoding="utf-8")
    (dist / f"{stem}.cdx.json").write_text(sbom.cyclonedx(parts, source.version, source.epoch), encoding="utf-8")
    listed = entry(packed, version=source.version, epoch=source.epoch, size=size, sha256=sha256, address=address)
    (dist / f"{stem}.imager.json").write_text(listed, encoding="utf-8")
    shutil.copyfile(source.folder / "appliance/web/static/logo.svg", dist / "nightjar.svg")
    shutil.copyfile(stages.parts / "u-boot-qemu/usr/lib/u-boot/qemu_arm64/u-boot.bin", dist / "u-boot-qemu.bin")


def _must_fit(file: Path, limit: int) -> None:
    if file.stat().st_size > limit:
        raise BuildError(f"{file.name} has {file.stat().st_size >> 20} MiB, and may have {limit >> 20}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code is 1 for what could not be built."""
    parser = argparse.ArgumentParser(prog="build.sh image", description="Build the image for the card, in dist/.")
    parser.add_argument(
        "--refresh-lock", action="store_true", help="take the package versions that Debian has today, and build nothing"
    )
    parser.add_argument(
        "--flavour",
        choices=NAMES,
        default=NAMES[0],
        help="debian (default), or raspios: with Raspberry Pi's own archive, for cameras on a Pi's ribbon cable; not tested",
    )
    parser.add_argument("--address", default="", help="where the download will be published, for the list of Raspberry Pi Imager")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="sign the download's sum with this Ed25519 key, a PEM file")
    parser.add_argument(
        "--keyring",
        type=Path,
        metavar="FILE",
        help="whose updates it takes (default: the keyring of ./build.sh keys, made if missing)",
    )
    options = parser.parse_args(arguments)
    os.umask(0o022)  # folders of the image are made here: whoever builds may keep their own files to themselves
    try:
        must_be_root()
        cache, flavour = Cache(), Flavour.read(WANTED, options.flavour)
        with cache.alone():
            if options.refresh_lock:
                with cache.scratch() as scratch:
                    changed = refresh(flavour, HERE / flavour.lock, scratch)
                print("\n".join(changed) or f"{flavour.lock} is as it was")
                return 0
            taken = keyring.chosen(options.keyring, datetime.now(UTC))
            packed = build(Source(HERE.parent), flavour, cache, options.address, options.sign, taken)
    except BuildError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    print(f"image: {packed} ({packed.stat().st_size >> 20} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
