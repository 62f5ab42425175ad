"""What a person may ask of a service while it works; put into a mailbox by the panel, obeyed at the service's next step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PauseCapture:
    """Take no more frames; an exposure that has begun is finished."""


@dataclass(frozen=True, slots=True)
class ResumeCapture:
    """Take frames again."""


@dataclass(frozen=True, slots=True)
class ReconnectCamera:
    """Give the camera up and look for it anew, its driver and its server started afresh."""


CameraCommand = PauseCapture | ResumeCapture | ReconnectCamera


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Store the running frame, then switch the machine off."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Store the running frame, then start the machine anew."""


PowerCommand = PowerOff | Reboot
