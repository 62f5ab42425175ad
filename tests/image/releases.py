"""Updates of the image that is tested: itself under another version, and itself broken in a chosen way."""

import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebuild.bundle import pack
from imagebuild.disk import partitions
from imagebuild.keys import Keys

COMMANDS = ("rauc", "unsquashfs", "mksquashfs", "mcopy")
PIECE = 1 << 20
DROP_IN = "usr/lib/systemd/system/nightjar.service.d/zz-broken.conf"
UNIT = "usr/lib/systemd/system/broken.service"
JUDGE = "usr/libexec/nightjar/updating/machine.py"
WANTED = "usr/lib/systemd/system/multi-user.target.wants/broken.service"

Break = Callable[[Path, Path], None]
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
        self.tree = folder / "tree"
        subprocess.run(
            ["unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-dest", self.tree, folder / "root.squashfs"], check=True
        )

    def make(self, version: str, broken: Break | None = None) -> Path:
        """Make a bundle; what is broken is mended in the tree afterwards."""
        content = self.folder / f"content-{version}"
        content.mkdir()
        shutil.copyfile(self.folder / "boot.vfat", content / "boot.vfat")
        with self._changed(version):
            if broken is not None:
                broken(self.tree, content / "boot.vfat")
            options = ["-comp", "zstd", "-Xcompression-level", "1", "-b", "128K", "-no-xattrs", "-no-progress", "-quiet"]
            subprocess.run(["mksquashfs", self.tree, content / "root.squashfs", *options], check=True)
        made = self.folder / f"{version}.raucb"
        pack(content, self.keys, made, version=version, notes="of a test")
        shutil.rmtree(content)
        return made

    @contextmanager
    def _changed(self, version: str) -> Iterator[None]:
        """Have another version in the tree, and have it back afterwards as it was."""
        release = self.tree / "usr/lib/os-release"
        before = release.read_text()
        init, judge = self.tree / "usr/sbin/init", (self.tree / JUDGE).read_text()
        leads_to = os.readlink(init)  # noqa: PTH115 - what it says, whether or not that is there
        release.write_text(re.sub(r"^IMAGE_VERSION=.*$", f'IMAGE_VERSION="{version}"', before, flags=re.MULTILINE))
        try:
            yield
        finally:
            release.write_text(before)
            for name in (DROP_IN, UNIT, WANTED):
                (self.tree / name).unlink(missing_ok=True)
            (self.tree / JUDGE).write_text(judge)
            init.unlink(missing_ok=True)
            init.symlink_to(leads_to)


def no_init(tree: Path, _: Path) -> None:
    (tree / "usr/sbin/init").unlink()


def broken_initrd(_: Path, boot: Path) -> None:
    """Have nothing that unpacks in the place of the initrd."""
    damaged = boot.with_name("initrd.img")
    damaged.write_bytes(lzma.compress(b"no initrd"))
    subprocess.run(["mcopy", "-o", "-i", boot, damaged, "::initrd.img"], check=True)
    damaged.unlink()


def crash_loop(tree: Path, _: Path) -> None:
    (tree / DROP_IN).write_text("[Service]\nExecStart=\nExecStart=/usr/bin/false\n")


def dead_panel(tree: Path, _: Path) -> None:
    """Have a program that says it is ready, and answers nobody."""
    text = "[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart=/usr/bin/sleep infinity\n"
    (tree / DROP_IN).write_text(text)


def no_judge(tree: Path, boot: Path) -> None:
    """Have a program that does not start, and a judge of it that does not either."""
    crash_loop(tree, boot)
    (tree / JUDGE).write_text("this is no Python\n")


def _at_each_start(tree: Path, script: str) -> None:
    (tree / UNIT).write_text(f"[Unit]\nDescription=Broken\n[Service]\nExecStart=/bin/sh -c '{script}'\n")
    (tree / WANTED).parent.mkdir(exist_ok=True)
    (tree / WANTED).symlink_to(f"/{UNIT}")


def kernel_panic(tree: Path, _: Path) -> None:
    _at_each_start(tree, "sleep 5; echo c >/proc/sysrq-trigger")


def hang(tree: Path, _: Path) -> None:
    """Have every processor do something more urgent than all else: the machine's watchdog is what is left."""
    busy = 'for one in 1 2; do chrt -f 99 /bin/sh -c "while :; do :; done" & done; wait'
    _at_each_start(tree, f"sleep 5; echo -1 >/proc/sys/kernel/sched_rt_runtime_us; {busy}")


BROKEN: tuple[Break, ...] = (no_init, broken_initrd, crash_loop, dead_panel, no_judge, kernel_panic, hang)
