"""The kernel's share: the modules and firmware that are needed, and the initrd that finds the system on the disk."""

import fnmatch
import lzma
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imagebuild.cpio import Archive
from imagebuild.room import run_in
from imagebuild.run import BuildError, run

APPLETS = (
    "sh", "mount", "umount", "modprobe", "find", "cat", "sort", "uniq", "xargs", "grep", "sed", "sleep", "reboot",
    "switch_root", "mkdir", "ln", "dd", "tr", "cut", "head", "sha256sum", "hexdump", "readlink", "basename", "dirname", "echo",
    "printf", "test", "[",
)  # fmt: skip
"""What `init` calls of busybox."""
LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
"""What depmod needs besides the modules."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What modules.toml names."""

    initrd: tuple[str, ...]
    image: tuple[str, ...]
    firmware: tuple[str, ...]
    ribbon: tuple[str, ...]
    """For a camera on a Pi's ribbon cable."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; raises KeyError or TypeError where it is not of this form."""
        return cls(**{use: tuple(names) for use, names in tomllib.loads(path.read_text(encoding="utf-8")).items()})


@dataclass(frozen=True, slots=True)
class Modules:
    """All modules of a kernel, by name, as depmod knows them."""

    version: str
    folder: Path
    files: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    """File to the files that must be loaded before."""
    built_in: frozenset[str]

    def closure(self, patterns: Iterable[str], *, may_lack: bool = False) -> set[str]:
        """Return the files of modules and of all that they need.

        Parameters
        ----------
        patterns : iterable of str
        may_lack : bool
            Whether a kernel need not have all of them: the list was written for another one.

        Raises
        ------
        BuildError
            If the kernel knows nothing of a name that it must have.
        """
        found: set[str] = set()
        for pattern in patterns:
            names = fnmatch.filter(self.files, pattern)
            if not names and not may_lack and not fnmatch.filter(self.built_in, pattern):
                raise BuildError(f"modules.toml names {pattern!r}, which kernel {self.version} does not have")
            for name in names:
                found |= {self.files[name], *self.needs[self.files[name]]}
        return found


def modules_of(kernel: Path, tools: Path) -> Modules:
    """Read what an unpacked kernel package has."""
    (folder,) = (kernel / "usr/lib/modules").iterdir()
    run_in(tools, "depmod", "--basedir", "/mnt/usr", folder.name, binds={"/mnt": kernel})
    needs, files = {}, {}
    for line in (folder / "modules.dep").read_text().splitlines():
        file, _, needed = line.partition(":")
        needs[file] = tuple(needed.split())
        files[_name(file)] = file
    built_in = frozenset(_name(line) for line in (folder / "modules.builtin").read_text().splitlines())
    return Modules(folder.name, folder, files, needs, built_in)


def _name(file: str) -> str:
    return file.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def install_modules(modules: Modules, wanted: set[str], root: Path, tools: Path) -> None:
    """Lay modules into a root, unpacked: the file system around them packs better, and a Pi unpacks less."""
    target = root / "usr/lib/modules" / modules.version
    target.mkdir(parents=True)
    for file in sorted(wanted):
        place = target / file.removesuffix(".xz")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(lzma.decompress((modules.folder / file).read_bytes()))
    for name in LISTS:
        shutil.copyfile(modules.folder / name, target / name)
    run_in(tools, "depmod", "--basedir", "/mnt/usr", modules.version, binds={"/mnt": root})


def install_firmware(patterns: Iterable[str], sources: Iterable[Path], root: Path) -> None:
    """Lay firmware into a root; of two packages that bring the same file, the later one's.

    Raises
    ------
    BuildError
        If there is nothing at all.
    """
    count = 0
    for source in sources:
        folder = source / "usr/lib/firmware"
        for pattern in patterns:
            for path in sorted(folder.glob(pattern)):
                place = root / "usr/lib/firmware" / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                shutil.copyfile(path, place, follow_symlinks=False)
                count += 1
    if not count:
        raise BuildError("none of the firmware in modules.toml is in the packages")


def make_initrd(script: Path, modules: Path, busybox: Path, tools: Path) -> bytes:
    """Return the initrd: one program, one script, the modules that lead to the disk.

    Parameters
    ----------
    script : Path
        `init`.
    modules : Path
        Root with the modules in it.
    busybox : Path
        The unpacked package.
    tools : Path
    """
    archive = Archive()
    archive.add_file("init", script.read_bytes(), 0o755)
    archive.add_file("bin/busybox", (busybox / "usr/bin/busybox").read_bytes(), 0o755)
    for applet in APPLETS:
        archive.add_link(f"bin/{applet}", "busybox")
    for folder in ("dev", "proc", "sys", "run", "system"):
        archive.add_folder(folder)
    for path in sorted(modules.rglob("*")):
        if path.is_file():
            archive.add_file(str(path.relative_to(modules)).removeprefix("usr/"), path.read_bytes())
    return _packed(archive.pack(), tools)


def _packed(data: bytes, tools: Path) -> bytes:
    folder = tools / "tmp"
    (folder / "initrd").write_bytes(data)
    try:
        run_in(tools, "zstd", "-19", "--quiet", "--force", "/tmp/initrd")
        return (folder / "initrd.zst").read_bytes()
    finally:
        run("rm", "-f", folder / "initrd", folder / "initrd.zst")
