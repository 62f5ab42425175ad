"""Power cuts: when each comes, what the machine does meanwhile, and what must be true afterwards; outcomes go to a file."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from tests.image.card import Card
from tests.image.partition import made_at
from tests.image.setuptext import setup_code
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel
from tests.unit.web.world import ADMIN, PASSWORD

PHASES = ("first start", "capture", "claim", "settings")
STARTS = 2
"""So many starts may be needed at most."""
HEALTHY_S = 1500.0
LONGEST_S = {"capture": 45.0, "claim": 4.0, "settings": 12.0}
"""How long after the work began a cut comes at the latest; at the first start it is the time that a start takes."""
LOOK = """
import os, sqlite3
data = "/data/nightjar"
with sqlite3.connect(f"file:{data}/nightjar.db?mode=ro", uri=True) as database:
    answer = {
        "integrity": database.execute("pragma integrity_check").fetchone()[0],
        "frames": [name for (name,) in database.execute("select id from frame order by id")],
        "rows": database.execute("select count(*) from frame").fetchone()[0],
    }
answer["pictures"] = answer["parts"] = 0
for folder, _, files in os.walk(f"{data}/nights"):
    answer["parts"] += sum(name.endswith(".part") for name in files)
    if os.path.basename(folder) == "frames":
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                file.seek(-2, 2)
                answer["pictures"] += file.read() == b"\\xff\\xd9"
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut: the numbers alone say when it comes."""

    seed: int
    number: int
    phases: tuple[str, ...] = PHASES

    @property
    def phase(self) -> str:
        """What is cut: each in its turn, and another one first with each seed."""
        return self.phases[(self.number + self.seed - 1) % len(self.phases)]

    @property
    def share(self) -> float:
        """Where in the time that the phase takes it comes, from 0 to 1."""
        return random.Random(f"{self.seed}/{self.number}").random()

    def outcome(self, after_s: float, starts: int, healthy_s: float, integrity: str, **more: Any) -> "Outcome":  # noqa: ANN401
        """Return what came of it."""
        return Outcome(self.seed, self.number, self.phase, round(after_s, 2), starts, round(healthy_s, 1), integrity, **more)

    def __str__(self) -> str:
        return f"{self.seed}-{self.number}-{self.phase.replace(' ', '-')}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; a line of the results."""

    seed: int
    number: int
    phase: str
    after_s: float
    starts: int
    healthy_s: float
    integrity: str
    """`ok`, or what is wrong with the database, the pictures or the system that runs."""
    frames_lost: int
    is_kept: bool
    """Whether everything that the panel had confirmed before the cut was there afterwards."""
    system: str = ""
    """Which one ran afterwards, where an update was cut."""
    image: str = ""
    """The date of the image that it was seen with."""

    def seen_with(self, image: Path) -> "Outcome":
        """Return it with the image named."""
        return replace(self, image=made_at(image).isoformat())

    @property
    def is_well(self) -> bool:
        return self.starts <= STARTS and self.integrity == "ok" and self.frames_lost <= 1 and self.is_kept


def write_down(path: Path, seen: dict[str, Any]) -> None:
    """Add a line to a file of outcomes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(seen) + "\n")


class Results:
    """The file that the outcomes lie in, so that a hundred cuts may be done in pieces."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self) -> Iterator[Outcome]:
        if self._path.exists():
            yield from (Outcome(**json.loads(line)) for line in self._path.read_text(encoding="utf-8").splitlines())

    def add(self, outcome: Outcome) -> None:
        write_down(self._path, asdict(outcome))


def planned(seed: int, count: int, results: Results, phases: tuple[str, ...] = PHASES) -> list[Cut]:
    """Return those of the first so many cuts of a seed that have no outcome yet."""
    done = {outcome.number for outcome in results.known() if outcome.seed == seed}
    return [Cut(seed, number, phases) for number in range(count) if number not in done]


