"""The second stage: site-packages for the card's Python, from uv.lock by hash; nothing of it is run here."""

import os
import shutil
import sys
from pathlib import Path

from imagebuild.room import run_in
from imagebuild.run import BuildError, run

UV = (str(Path(sys.executable).with_name("uv")), "--quiet", "--system-certs")
PYTHON, PLATFORM = "3.13", "aarch64-manylinux_2_28"
SITE = Path("usr/local/lib/python3.13/dist-packages")
"""Where Debian's Python looks for what is not Debian's."""
FROM_SOURCE = {"pysftp"}
"""Published as source only; pure Python."""
LEFT_OUT = ("botocore/data", "bin", "*/tests", "*/*/tests", "*.pth", "*.dist-info/RECORD", ".lock")
"""Descriptions of a cloud's services, of which only the signature is used; programs, and the lists of what was installed, which
hold their sums and with those where the building machine has its Python; the libraries' own tests; what the installer leaves."""


def make_wheels(folder: Path, project: Path, tools: Path, groups: tuple[str, ...] = ()) -> None:
    """Fill `folder/site` with what the lock names for the program and for groups of pyproject.toml, compiled."""
    wanted, site = folder / "wanted.txt", folder / "site"
    wanted.write_text(locked(project, groups), encoding="utf-8")
    named = [line.partition("==")[0] for line in wanted.read_text().splitlines() if "==" in line and line[0].isalnum()]
    only = [word for name in named if name not in FROM_SOURCE for word in ("--only-binary", name)]
    place = ["--target", str(site), "--python-version", PYTHON, "--python-platform", PLATFORM]
    run(*UV, "pip", "install", *place, *only, "--no-deps", "--require-hashes", "--requirement", wanted, environment=os.environ)
    for pattern in LEFT_OUT:
        for path in site.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    compile_tree(site, tools)


def locked(project: Path, groups: tuple[str, ...] = ()) -> str:
    """Return what the lock names for the program and for groups, with hashes, as an installer reads it."""
    chosen = [word for group in groups for word in ("--group", group)]
    options = ["--frozen", "--no-dev", *chosen, "--no-emit-project", "--no-header", "--project", str(project)]
    return run(*UV, "export", *options, environment=os.environ)


def compile_tree(tree: Path, tools: Path) -> None:
    """Compile Python's files with the tools' Python, which is the card's version; what is compiled holds no dates.

    Raises
    ------
    BuildError
        If nothing was compiled.
    """
    for cached in sorted(tree.rglob("__pycache__")):
        shutil.rmtree(cached)
    options = ["-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", "/mnt"]
    # Some packages bring files that are no Python 3.13; nobody imports them, and compileall ends with 1 over it.
    run_in(tools, "sh", "-c", '"$@" || [ $? = 1 ]', "sh", "python3", *options, "/mnt", binds={"/mnt": tree})
    if next(tree.rglob("*.pyc"), None) is None:
        raise BuildError(f"nothing was compiled below {tree}")
