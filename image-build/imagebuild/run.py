"""Commands of the building machine: run with low priority, and their words kept for the one case in which they matter."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class BuildError(Exception):
    """The image cannot be built; the message says why and what to do."""


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: bytes = b"",
    timeout_s: float = 3600,
) -> str:
    """Run a command that must succeed, and return what it says.

    Raises
    ------
    BuildError
        If it fails; with the end of what it said.
    """
    words = ["nice", "-n", "5", *(str(word) for word in command)]
    try:
        ended = subprocess.run(
            words, input=stdin, capture_output=True, check=False, env=environment, cwd=folder, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{words[3]} was not done after {timeout_s:.0f} s: {' '.join(words[3:])[:500]}") from error
    if ended.returncode:
        said = (ended.stdout + b"\n" + ended.stderr).decode(errors="replace").strip()
        raise BuildError(f"{' '.join(words[3:])[:500]}\nended with {ended.returncode}: {said[-4000:]}")
    return ended.stdout.decode(errors="replace")


def clean_environment() -> dict[str, str]:
    """Return what a step sees: nothing of whoever builds, so that two of them build the same."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent", "DEBIAN_FRONTEND": "noninteractive"}


def must_be_root() -> None:
    """Refuse a user who may not change roots.

    Raises
    ------
    BuildError
        Always, for anybody but root.
    """
    if os.geteuid():
        raise BuildError("needs root, to install Debian's packages in a root of their own: sudo ./build.sh image")