class Work:
    """Something that the panel is asked for again and again, until the power goes; remembers what it confirmed."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.confirmed: object = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(120)

    def _run(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
                self.confirmed = self._act() or self.confirmed
            time.sleep(0.05)


def healthy(card: Card, panel: Panel) -> float:
    """Wait until the panel is healthy; return how long that took from power-on."""
    panel.meet(card, HEALTHY_S)
    return time.monotonic() - card.began_s


def start_again(card: Card, panel: Panel) -> tuple[int, float]:
    """Start until the panel is healthy; return how many starts that took, and how long the last."""
    for number in range(1, STARTS + 1):
        try:
            card.start()
            healthy_s = healthy(card, panel)
        except AssertionError:
            card.cut_power()
        else:
            return number, healthy_s
    raise AssertionError(f"not healthy after {STARTS} starts")


def look(card: Card) -> dict[str, Any]:
    """Return what is in the database, and whether it is whole and agrees with the pictures."""
    found: dict[str, Any] = card.python(LOOK)
    if found["rows"] != found["pictures"]:
        found["integrity"] = f"{found['rows']} rows, {found['pictures']} pictures"
    return found


def claim(panel: Panel, code: str) -> str | None:
    """Claim; return the name once the panel has confirmed it."""
    answer = panel.post("/claim", code=code, name=ADMIN, password=PASSWORD, again=PASSWORD)
    return ADMIN if answer.status == 303 else None


def prepare_claimed(card: Card) -> None:
    """Claim a card and have it take pictures one after another."""
    panel = Panel(card)
    healthy(card, panel)
    panel.claim_with(setup_code(card))
    panel.set("camera", driver='"indi_simulator_ccd"', period_s="1", duration_max_s="0.2")
    wait_for(lambda: panel.latest_id() > 1, "frames", HEALTHY_S, 2)


def suffer(cut: Cut, card: Card, *, start_s: float) -> Outcome:
    """Let a machine suffer a power cut, and see what became of it.

    Parameters
    ----------
    cut : Cut
    card : Card
        New at the first start; else it has a moment to resume from: waiting to be claimed, or claimed and capturing.
    start_s : float
        How long a first start takes here.
    """
    panel = Panel(card)
    confirmed: object = None
    try:
        if cut.phase == "first start":
            after_s = cut.share * start_s
            card.power_on()
            time.sleep(after_s)
        else:
            after_s = cut.share * LONGEST_S[cut.phase]
            card.resume()
            healthy(card, panel)
            with Work(_work(cut.phase, card, panel)) as work:
                time.sleep(after_s)
                card.cut_power()
            confirmed = work.confirmed
        card.cut_power()
        starts, healthy_s = start_again(card, panel)
        found = look(card)
        lost, is_kept = _compare(cut.phase, card, panel, confirmed, found)
        return cut.outcome(after_s, starts, healthy_s, found["integrity"], frames_lost=lost, is_kept=is_kept)
    finally:
        card.cut_power()


def _work(phase: str, card: Card, panel: Panel) -> Callable[[], object]:
    if phase == "claim":
        code = setup_code(card)
        return lambda: claim(panel, code)
    panel.login(ADMIN, PASSWORD)
    if phase == "capture":
        return panel.latest_id
    names = (f"Sky {number}" for number in range(10_000))

    def rename() -> str:
        name = next(names)
        panel.set("site", name=json.dumps(name))
        return name

    return rename


def _compare(phase: str, card: Card, panel: Panel, confirmed: object, found: dict[str, Any]) -> tuple[int, bool]:
    """Return how many frames are lost that the panel had shown, and whether else everything is there."""
    if phase == "first start":
        panel.claim_with(setup_code(card))
        return 0, True
    if phase == "claim":
        if confirmed is None and not _is_claimed(panel):
            panel.claim_with(setup_code(card))
        panel.login(ADMIN, PASSWORD)
        return 0, True
    panel.login(ADMIN, PASSWORD)
    if phase == "capture":
        newest = max(found["frames"], default=0)
        panel.wait_for_new_frame(HEALTHY_S)
        return max(0, int(str(confirmed or 0)) - newest), True
    name = panel.get("/api/v1/settings").json()["site"]["name"]
    number = int(str(confirmed).removeprefix("Sky ")) if confirmed else -1
    return 0, name in ({f"Sky {number}", f"Sky {number + 1}"} if confirmed else {"My sky", "Sky 0"})


def _is_claimed(panel: Panel) -> bool:
    return panel.get("/claim").status != 200
