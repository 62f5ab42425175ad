"""Orders to root: a word in a file of a folder that root watches or reads."""

import os
from pathlib import Path


def leave_order(path: Path, word: str) -> None:
    """Leave a word whole, for the group to read whatever the umask is; raises OSError."""
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o640)
        file.write(word)
    part.replace(path)
