"""Work on the halves of the card, a piece at each step: a bundle goes into the other one, or that one is chosen to start."""

import logging
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.errors import MachineError, ServiceError
from appliance.domain.update import Updater
from appliance.housekeeping.raucwords import is_busy, plain_step, plain_words
from appliance.housekeeping.updateports import Completion, Rauc, Units
from appliance.store.jobs import JobStore

log = logging.getLogger(__name__)

WAIT_S = 0.7
IDLE_S = 10.0
"""An updater that rests for so long, and whose end was not heard, has ended."""
CHOSEN_S = 60.0
"""A root oneshot that has not done its work by then has failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a piece of work ended."""

    is_well: bool
    reason: str = ""
    """Why not, as part of a sentence."""


def look(rauc: Rauc) -> Updater:
    """Ask the updater which halves there are and which is next; one that does not answer is told as such."""
    compatible = ""
    try:
        compatible = rauc.compatible()
        booted = next((slot.name for slot in rauc.state().slots if slot.is_booted), "")
        return Updater(compatible, booted, rauc.next_half(), "")
    except ServiceError as error:
        return Updater(compatible, unavailable="" if is_busy(error) else str(error))
    except MachineError as error:
        return Updater(unavailable=str(error))


class Installation:
    """Writes one bundle.

    Parameters
    ----------
    version : str
        Of the bundle, to know it again in the other half.
    is_follow_only : bool
        Whether nothing is begun: the updater was at work, and may have ended since.
    """

    def __init__(
        self, rauc: Rauc, jobs: JobStore, job_id: int, bundle: Path, version: str, clock: Clock, *, is_follow_only: bool
    ) -> None:
        self._rauc, self._jobs, self._job_id = rauc, jobs, job_id
        self._bundle, self._version, self._clock, self._is_follow_only = bundle, version, clock, is_follow_only
        self._completion: Completion | None = None
        self._told: tuple[int, str] | None = None
        self._idle_since_s: float | None = None

    def open(self) -> Ended | None:
        """Begin, or follow what an earlier life of this program began; return how it ended where it has already.

        Listening comes first, so that no end is missed.
        """
        self._completion = self._rauc.completion()
        if self._rauc.writing().is_idle:
            if self._is_written():
                return Ended(is_well=True)
            if self._is_follow_only:
                return self._failed()
            self._rauc.begin(self._bundle)
        self._jobs.start(self._job_id, "The other half is being written")
        return None

    def step(self) -> Ended | None:
        """Wait a little; return how it ended, or None while it goes on."""
        if self._completion is None:
            raise ValueError("an installation that was not opened")
        said = self._completion.take(WAIT_S)
        match said:
            case 0:
                return Ended(is_well=True)
            case int():
                return self._failed()
        try:
            return self._look()
        except MachineError as error:
            log.info("the updater does not answer while it writes: %s", error)
            return None

    def close(self) -> None:
        """Listen no more; the updater goes on by itself."""
        if self._completion is not None:
            self._completion.close()
            self._completion = None

    def _look(self) -> Ended | None:
        writing = self._rauc.writing()
        if not writing.is_idle:
            self._idle_since_s = None
            if (writing.percent, writing.message) != self._told:
                self._told = (writing.percent, writing.message)
                self._jobs.update(self._job_id, done=writing.percent, total=100, eta_s=None, message=plain_step(writing.message))
            return None
        now_s = self._clock.monotonic()
        self._idle_since_s = now_s if self._idle_since_s is None else self._idle_since_s
        if now_s - self._idle_since_s < IDLE_S:
            return None
        return Ended(is_well=True) if self._is_written() else self._failed()

    def _is_written(self) -> bool:
        """Return whether the other half holds this release and comes next: the updater makes it the next one last of all."""
        other = [slot for slot in self._rauc.state().slots if not slot.is_booted]
        return any(slot.version == self._version and slot.name == self._rauc.next_half() for slot in other)

    def _failed(self) -> Ended:
        try:
            return Ended(is_well=False, reason=plain_words(self._rauc.last_error()))
        except MachineError as error:
            return Ended(is_well=False, reason=str(error))


class OtherHalf:
    """Has the machine start from the half that does not run, and sees that this is so before anybody restarts it."""

    def __init__(self, rauc: Rauc, units: Units, clock: Clock) -> None:
        self._rauc, self._units, self._clock = rauc, units, clock
        self._until_s = 0.0

    def open(self) -> Ended | None:
        """Order it."""
        if look(self._rauc).is_restart_due:
            return Ended(is_well=True)
        self._units.start_other_slot()
        self._until_s = self._clock.monotonic() + CHOSEN_S
        return None

    def step(self) -> Ended | None:
        """Return how it ended, or None while it goes on."""
        if look(self._rauc).is_restart_due:
            return Ended(is_well=True)
        if self._clock.monotonic() < self._until_s:
            return None
        return Ended(is_well=False, reason="the start was not changed within a minute; the machine's log says why")
