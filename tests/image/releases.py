"""Updates of the image that is tested: itself under another version, and itself changed or broken in a chosen way."""

import lzma
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from imagebuild.bundle import pack
from imagebuild.disk import partitions
from imagebuild.keys import Keys
from imagebuild.wheels import SITE

COMMANDS = ("rauc", "unsquashfs", "mksquashfs", "mcopy")
PIECE = 1 << 20
DROP_IN = "usr/lib/systemd/system/nightjar.service.d/zz-broken.conf"
UNIT = "usr/lib/systemd/system/broken.service"
JUDGE = "usr/libexec/nightjar/updating/machine.py"
WANTED = "usr/lib/systemd/system/multi-user.target.wants/broken.service"
PROGRAM = SITE / "appliance"
NEXT_STEP = """
MIGRATIONS += (Migration(MIGRATIONS[-1].number + 1, "what a test brings", ({statement!r},)),)
"""
"""Goes behind what the program has."""
SLOW = """
CREATE TABLE brought AS
WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 400000)
SELECT number, randomblob(48) AS content FROM counted
"""
"""Takes some ten seconds in an emulated machine, and has more to write than its memory for it."""


class Tree:
    """The system's files, unpacked; knows how to be again as it was."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._undo: list[Callable[[], object]] = []

    def text(self, name: str | Path) -> str:
        return (self._top / name).read_text()

    def write(self, name: str | Path, text: str) -> None:
        """Make a file, or another of an existing one; of a module of the program what is compiled goes."""
        self.remove(name)
        path = self._top / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self._undo.append(path.unlink)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            self.remove(compiled.relative_to(self._top))

    def link(self, name: str | Path, target: str) -> None:
        (self._top / name).parent.mkdir(exist_ok=True)
        (self._top / name).symlink_to(target)
        self._undo.append((self._top / name).unlink)

    def remove(self, name: str | Path) -> None:
        """Remove a file or a link, if it is there."""
        path = self._top / name
        if path.is_symlink():
            target = path.readlink()
            self._undo.append(lambda: path.symlink_to(target))
        elif path.exists():
            content, mode = path.read_bytes(), path.stat().st_mode
            self._undo.append(lambda: path.chmod(mode))
            self._undo.append(lambda: path.write_bytes(content))
        path.unlink(missing_ok=True)

    def restore(self) -> None:
        while self._undo:
            self._undo.pop()()


Change = Callable[[Tree, Path], None]
"""Does something to the system's tree and to the boot file system."""


class Releases:
    """Makes them."""

    def __init__(self, image: Path, folder: Path, keys: Keys) -> None:
        self.folder, self.keys = folder, keys
        places = partitions(image)
        for name, file in (("root_a", "root.squashfs"), ("boot_a", "boot.vfat")):
            begin, size = places[name]
            with image.open("rb") as source, (folder / file).open("wb") as target:
                source.seek(begin)
                for _ in range(size // PIECE):
                    target.write(source.read(PIECE))
        self._top = folder / "tree"
        subprocess.run(
            ["unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-dest", self._top, folder / "root.squashfs"], check=True
        )
        self._tree = Tree(self._top)

    def make(self, version: str, change: Change | None = None) -> Path:
        """Make a bundle; what is changed is undone in the tree afterwards."""
        content = self.folder / f"content-{version}"
        content.mkdir()
        shutil.copyfile(self.folder / "boot.vfat", content / "boot.vfat")
        try:
            self._name(version)
            if change is not None:
                change(self._tree, content / "boot.vfat")
            options = ["-comp", "zstd", "-Xcompression-level", "1", "-b", "128K", "-no-xattrs", "-no-progress", "-quiet"]
            subprocess.run(["mksquashfs", self._top, content / "root.squashfs", *options], check=True)
        finally:
            self._tree.restore()
        made = self.folder / f"{version}.raucb"
        pack(content, self.keys, made, version=version, notes="of a test")
        shutil.rmtree(content)
        return made

    def _name(self, version: str) -> None:
        """Give it another version, where the system and where the program has it."""
        for name, pattern, line in (
            ("usr/lib/os-release", r"^IMAGE_VERSION=.*$", f'IMAGE_VERSION="{version}"'),
            (PROGRAM / "__init__.py", r"^__version__ = .*$", f'__version__ = "{version}"'),
        ):
            text, count = re.subn(pattern, line, self._tree.text(name), flags=re.MULTILINE)
            assert count == 1, name
            self._tree.write(name, text)


def no_init(tree: Tree, _: Path) -> None:
    tree.remove("usr/sbin/init")


def broken_initrd(_: Tree, boot: Path) -> None:
    """Have nothing that unpacks in the place of the initrd."""
    damaged = boot.with_name("initrd.img")
    damaged.write_bytes(lzma.compress(b"no initrd"))
    subprocess.run(["mcopy", "-o", "-i", boot, damaged, "::initrd.img"], check=True)
    damaged.unlink()


def crash_loop(tree: Tree, _: Path) -> None:
    tree.write(DROP_IN, "[Service]\nExecStart=\nExecStart=/usr/bin/false\n")


def dead_panel(tree: Tree, _: Path) -> None:
    """Have a program that says it is ready, and answers nobody."""
    tree.write(DROP_IN, "[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart=/usr/bin/sleep infinity\n")


def migration_fails(tree: Tree, _: Path) -> None:
    _migrate(tree, "CREATE TABLE frame (id INTEGER PRIMARY KEY) STRICT")  # there is one


def slow_migration(tree: Tree, _: Path) -> None:
    """Have the program change its database for long enough that the power can be cut meanwhile; nothing is broken."""
    _migrate(tree, SLOW)


def _migrate(tree: Tree, statement: str) -> None:
    name = PROGRAM / "store" / "migrations.py"
    tree.write(name, tree.text(name) + NEXT_STEP.format(statement=statement))


def no_judge(tree: Tree, boot: Path) -> None:
    """Have a program that does not start, and a judge of it that does not either."""
    crash_loop(tree, boot)
    tree.write(JUDGE, "this is no Python\n")


def _at_each_start(tree: Tree, script: str) -> None:
    tree.write(UNIT, f"[Unit]\nDescription=Broken\n[Service]\nExecStart=/bin/sh -c '{script}'\n")
    tree.link(WANTED, f"/{UNIT}")


def kernel_panic(tree: Tree, _: Path) -> None:
    _at_each_start(tree, "sleep 5; echo c >/proc/sysrq-trigger")


def hang(tree: Tree, _: Path) -> None:
    """Have every processor do something more urgent than all else: the machine's watchdog is what is left."""
    busy = 'for one in 1 2; do chrt -f 99 /bin/sh -c "while :; do :; done" & done; wait'
    _at_each_start(tree, f"sleep 5; echo -1 >/proc/sys/kernel/sched_rt_runtime_us; {busy}")


BROKEN: tuple[Change, ...] = (no_init, broken_initrd, crash_loop, dead_panel, no_judge, migration_fails, kernel_panic, hang)
