"""A data folder with nights in it, and a child process of the program that copies them to a folder."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.domain.stick import ExportKind
from appliance.export.messages import Ended, Event, Outcome, Task, event_of, line_of

DEVICE = "roof-7K3M9QXD"
COMMAND = (sys.executable, "-P", "-m", "appliance", "export-child")
NIGHTS = ("2026-01-29", "2026-01-30", "2026-01-31")
FAST = 500 << 20


@dataclass
class Sky:
    """What the appliance has, and the stick."""

    data: Path
    mount: Path
    chance: random.Random = field(default_factory=lambda: random.Random(4))

    def add(self, night: str, pictures: int, size: int = 20_000, first: int = 1) -> None:
        """Add pictures to a night, and renew its keogram."""
        frames, products = self.data / "nights" / night / "frames", self.data / "nights" / night / "products"
        for folder in (frames, products):
            folder.mkdir(parents=True, exist_ok=True)
        for number in range(first, first + pictures):
            name = f"{night.replace('-', '')}T{18 + number % 6}{number % 60:02d}00Z-{number}.jpg"
            (frames / name).write_bytes(self.chance.randbytes(size))
        (products / "keogram.jpg").write_bytes(self.chance.randbytes(size))

    def task(self, **values: Any) -> Task:  # noqa: ANN401 - a task's fields
        """Return a task for everything."""
        told: dict[str, Any] = {
            "mount": str(self.mount), "data": str(self.data), "folder": DEVICE, "fs_type": "ext4", "kinds": tuple(ExportKind),
            "speed_bytes_s": FAST, **values,
        }  # fmt: skip
        return Task(**told)

    @contextmanager
    def child(self, command: tuple[str, ...] = COMMAND, **values: Any) -> "Iterator[subprocess.Popen[bytes]]":  # noqa: ANN401
        """Give a child with a task, and kill it at the end."""
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdin is not None
            with child.stdin as pipe:
                pipe.write(line_of(self.task(**values)))
            child.stdin = None
            try:
                yield child
            finally:
                child.kill()

    def wait_for_night(self, night: str) -> None:
        """Wait until something of a night lies on the stick."""
        deadline = time.monotonic() + 60
        while not self.night(night).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def copy(self, command: tuple[str, ...] = COMMAND, **values: Any) -> Ended:  # noqa: ANN401
        """Run a child to its end and return that."""
        return ended(*self.events(command, **values))

    def events(self, command: tuple[str, ...] = COMMAND, **values: Any) -> list[Event]:  # noqa: ANN401
        """Run a child to its end and return all it said."""
        with self.child(command, **values) as child:
            output, errors = child.communicate(timeout=120)
        assert (child.returncode, errors) == (0, b""), errors.decode()
        return [event_of(line) for line in output.splitlines()]

    def night(self, night: str) -> Path:
        """Return a night's folder on the stick."""
        return self.mount / "nightjar" / DEVICE / night

    def expected(self, night: str) -> dict[str, bytes]:
        """Return what should lie in a night's folder."""
        source = self.data / "nights" / night
        pictures = {f"frames/{path.name[9:11]}/{path.name}": path.read_bytes() for path in (source / "frames").iterdir()}
        return pictures | {f"products/{path.name}": path.read_bytes() for path in (source / "products").iterdir()}

    def found(self, night: str) -> dict[str, bytes]:
        """Return what lies in a night's folder, without its manifest."""
        folder = self.night(night)
        files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        files.pop("SHA256SUMS", None)
        return {name: path.read_bytes() for name, path in files.items()}

    def assert_whole(self, *nights: str) -> None:
        """Hold the stick to what it should have: every byte, every line, and the real `sha256sum`."""
        for night in nights or NIGHTS:
            assert self.found(night) == self.expected(night)
            listed = {line.split("  ")[1] for line in (self.night(night) / "SHA256SUMS").read_text().splitlines()}
            assert listed == self.expected(night).keys()
        self.assert_manifests_true()
        assert not list(self.mount.rglob("*.part"))

    def assert_manifests_true(self) -> int:
        """Hold every manifest that there is against its files with the real `sha256sum`; return how many there are."""
        manifests = list((self.mount / "nightjar").rglob("SHA256SUMS"))
        for manifest in manifests:
            checked = subprocess.run(
                ["sha256sum", "--check", "--strict", "--quiet", manifest.name],
                cwd=manifest.parent, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert checked.returncode == 0, (manifest, checked.stdout, checked.stderr)
        return len(manifests)


def ended(*events: Event) -> Ended:
    """Return the end among events."""
    assert isinstance(events[-1], Ended), events
    return events[-1]


def done(files: int) -> tuple[Outcome, int]:
    """Return what a good end says."""
    return Outcome.DONE, files


def summary(end: Ended) -> tuple[Outcome, int]:
    """Return outcome and files of an end."""
    return end.outcome, end.done_files


def toml(**values: object) -> str:
    """Return a request as a person writes it."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
