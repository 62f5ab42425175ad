"""The update: the two file systems of a finished image, signed, in the one form that an appliance takes (RAUC, verity)."""

import argparse
import lzma
import os
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from imagebuild.disk import partitions
from imagebuild.flavour import NAMES, suffix_of
from imagebuild.keys import FOLDER, Keys
from imagebuild.program import Source
from imagebuild.run import BuildError, run

HERE = Path(__file__).resolve().parents[2]
DIST = HERE / "dist"
COMPATIBLE = "nightjar-arm64"
MANIFEST = """\
[update]
compatible={compatible}
version={version}
description={notes}

[bundle]
format=verity

[image.boot]
filename=boot.vfat

[image.root]
filename=root.squashfs
"""
CHECK = """\
[system]
compatible={compatible}
bootloader=noop

[keyring]
path={keyring}
check-crl=true
check-purpose=codesign
"""
"""With what a bundle is looked at once it is made: as an appliance would."""
SQUASHFS_MAGIC = b"hsqs"
BLOCK = 4096
PIECE = 1 << 20


def make(image: Path, keys: Keys, bundle: Path, *, version: str, notes: str, compatible: str = COMPATIBLE) -> None:
    """Make a bundle from an image.

    Parameters
    ----------
    image : Path
        As it is published (`.img.xz`), or unpacked.
    keys : Keys
        Whose signer signs.
    bundle : Path
        Is made, or replaced.
    version : str
    notes : str
        What is new, in one line.
    compatible : str
        For which kind of image it is.

    Raises
    ------
    BuildError
        If there is no such image or key, or it cannot be signed.
    """
    for path in (image, keys.signer, keys.signer_key, keys.keyring):
        if not path.is_file():
            raise BuildError(f"{path} is missing: ./build.sh {'image' if path == image else 'keys'} makes it")
    if "\n" in notes or not notes.isprintable():
        raise BuildError("the notes are one line of text")
    with tempfile.TemporaryDirectory(dir=bundle.parent) as scratch:
        disk, content = Path(scratch, "disk.img"), Path(scratch, "content")
        content.mkdir()
        unpack(image, disk)
        places = partitions(disk)
        for name, file in (("boot_a", "boot.vfat"), ("root_a", "root.squashfs")):
            if name not in places:
                raise BuildError(f"{image.name} has no partition {name}")
            begin, size = places[name]
            _cut(disk, content / file, begin, size)
        _shorten(content / "root.squashfs")
        pack(content, keys, bundle, version=version, notes=notes, compatible=compatible)


def pack(content: Path, keys: Keys, bundle: Path, *, version: str, notes: str, compatible: str = COMPATIBLE) -> None:
    """Make a bundle of a folder that holds `boot.vfat` and `root.squashfs`; the manifest is laid beside them.

    Raises
    ------
    BuildError
        If it cannot be signed.
    """
    text = MANIFEST.format(compatible=compatible, version=version, notes=notes)
    (content / "manifest.raucm").write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=bundle.parent) as scratch:
        configuration, made = Path(scratch, "system.conf"), Path(scratch, bundle.name)
        configuration.write_text(CHECK.format(compatible=compatible, keyring=keys.keyring), encoding="utf-8")
        signed = (f"--cert={keys.signer}", f"--key={keys.signer_key}", f"--keyring={keys.keyring}")
        run("rauc", f"--conf={configuration}", *signed, "bundle", content, made, environment=os.environ)
        made.replace(bundle)


def unpack(image: Path, disk: Path) -> None:
    """Write an image as a card holds it, packed as it is published or not; holes stay holes."""
    with lzma.open(image) if image.suffix == ".xz" else image.open("rb") as source, disk.open("wb") as target:
        while piece := source.read(PIECE):
            if piece.count(0) == len(piece):
                target.seek(len(piece), 1)
            else:
                target.write(piece)
        target.truncate(target.tell())


def _cut(disk: Path, file: Path, begin: int, size: int) -> None:
    with disk.open("rb") as source, file.open("wb") as target:
        source.seek(begin)
        for _ in range(size // PIECE):
            target.write(source.read(PIECE))


def _shorten(root: Path) -> None:
    """Leave away what the partition has behind its file system."""
    with root.open("r+b") as file:
        head = file.read(48)
        if not head.startswith(SQUASHFS_MAGIC):
            raise BuildError("the image's system is no squashfs")
        (used,) = struct.unpack_from("<Q", head, 40)
        file.truncate(-(-used // BLOCK) * BLOCK)


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code is 1 for what could not be made."""
    source = Source(HERE)
    parser = argparse.ArgumentParser(prog="build.sh bundle", description="Make the update bundle of the image in dist/.")
    parser.add_argument("--keys", type=Path, default=FOLDER, help="folder of ./build.sh keys (default: %(default)s)")
    parser.add_argument("--notes", default="", help="what is new, in one line")
    parser.add_argument("--flavour", choices=NAMES, default=NAMES[0], help="of which kind of image (default: %(default)s)")
    options = parser.parse_args(arguments)
    suffix = suffix_of(options.flavour)
    stem = f"nightjar-{source.version}-arm64{suffix}"
    image, bundle = DIST / f"{stem}.img.xz", DIST / f"{stem}.raucb"
    try:
        if shutil.which("rauc") is None:
            raise BuildError("rauc is not installed: apt-get install rauc")
        keys = Keys(options.keys)
        make(image, keys, bundle, version=source.version, notes=options.notes, compatible=f"{COMPATIBLE}{suffix}")
    except BuildError as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    print(f"bundle: {bundle} ({bundle.stat().st_size >> 20} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
