"""Power cuts while a system is replaced: when each comes, and what must be true afterwards."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.image.cuts import HEALTHY_S, Cut, Outcome, Work, healthy, look, start_again
from tests.image.updated import Updated, install, order_installation, order_restart, told, upload, upload_and_check
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel

PHASES = ("upload", "write", "switch", "restart", "start of the new", "migration", "judgement")
NEW = "9.1.0"
STARTS_S = 600.0
MIGRATION_S = 12.0
"""So long after the copy of the database was made comes a cut of the migration at the latest."""
JUDGEMENT_S = 120.0
"""The same after the new panel's first answer: until then it has been found good."""
BACKUPS = "ls /data/nightjar/backups | wc -l"
BEFORE = ("upload", "write", "switch")
"""Of these the old system may be left."""


@dataclass(frozen=True)
class Point:
    """A moment of a card that was kept, and the session of its owner."""

    card: Path
    cookie: str

    def panel(self, card: Updated) -> Panel:
        """Return the panel of a card that goes on from here; its owner is logged in."""
        panel = Panel(card)
        panel.cookie = self.cookie
        return panel


@dataclass(frozen=True)
class Times:
    """How long what is cut takes here, and what it begins with."""

    upload_s: float
    install_s: float
    restart_s: float
    start_s: float
    version: str


@dataclass(frozen=True)
class Points:
    """From which moment an update is cut: the owner is logged in, the bundle is here, it is installed."""

    owned: Point
    uploaded: Point
    installed: Point
    bundle: Path
    times: Times

    def of(self, phase: str) -> Point:
        match phase:
            case "upload":
                return self.owned
            case "write" | "switch":
                return self.uploaded
            case _:
                return self.installed


def keep(card: Updated, panel: Panel) -> Point:
    """Keep the moment; the machine is off then."""
    card.keep()
    return Point(card.card, panel.cookie)


def timed_upload(panel: Panel, bundle: Path) -> float:
    """Return how long it takes to bring a bundle."""
    began_s = time.monotonic()
    upload_and_check(panel, bundle)
    return time.monotonic() - began_s


def timed_install(panel: Panel) -> float:
    """Return how long it takes to write the bundle that is here."""
    began_s = time.monotonic()
    install(panel)
    return time.monotonic() - began_s


def timed_restart(card: Updated, panel: Panel) -> tuple[float, float]:
    """Return how long it takes from the order until the machine begins anew, and from there until the panel is healthy."""
    after, began_s = len(card.monitor.events), time.monotonic()
    order_restart(panel)
    card.monitor.wait_for_event("RESET", after=after, timeout_s=STARTS_S)
    reset_s = time.monotonic()
    card.wait_until_booted()
    panel.meet(card, HEALTHY_S)
    return reset_s - began_s, time.monotonic() - reset_s


def suffer(cut: Cut, card: Updated, points: Points) -> Outcome:
    """Let a card that goes on from its moment suffer a power cut, and see what became of it."""
    panel = points.of(cut.phase).panel(card)
    try:
        card.resume()
        healthy(card, panel)
        confirmed, after_s = _cut(cut, card, panel, points)
        starts, healthy_s = start_again(card, panel)
        found, system, version = look(card), card.system(), card.version()
        is_kept = panel.get("/me").status == 200 and found["rows"] > 0
        wrong = _wrong(cut.phase, panel, points.times.version, system, version)
        if cut.phase == "upload":
            arriving, bundle = told(panel)["arriving"], told(panel)["bundle"]
            is_kept = is_kept and (bundle is not None or (arriving["have"] if arriving else 0) >= confirmed)
        if cut.phase == "judgement":
            wrong = wrong or _never_good(card)
        integrity = found["integrity"] if found["integrity"] != "ok" else wrong or "ok"
        return cut.outcome(after_s, starts, healthy_s, integrity, frames_lost=0, is_kept=is_kept, system=system)
    finally:
        card.cut_power()


def _cut(cut: Cut, card: Updated, panel: Panel, points: Points) -> tuple[int, float]:
    """Cut the power of its work; return how much of an upload was confirmed, and how long after the work began the cut came."""
    times, confirmed = points.times, 0
    match cut.phase:
        case "upload":
            after_s = cut.share * times.upload_s

            def hear(have: int) -> None:
                nonlocal confirmed
                confirmed = have

            with Work(lambda: upload(panel, points.bundle, hear)):
                time.sleep(after_s)
                card.cut_power()
        case "write" | "switch":
            begin_s, end_s = (0.0, 0.95) if cut.phase == "write" else (0.95, 1.1)
            after_s = (begin_s + cut.share * (end_s - begin_s)) * times.install_s
            order_installation(panel)
            time.sleep(after_s)
        case _:
            after_s = _cut_restart(cut, card, panel, times)
    card.cut_power()
    return confirmed, after_s


def _cut_restart(cut: Cut, card: Updated, panel: Panel, times: Times) -> float:
    after = len(card.monitor.events)
    backups = card.shell(BACKUPS)
    order_restart(panel)
    if cut.phase == "restart":
        after_s = cut.share * times.restart_s
    else:
        card.monitor.wait_for_event("RESET", after=after, timeout_s=STARTS_S)
        match cut.phase:
            case "start of the new":
                after_s = cut.share * times.start_s
            case "migration":
                card.wait_until_booted()
                wait_for(lambda: card.shell(BACKUPS) != backups, "the copy before the migration", HEALTHY_S, 0.2)
                after_s = cut.share * MIGRATION_S
            case _:
                card.wait_until_booted()
                panel.meet(card, HEALTHY_S)
                after_s = cut.share * JUDGEMENT_S
    time.sleep(after_s)
    return after_s


def _wrong(phase: str, panel: Panel, before: str, system: str, version: str) -> str:
    """Return what is wrong with the system that runs; empty if nothing is."""
    right = {"A": before, "B": NEW}[system]
    shown = told(panel)["version"]
    if (version, shown) != (right, right):
        return f"system {system} is {version}, the panel shows {shown}"
    if system == "B" and phase in {"upload", "write"}:
        return "a system runs that was not written to its end"
    if system == "A" and phase not in BEFORE:
        return "the new system was left after one cut"
    return ""


def _never_good(card: Updated) -> str:
    try:
        card.until_judged("good")
    except AssertionError as error:
        return f"the new system was not found good: {error}"
    return ""
