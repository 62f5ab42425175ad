"""Every error of ours, drawn as one tree.

NightjarError
  StartError               the program cannot start: said in one line, exit code 2
  CameraError              the camera or its driver failed; the next exposure may work
    FitsError              a frame's bytes are not a frame we can read
    CameraLostError        the connection to the camera's server or driver is gone
  StoreError               the data folder or its database failed
    DiskFullError          there is no room for what should be written
  SettingsError            settings were refused; holds every problem with its path
  SecurityError            a secret, key or certificate failed
    VaultError             a sealed secret cannot be opened
    RefusedError           a name, password, code or token was refused; says nothing more
      SkewError            a signed request came from a clock that stands too far from ours
    ThrottledError         too many tries; says how long to wait
  MachineError             the machine's services (D-Bus) did not do what was asked
    UnavailableError       there is no such service here, or it does not answer: "not available on this machine: ..."
    DeniedError            the machine's rules (polkit, D-Bus policy) say no
    ServiceError           a service refused for a reason of its own; holds the error's name
  FetchError               a file of the update channel cannot be fetched now
  UploadError              a target cannot be reached or used now; holds the fault
  UploadRefusedError       a target does not take one file, for good
  StoppedError             long work was asked to end
  InputError               something a person or peer sent is not usable; says what to do
"""

from dataclasses import dataclass

from appliance.domain.fault import Fault, Words


class NightjarError(Exception):
    """Root of every error that this program raises on purpose."""


class StartError(NightjarError):
    """The program cannot start; the message is the one line shown."""


class CameraError(NightjarError):
    """The camera or its driver failed."""


class FitsError(CameraError):
    """Bytes from a camera or a file are not a frame that can be read."""


class CameraLostError(CameraError):
    """The connection to the camera's server or driver is gone: nothing more comes over it."""


class StoreError(NightjarError):
    """The data folder or its database failed."""


class DiskFullError(StoreError):
    """There is no room for what should be written."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in what somebody entered."""

    path: str
    """Dotted path of the field, for instance `site.latitude_deg`."""
    message: str


class SettingsError(NightjarError):
    """Settings were refused; `problems` names every reason, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.path}: {p.message}" for p in problems))
        self.problems = problems


class SecurityError(NightjarError):
    """A secret, key or certificate failed."""


class VaultError(SecurityError):
    """A sealed secret cannot be opened."""


class RefusedError(SecurityError):
    """A name, password, code or token was refused; the reason is not told."""


class SkewError(RefusedError):
    """A signed request came from a clock that stands too far from ours; the message says how far and on which side."""


class ThrottledError(SecurityError):
    """Too many tries; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many tries: try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class MachineError(NightjarError):
    """A service of the machine did not do what was asked; the message can be shown to a person."""


class UnavailableError(MachineError):
    """There is no such service on this machine, or it does not answer."""


class DeniedError(MachineError):
    """The machine's rules say no to this program."""


class ServiceError(MachineError):
    """A service refused for a reason of its own; `name` is the D-Bus name of its error."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class FetchError(NightjarError):
    """A file of the update channel cannot be fetched now; the message says why, as part of a sentence."""


class UploadError(NightjarError):
    """A target cannot be reached or used now; the message says what was seen, for people."""

    def __init__(self, fault: Fault, message: str, *, shown: str = "", words: Words | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.shown = shown
        """The key or certificate that the other side showed, where the fault is about trust."""
        self.own_words = words
        """What a person reads of it; None: what the kind of target says of this fault."""

    @property
    def words(self) -> Words:
        """What a person reads where the kind of target is not known."""
        return self.own_words or self.fault.words


class UploadRefusedError(NightjarError):
    """A target does not take one file, for good; it takes others."""


class StoppedError(NightjarError):
    """Long work was asked to end, and has."""


class InputError(NightjarError):
    """Something that a person or a peer sent is not usable; the message says what to do."""
