"""A root of its own for a command, with folders bound into it. All mounts end with the command."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from imagebuild.run import clean_environment, run

KERNEL = ("/proc", "/sys", "/dev")


def run_in(
    root: Path,
    *command: str | Path,
    binds: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> str:
    """Run a command in a root.

    Parameters
    ----------
    root : Path
    command : str or Path
        As found in that root.
    binds : mapping
        Files and folders of this machine, by where they are found in the root; what lies there is made if it is missing.
    environment : mapping
        Besides the clean one.
    stdin : bytes

    Raises
    ------
    BuildError
        If it fails.
    """
    script = ["set -eu", f"root={shlex.quote(str(root))}"]
    script += [f'mount --rbind {name} "$root{name}"' for name in KERNEL]
    for inside, outside in (binds or {}).items():
        target = f'"$root"{shlex.quote(inside)}'
        if outside.is_dir():
            script.append(f"mkdir -p {target}")
        script.append(f"mount --bind {shlex.quote(str(outside))} {target}")
    script.append(f'exec chroot "$root" {shlex.join(str(word) for word in command)}')
    known = {**clean_environment(), **(environment or {})}
    return run("unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(script), environment=known, stdin=stdin)
