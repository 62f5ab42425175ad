"""One stick in work: mounted, handed to a child, unmounted, switched off; a step at a time, none of which waits long."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Generic

from appliance.domain.errors import MachineError, UnavailableError
from appliance.domain.foundbackup import MOST_FOUND
from appliance.export.messages import Ended, FoundFile, Looked, Outcome, Progress, Task
from appliance.export.policy import mount_options
from appliance.export.ports import Drives, VolumeT
from appliance.export.watched import Child
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

AGAIN_S = 2.0
PATIENCE_S = 60.0
"""So long the machine's services may be away, as they are while they restart."""
SETTLE_S = 3.0
"""A stick that was pulled out fails first and is gone a moment later."""
KILL_S = 5.0
QUICK_S = 5.0
_LEAVE_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a child may take."""

    silent_s: float = 180.0
    """Without a word: a bad stick may take a minute for the four megabytes between two words."""
    stop_s: float = 30.0
    """To end when it was asked to."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How the work on a stick ended."""

    ended: Ended | None
    """What the child said last; None where it never came to that."""
    looked: Looked | None = None
    mount_error: str = ""
    is_hung: bool = False
    is_safe_to_remove: bool = True
    is_off: bool = False
    """Whether the drive was switched off."""
    found: tuple[FoundFile, ...] = ()


class _Phase(Enum):
    MOUNT = auto()
    CHILD = auto()
    SETTLE = auto()
    UNMOUNT = auto()


