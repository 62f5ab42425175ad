"""What an ending means, in words of the person it is for."""

from dataclasses import dataclass

from appliance.domain.job import JobState
from appliance.domain.stick import StickState
from appliance.export.messages import Ended, Outcome
from appliance.export.names import REQUEST

OFFERED = "Nothing is copied to it until an admin says 'use this stick'."
WAITS = "It waits for its turn."
NOT_WANTED = "The stick is no longer one that may fill itself."
NO_KINDS = "Nothing is copied: pictures, keograms and films are all turned off under Settings, USB export."
PULLED = "The stick was pulled out. Plug it in again: the export goes on where it stopped."
STOPPED = "The appliance was stopped. The export goes on by itself."
PULLED_ADVICE = "Plug it in again: the export goes on where it stopped."
HUNG = "The stick does not answer any more."
HUNG_ADVICE = "Pull it out and try another one. If this stays although it is out, restart the appliance."
NOT_LET_GO = "Something on it may not be written yet: switch the appliance off before you pull it out."
SLOW_ADVICE = "Leave it plugged in as long as it takes, or take a faster stick."
_RENAME = "Rename what lies there under the name of a picture, a film or their folder."
_FORMAT = "Format the stick as exFAT on a computer and plug it in again."


@dataclass(frozen=True, slots=True)
class Ending:
    """How an export ended."""

    job: JobState
    stick: StickState
    sentence: str
    advice: str = ""
    """What to do; where there is something, it becomes an issue."""

    @property
    def reason(self) -> str:
        """What is told beside the stick."""
        return f"{self.sentence} {self.advice}".strip()


def ending(ended: Ended) -> Ending:
    """Return what a child's end means."""
    copied = f"{_count(ended.done_files, 'file')} copied ({size_text(ended.done_bytes)})"
    match ended.outcome:
        case Outcome.DONE:
            return _done(ended, copied)
        case Outcome.STOPPED:
            return Ending(JobState.STOPPED, StickState.DONE, f"Stopped: {copied}.")
        case Outcome.FULL:
            sentence = f"The stick is full: {copied}, the newest nights first; a twentieth of it is kept free."
            return _failed(sentence, "Take a larger stick, or remove old nights from its folder nightjar.")
        case Outcome.READ_ONLY:
            return _refused(
                "The stick can only be read.",
                "Look for a switch on it. A stick that refuses writing by itself is worn out, or a computer must check it.",
            )
        case Outcome.NOT_WRITABLE:
            return _refused(
                "This appliance may not write to the stick.",
                "Format it as exFAT, or make a folder nightjar of mode 1777 on it: sudo mkdir -m 1777 nightjar.",
            )
        case Outcome.IN_THE_WAY:
            return _failed(
                f"On the stick something else lies where a folder belongs: {ended.detail}.",
                "Rename it, and plug the stick in again.",
            )
        case Outcome.BAD_REQUEST:
            return _failed(ended.detail, f"Correct {REQUEST} on the stick as the manual shows, or remove it.")
        case Outcome.NO_SOURCE:
            return _failed(
                f"A file of this appliance could not be read: {ended.detail}.", "Look at the log; its card may be failing."
            )
        case Outcome.BROKEN:
            return _failed(
                f"The stick failed: {ended.detail}.",
                "Have a computer check it, or take another one. It may be smaller than it says.",
            )


def not_mounted(error: str) -> Ending:
    """Return what a refused mount means."""
    return _failed(f"The stick could not be mounted: {error}", f"Have a computer check it. {_FORMAT}")


def hung() -> Ending:
    """Return what it means that a child was given up."""
    return _failed(HUNG, HUNG_ADVICE)


def pulled() -> Ending:
    """Return what it means that a stick went in mid-copy; the job itself waits for it."""
    return Ending(JobState.WAITING, StickState.FAILED, "It was pulled out before its export had ended.", PULLED_ADVICE)


def duration_text(seconds: float) -> str:
    """Return a time left as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def size_text(count: int) -> str:
    """Return a size as people say it."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _done(ended: Ended, copied: str) -> Ending:
    problems = []
    if ended.too_large:
        problems.append(f"{_count(ended.too_large, 'file')} of 4 GiB and more cannot be held by FAT32.")
    if ended.in_the_way:
        problems.append(f"{_count(ended.in_the_way, 'file')} could not be written: something else lies in the place.")
    if ended.done_files == 0 and not problems:
        return Ending(JobState.DONE, StickState.DONE, "Everything was on the stick already.")
    advice = [_FORMAT] * bool(ended.too_large) + [_RENAME] * bool(ended.in_the_way)
    return Ending(JobState.DONE, StickState.DONE, " ".join([f"{copied}.", *problems]), " ".join(advice))


def _refused(sentence: str, advice: str) -> Ending:
    return Ending(JobState.FAILED, StickState.REFUSED, sentence, advice)


def _failed(sentence: str, advice: str) -> Ending:
    return Ending(JobState.FAILED, StickState.FAILED, sentence, advice)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
