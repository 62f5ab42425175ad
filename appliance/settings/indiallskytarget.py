"""A target that is an indi-allsky, by that program's own sync."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from appliance.domain.fault import Fault, Words
from appliance.settings.section import setting
from appliance.settings.targetparts import Checked, Pictures, SecretField, address_field


class IndiAllSkyTarget(Pictures, Checked):
    """An indi-allsky that collects the pictures of others, by its own sync."""

    title_of_kind: ClassVar[str] = "indi-allsky (SyncAPI v1)"
    about: ClassVar[str] = (
        "The web server of an indi-allsky network. Its signature protects less than the sync between Nightjars."
    )
    needed: ClassVar[tuple[str, ...]] = ("address", "user")
    secrets: ClassVar[tuple[SecretField, ...]] = (
        SecretField("key", "API key", "Made on the other side for this user, with its own usertool."),
    )

    weaker: ClassVar[str] = (
        "The signature of this scheme covers the description of a picture, but neither the picture itself nor where it is sent "
        "to, and it is taken for up to 25 minutes, any number of times. Only TLS keeps others from changing or repeating it."
    )

    test: ClassVar[str] = "Connects, checks the certificate, and makes this camera known with user and key."
    tested: ClassVar[str] = "This camera is known there now."
    words: ClassVar[Mapping[Fault, Words]] = {
        Fault.LOGIN: Words(
            "User or API key are refused.",
            "Check User, and enter API key again; the two clocks may stand five minutes apart at most.",
        ),
        Fault.PATH: Words("No indi-allsky answers there.", "Check Address: it ends where /sync/v1/ begins."),
        Fault.NAME: Words("No computer of this name is known.", "Check Address, and that this appliance has a network."),
        Fault.PORT: Words("The computer is there, but no web server.", "Check Address, and that the web server runs there."),
        Fault.SILENT: Words("The computer does not answer.", "Check Address; a firewall may be in between."),
        Fault.RIGHT: Words("The web server lets this appliance do nothing.", "Check Address, and whom the server there lets in."),
    }

    kind: Literal["indi-allsky"] = "indi-allsky"
    address: str = address_field("What stands before /sync/v1/ there, mostly https://sky.example/indi-allsky and no more.")
    user: str = setting(
        "", "User", "As the other side calls this appliance.", max_length=100, pattern=r"^[A-Za-z0-9._@+-]*$"
    )  # fmt: skip
    films: bool = setting(True, "Films", "Send the films of each night.")

    @property
    def place(self) -> str:
        """Where and as whom."""
        return f"indi-allsky:{self.user}@{self.address}"

    @property
    def naming(self) -> tuple[str, str]:
        """Templates of the names; the other side chooses its own, and needs the night."""
        return "{night}/{name}", "{night}/{name}"

    @property
    def sends_films(self) -> bool:
        """Whether films are sent."""
        return self.films
