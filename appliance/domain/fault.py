"""What can be wrong with a target, told apart so that a person knows which field to change."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Words:
    """What a person reads of a fault."""

    sentence: str
    """What is wrong."""
    advice: str
    """What to do; it names the field."""


class Fault(StrEnum):
    """Why a target cannot be used."""

    NAME = "name"
    PORT = "port"
    SILENT = "silent"
    LOGIN = "login"
    PATH = "path"
    RIGHT = "right"
    FULL = "full"
    KEY = "key"
    CERTIFICATE = "certificate"
    CLOCK = "clock"
    BROKEN = "broken"

    @property
    def words(self) -> Words:
        """What a person reads where a target has no words of its own for it."""
        return Words(*_WORDS[self])

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        return self.words.sentence

    @property
    def advice(self) -> str:
        """What to do, for people; it names the field."""
        return self.words.advice

    @property
    def is_weather(self) -> bool:
        """Whether it may pass by itself, as a network that is away does."""
        return self in {Fault.NAME, Fault.PORT, Fault.SILENT, Fault.BROKEN}

    @property
    def is_trust(self) -> bool:
        """Whether the other side is not who it should be: nothing is sent until a person has looked."""
        return self in {Fault.KEY, Fault.CERTIFICATE}


_WORDS = {
    Fault.NAME: ("No computer of this name is known.", "Check Host for a typing error, and that this appliance has a network."),
    Fault.PORT: ("The computer is there, but nothing listens on this port.", "Check Port, and that the service runs there."),
    Fault.SILENT: ("The computer does not answer.", "Check Host and Port; a firewall may be in between."),
    Fault.LOGIN: ("Name, password or key are refused.", "Check User, and enter Password or Key again."),
    Fault.PATH: ("The folder does not exist.", "Check Folder, or make it on the other side."),
    Fault.RIGHT: ("This user may not write there.", "Choose another Folder, or allow this user to write into it."),
    Fault.FULL: ("There is no room left on the other side.", "Remove something there, or let this target get less."),
    Fault.KEY: ("The computer shows another key than was confirmed.", "If it was set up anew, confirm Host key again."),
    Fault.CERTIFICATE: (
        "The computer's certificate is not trusted.",
        "If it is the right computer, choose Trust this certificate and compare the fingerprint there.",
    ),
    Fault.CLOCK: (
        "The clocks of the two computers stand too far apart.",
        "Set the one that is wrong, under System, Machine; best from the network.",
    ),
    Fault.BROKEN: ("The connection broke.", "It is tried again by itself."),
}  # fmt: skip