class Work(Generic[VolumeT]):
    """One stick, from mounting to letting go."""

    def __init__(
        self,
        volume: VolumeT,
        drives: Drives[VolumeT],
        child: Child,
        make_task: Callable[[Path], Task] | None,
        *,
        is_look_only: bool,
        is_powered_off: Callable[[], bool],
        now: Callable[[], float],
        beat: Beat,
        limits: Limits,
    ) -> None:
        """Take what to do.

        Parameters
        ----------
        make_task : callable or None
            Returns the child's task for a mount point; None to let the stick go and nothing else.
        is_powered_off : callable
            Returns whether the drive is switched off now, at the end, which also takes its other volumes away.
        """
        self.volume = volume
        self._drives, self._child, self._make_task = drives, child, make_task
        self._is_look_only, self._is_powered_off = is_look_only, is_powered_off
        self._now, self._beat, self._limits = now, beat, limits
        self._phase = _Phase.MOUNT if make_task else _Phase.UNMOUNT
        self._began_at, self._again_at = now(), float("-inf")
        self._stop_at: float | None = None
        self._ended: Ended | None = None
        self._is_hung = self._is_mounted = self._is_off = False
        self._mount_error = ""
        self.looked: Looked | None = None
        self.progress: Progress | None = None
        self._found: list[FoundFile] = []

    @property
    def has_more(self) -> bool:
        """Whether there is something to do that nothing has to be waited for."""
        return self._phase is not _Phase.CHILD and self._now() >= self._again_at

    def step(self) -> Finished | None:
        """Go on; return how it ended, once it has."""
        if self._now() < self._again_at:
            return None
        match self._phase:
            case _Phase.MOUNT:
                return self._mount()
            case _Phase.CHILD:
                self._hear()
            case _Phase.SETTLE:
                self._go_to(_Phase.UNMOUNT)
            case _Phase.UNMOUNT:
                return self._let_go()
        return None

    def stop(self) -> None:
        """Ask for the end, in good order."""
        if self._stop_at is None:
            self._stop_at = self._now()
            self._child.stop()

    def abandon(self) -> Finished:
        """End at once because the stick is gone: there is nothing to unmount."""
        self._end_child()
        return Finished(self._ended, self.looked)

    def close(self) -> Finished:
        """End at once because the appliance stops: unmount, unless the stick seems to answer nobody."""
        is_quick = self._phase is not _Phase.CHILD or self._child.silent_s < QUICK_S
        self._end_child()
        return (self._let_go(is_last=True) if is_quick else None) or Finished(self._ended, self.looked, is_safe_to_remove=False)

    def _mount(self) -> Finished | None:
        self._beat()
        options = mount_options(self.volume.fs_type, is_look_only=self._is_look_only)
        if self._stop_at is not None:
            self._ended = Ended(Outcome.STOPPED)
            self._go_to(_Phase.UNMOUNT)
            return None
        try:
            mount = self._drives.mount(self.volume, options)
            self._is_mounted = True
            if self._make_task is not None:
                self._child.start(self._make_task(mount))
            self._go_to(_Phase.CHILD)
        except UnavailableError as error:
            if self._now() - self._began_at < PATIENCE_S:
                self._again_at = self._now() + AGAIN_S
            else:
                return self._not_mounted(str(error))
        except MachineError as error:
            return self._not_mounted(str(error))
        except OSError as error:
            self._ended = Ended(Outcome.NO_SOURCE, f"the copying process does not start: {error.strerror}")
            self._go_to(_Phase.UNMOUNT)
        return None

    def _not_mounted(self, error: str) -> Finished | None:
        self._mount_error = error
        self._go_to(_Phase.UNMOUNT)  # a mount that answered too late may have happened
        return None

    def _hear(self) -> None:
        is_over = self._child.is_over
        for event in self._child.events():
            match event:
                case Looked():
                    self.looked = event
                case Progress():
                    self.progress = event
                case FoundFile() if len(self._found) < MOST_FOUND:
                    self._found.append(event)
                case Ended():
                    self._ended = event
        if is_over:
            self._child.leave()
            silent = Outcome.BROKEN if self._stop_at is None else Outcome.STOPPED  # asked to end before it could listen
            self._ended = self._ended or Ended(silent, "the copying process ended before its work")
            self._go_to(_Phase.SETTLE if self._ended.outcome is Outcome.BROKEN else _Phase.UNMOUNT)
            self._again_at = self._now() + SETTLE_S if self._phase is _Phase.SETTLE else float("-inf")
        elif self._stop_at is not None and self._now() - self._stop_at > self._limits.stop_s:
            self._give_up(Ended(Outcome.STOPPED))
        elif self._child.silent_s > self._limits.silent_s:
            self._is_hung = True
            self._give_up(Ended(Outcome.BROKEN, "it does not answer"))

    def _give_up(self, ended: Ended) -> None:
        """Kill the child, and leave it behind if not even that ends it soon."""
        self._child.kill()
        self._child.leave()
        self._ended = ended
        self._go_to(_Phase.UNMOUNT)
        self._again_at = self._now() + KILL_S

    def _end_child(self) -> None:
        if self._phase is _Phase.CHILD:
            self._child.kill()
            self._child.leave(_LEAVE_S)
        self._phase = _Phase.UNMOUNT

    def _go_to(self, phase: _Phase) -> None:
        self._phase, self._began_at = phase, self._now()

    def _let_go(self, *, is_last: bool = False) -> Finished | None:
        """Unmount, then switch off; the machine's services get some time for the first."""
        self._beat()
        try:
            if self._is_mounted or self._mount_error:
                self._drives.unmount(self.volume, force=self._is_hung)
        except MachineError as error:
            if self._mount_error:
                return self._finished(is_safe=True)
            if self._is_unmounted():  # somebody else did, or it has gone
                return self._finished(is_safe=True)
            if not is_last and self._now() - self._began_at < PATIENCE_S:
                self._again_at = self._now() + AGAIN_S
                return None
            log.warning("a stick could not be unmounted: %s: %s", self.volume.object_path, error)
            return self._finished(is_safe=False)
        self._is_mounted = False
        if not self._is_hung and not is_last and self._is_powered_off():
            self._beat()
            try:
                self._drives.power_off(self.volume)
                self._is_off = True
            except MachineError as error:  # not every drive can; unmounted it is safe to remove all the same
                log.info("a stick was not switched off: %s: %s", self.volume.object_path, error)
        return self._finished(is_safe=True)

    def _is_unmounted(self) -> bool:
        """Return whether the stick is known to be mounted no longer."""
        try:
            volumes = self._drives.volumes()
        except MachineError:
            return False
        return not any(volume.mount_points for volume in volumes if volume.object_path == self.volume.object_path)

    def _finished(self, *, is_safe: bool) -> Finished:
        return Finished(self._ended, self.looked, self._mount_error, self._is_hung, is_safe, self._is_off, tuple(self._found))
