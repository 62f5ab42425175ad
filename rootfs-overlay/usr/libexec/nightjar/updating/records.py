"""What is written down about updates, below `/data/nightjar-update`: root's folder, which the panel reads and cannot change.

`trial.json`, `history.jsonl` and `bad.json` are for the panel, too (decision 1041); `attempt.json` and `slots.json` are root's
own notes. Each file is replaced whole. What cannot be read counts as missing.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from updating.machine import Network

FOLDER = Path("/data/nightjar-update")
GOOD, FELL_BACK, REFUSED, INSTALLED = "good", "fell back", "refused", "installed"
MOST_LINES, MOST_BAD, MOST_FAILURES = 200, 50, 9
LONGEST = 400
"""Of a reason, in characters."""


@dataclass(frozen=True)
class Trial:
    """A version that has to prove itself in this machine."""

    version: str
    from_version: str
    at: str
    network: Network
    slot: str
    """Where it lies: `A` or `B`."""
    start: str = ""
    """In which start of the machine it was put on trial, by the kernel's id of it."""


@dataclass(frozen=True)
class Slots:
    """What was last known of the two systems."""

    running: str = ""
    """Which one was last found healthy."""
    versions: Mapping[str, str] = field(default_factory=dict)


def now() -> str:
    """Return the time as it is written down."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def this_start(root: Path) -> str:
    """Return the kernel's id of this start of the machine; empty where it does not tell."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def plain(text: str) -> str:
    """Return a text as it may be shown: one line, printable, of bounded length."""
    return re.sub(r"\s+", " ", "".join(one if one.isprintable() else " " for one in text)).strip()[:LONGEST]


class Records:
    """The folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    # What is on trial

    @property
    def trial(self) -> Trial | None:
        """What is on trial, whether it runs already or not."""
        told, attempt = self._read("trial.json"), self._read("attempt.json")
        match told, attempt:
            case {"version": str(version), "from_version": str(before), "at": str(at), "network": dict(net)}, {
                "slot": "A" | "B" as slot
            }:
                reach = Network(route=net.get("route") is True, address=net.get("address") is True)
                return Trial(version, before, at, reach, slot, str(attempt.get("start", "")))
        return None

    def begin(self, trial: Trial) -> None:
        """Put a version on trial, in the place of any other one."""
        self._write_attempt(trial, [])
        told = asdict(trial)
        del told["slot"], told["start"]
        self._write("trial.json", json.dumps(told))

    def end(self) -> None:
        """Have nothing on trial."""
        for name in ("trial.json", "attempt.json"):
            (self._folder / name).unlink(missing_ok=True)
        self._sync()

    @property
    def failures(self) -> list[str]:
        """Why the starts of what is on trial failed, as far as that could be written down."""
        match self._read("attempt.json"):
            case {"failures": list(reasons)}:
                return [str(reason) for reason in reasons]
        return []

    def add_failure(self, trial: Trial, reason: str) -> None:
        """Write down why a start failed."""
        reasons = [*self.failures, plain(reason)][-MOST_FAILURES:]
        self._write_attempt(trial, reasons)

    def _write_attempt(self, trial: Trial, failures: Sequence[str]) -> None:
        self._write("attempt.json", json.dumps({"slot": trial.slot, "start": trial.start, "failures": failures}))

    # What was

    def tell(self, outcome: str, version: str, from_version: str, reason: str = "") -> None:
        """Add a line to the history; the oldest ones go."""
        line = {"at": now(), "version": plain(version), "from_version": from_version, "outcome": outcome, "reason": plain(reason)}
        lines = [*self._text("history.jsonl").splitlines(), json.dumps(line, ensure_ascii=False)]
        self._write("history.jsonl", "\n".join(lines[-MOST_LINES:]))

    def tell_once(self, outcome: str, version: str, from_version: str, reason: str = "") -> None:
        """Add a line, unless it is the last one already: what a power cut interrupted is done again."""
        if self.last != (outcome, plain(version)):
            self.tell(outcome, version, from_version, reason)

    @property
    def last(self) -> tuple[str, str]:
        """Outcome and version of the history's last line."""
        lines = self._text("history.jsonl").splitlines()
        try:
            told = json.loads(lines[-1]) if lines else None
        except ValueError:
            told = None
        match told:
            case {"outcome": str(outcome), "version": str(version)}:
                return outcome, version
        return "", ""

    @property
    def bad(self) -> list[str]:
        """Versions that fell back here, and are not offered again."""
        match self._read("bad.json"):
            case list(versions):
                return [str(version) for version in versions]
        return []

    def set_bad(self, version: str, *, is_bad: bool) -> None:
        """Put a version on the list of those that are not offered again, or take it off."""
        known = self.bad
        wanted = [one for one in known if one != version] + [version] * is_bad
        if wanted != known:
            self._write("bad.json", json.dumps(wanted[-MOST_BAD:]))

    @property
    def slots(self) -> Slots:
        """What was last known of the two systems."""
        match self._read("slots.json"):
            case {"running": "A" | "B" | "" as running, "versions": dict(versions)}:
                return Slots(running, {name: str(version) for name, version in versions.items() if name in ("A", "B")})
        return Slots()

    def set_version(self, slot: str, version: str, *, is_running: bool = False) -> None:
        """Write down which version lies in a slot, and whether it is the one that runs well."""
        known = self.slots
        new = replace(known, versions={**known.versions, slot: version}, running=slot if is_running else known.running)
        if new != known:
            self._write("slots.json", json.dumps(asdict(new)))

    # Files

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _read(self, name: str) -> object:
        try:
            return json.loads(self._text(name))
        except ValueError:
            return None

    def _write(self, name: str, text: str) -> None:
        part = self._folder / f".{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(descriptor)
        part.replace(self._folder / name)
        self._sync()

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
