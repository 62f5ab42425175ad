"""Archives of the form `newc`, of which the kernel makes its first root; see cpio(5)."""

import stat
from dataclasses import dataclass, field


@dataclass(slots=True)
class Archive:
    """Collects entries, all of root's and without a date, and gives the same bytes for the same entries."""

    entries: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add_file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file, and the folders above it."""
        self._add_folders(name)
        self.entries[name] = (stat.S_IFREG | mode, content)

    def add_link(self, name: str, target: str) -> None:
        """Add a symbolic link, and the folders above it."""
        self._add_folders(name)
        self.entries[name] = (stat.S_IFLNK | 0o777, target.encode())

    def add_folder(self, name: str) -> None:
        """Add an empty folder, and those above it."""
        self._add_folders(f"{name}/x")

    def _add_folders(self, name: str) -> None:
        parts = name.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:end]), (stat.S_IFDIR | 0o755, b""))

    def pack(self) -> bytes:
        """Return the archive."""
        packed = [
            _entry(number, name, mode, content) for number, (name, (mode, content)) in enumerate(sorted(self.entries.items()), 1)
        ]
        return b"".join(packed) + _entry(0, "TRAILER!!!", 0, b"")


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name.encode()) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
