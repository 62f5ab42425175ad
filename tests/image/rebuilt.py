"""A second build of the same files by somebody else: other folders and another order in them, time zone, language, rights."""

import os
import subprocess
import sys
import time
from pathlib import Path

from imagebuild.cache import KEPT_DAYS
from imagebuild.keys import FOLDER, Keys

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
OF_DEBIAN_ALONE = ("tools", "base", "system", "extended", "parts")
"""Stages that hold Debian's packages and nothing else: half an hour of emulation. All else is made anew."""
ELSEWHERE = {
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "LANGUAGE": "tr",
    "HOME": "/nonexistent",
    "PYTHONHASHSEED": "7",
    "SOURCE_DATE_EPOCH": "1",
}
BUILD = """\
set -eu
umask 077
place=$1 from=$2 names=$3 stages=$4 made=$5 python=$6; shift 6
mount -t tmpfs -o size=6g tmpfs "$place"
git clone --quiet --shared --no-checkout "$from" "$place/source"
tar --create --directory "$from" --null --files-from="$names" | tar --extract --preserve-permissions --directory "$place/source"
mkdir -p "$place/source/dist" "$place/cache/nightjar/image"
mount --bind "$made" "$place/source/dist"
xargs --null --arg-file="$stages" ln --symbolic --target-directory="$place/cache/nightjar/image"
cd "$place/source"
XDG_CACHE_HOME=$place/cache PYTHONPATH=$place/source/image-build exec taskset --cpu-list 0 "$python" -m imagebuild "$@"
"""
"""In memory, where a folder lists its files in another order than on a disk. The mounts end with it."""


def build_again(folder: Path, address: str) -> Path:
    """Build the image of the files that lie here; return the folder with what came out.

    Parameters
    ----------
    folder : Path
        Empty.
    address : str
        Where the first build says that its download is published.
    """
    place, made, names, stages = (folder / name for name in ("place", "made", "names", "stages"))
    place.mkdir()
    made.mkdir()
    _write(names, sorted(_files(), reverse=True))
    _write(stages, [str(path) for path in sorted((HOME / "nightjar" / "image").iterdir()) if _is_taken_over(path)])
    options = ("--address", address, "--keyring", Keys(FOLDER).keyring)
    words = [str(one) for one in (place, ROOT, names, stages, made, sys.executable, *options)]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", BUILD, "sh", *words]
    environment = {**os.environ, **ELSEWHERE, "UV_CACHE_DIR": str(HOME / "uv")}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, ended.stderr
    return made


def _files() -> list[str]:
    """Return what the builder takes: what git knows, what it may come to know, and packages of whoever builds."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    added = [str(path.relative_to(ROOT)) for path in ROOT.glob("image-build/extra/*.deb")]
    return [name for name in {*known, *added} if name and os.path.lexists(ROOT / name)]


def _is_taken_over(path: Path) -> bool:
    """Return whether it is what the first build had; what is about to be removed for its age is none of that."""
    is_new = path.stat().st_mtime > time.time() - (KEPT_DAYS - 1) * 86400
    return path.name in {"pool", "lock"} or (path.name.partition("-")[0] in OF_DEBIAN_ALONE and is_new)


def _write(file: Path, names: list[str]) -> None:
    file.write_bytes(b"".join(os.fsencode(name) + b"\0" for name in names))
