"""The target that is another Nightjar."""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import field_validator

from appliance.domain.fault import Fault, Words
from appliance.settings.section import setting
from appliance.settings.targetparts import Pictures, SecretField, address_field

_PANEL = re.compile(r"https://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?\Z")
_FINGERPRINT = re.compile(r"[0-9A-F]{64}\Z")


class NightjarTarget(Pictures):
    """Another Nightjar, which shows these pictures among those of other cameras."""

    title_of_kind: ClassVar[str] = "Another Nightjar"
    about: ClassVar[str] = "An observatory: a Nightjar that shows many cameras. Pictures go there with all their numbers."
    needed: ClassVar[tuple[str, ...]] = ("address", "fingerprint")
    secrets: ClassVar[tuple[SecretField, ...]] = (
        SecretField("key", "Key", "64 letters and digits, which the other Nightjar shows once, when it is told of this one."),
    )

    test: ClassVar[str] = "Asks the other Nightjar, with a signed question, who it is."
    tested: ClassVar[str] = "The other Nightjar is the right one, and takes pictures from here."
    words: ClassVar[Mapping[Fault, Words]] = {
        Fault.LOGIN: Words("The other Nightjar does not know the key.", "It was changed or revoked there: enter Key again."),
        Fault.PATH: Words("What answers there takes no pictures.", "Check Address; an older Nightjar may have to be updated."),
        Fault.NAME: Words("No computer of this name is known, or it does not go by it.", "Check Address."),
        Fault.PORT: Words("The computer is there, but no Nightjar.", "Check Address, and that the other Nightjar runs."),
        Fault.SILENT: Words("The other Nightjar does not answer.", "Check Address; a firewall may be in between."),
        Fault.FULL: Words("There is no room left at the other Nightjar.", "Raise the limits of this camera there, or send less."),
        Fault.CERTIFICATE: Words(
            "It is not the Nightjar of this fingerprint.",
            "Compare Fingerprint with what the other shows. Where its panel has an imported certificate, use its .local name.",
        ),
    }

    kind: Literal["nightjar"] = "nightjar"
    films: bool = setting(True, "Films", "Send the films of each night.")
    address: str = address_field("Of the other Nightjar's panel, like https://nightjar.local or https://192.168.1.20.")
    fingerprint: str = setting(
        "", "Fingerprint",
        "SHA-256 of the other Nightjar's authority, shown with the key. It alone decides whom the pictures go to.",
        max_length=120,
    )  # fmt: skip

    @field_validator("address")
    @classmethod
    def _is_a_panel(cls, text: str) -> str:
        if text and not _PANEL.match(text.rstrip("/")):
            raise ValueError("ends with the name or address of the other Nightjar, and its port if it has one")
        return text.rstrip("/")

    @field_validator("fingerprint")
    @classmethod
    def _is_a_fingerprint(cls, text: str) -> str:
        digits = re.sub(r"[\s:]", "", text).upper()
        if text and not _FINGERPRINT.match(digits):
            raise ValueError("has 32 pairs of hexadecimal digits; paste it as the other Nightjar shows it")
        return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))

    @property
    def place(self) -> str:
        """Where and as whom."""
        return f"nightjar:{self.fingerprint}@{self.address}"

    @property
    def naming(self) -> tuple[str, str]:
        """Names from which the target knows what a file is."""
        return "{night}/{name}", "{night}/{name}"

    @property
    def sends_films(self) -> bool:
        """Whether films are sent."""
        return self.films
