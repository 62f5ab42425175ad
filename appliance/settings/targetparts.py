"""What kinds of targets are made of: what every target has, and what some have.

Common
  Pictures       gets pictures, keograms and star trails
    Files        keeps them under names, and films
  Notices        hears of what is wrong
  Checked        is spoken to with TLS
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from appliance.domain.errors import InputError
from appliance.domain.fault import Fault, Words
from appliance.domain.health import Severity
from appliance.domain.naming import check_naming
from appliance.settings.section import Section, misfit, setting

HOST = r"^[A-Za-z0-9._:-]*$"
_CLOCK = r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\Z")
_CERTIFICATE_HELP = (
    "Empty: one of the public authorities must have signed for it. Else the server's own certificate or that of your "
    "authority; the test offers what the server shows."
)


@dataclass(frozen=True, slots=True)
class SecretField:
    """A credential of a target: set or cleared in the panel, never shown."""

    name: str
    title: str
    help: str
    is_long: bool = False
    """Whether it has lines, as a key file has."""


class Common(Section):
    """What every target has."""

    title_of_kind: ClassVar[str] = ""
    about: ClassVar[str] = ""
    """One line that helps to choose a kind."""
    secrets: ClassVar[tuple[SecretField, ...]] = ()
    needed: ClassVar[tuple[str, ...]] = ()
    """Fields that must not be empty."""
    weaker: ClassVar[str] = ""
    """What it protects less than the other kinds do, for people; empty where it does not."""
    test: ClassVar[str] = "Connects, logs in, writes a small file and removes it."
    """What the test button does."""
    tested: ClassVar[str] = "A small file was written there and removed again."
    """What it has done where all went well."""
    words: ClassVar[Mapping[Fault, Words]] = {}
    """What is wrong and what to do, where it is not what `Fault` says of folders."""

    id: str = Field(pattern=r"^[a-z0-9]{8}$", title="Id", description="Given once, and kept.")
    title: str = setting("", "Name", "How the panel calls it.", max_length=60)
    is_on: bool = setting(True, "On", "Off: nothing is sent, and what is new waits.")
    quiet_begin: str = setting(
        "", "Quiet from", "Nothing is sent between these two times of the site, like 08:00. Empty: never quiet.",
        max_length=5, pattern=_CLOCK,
    )  # fmt: skip
    quiet_end: str = setting("", "Quiet until", "Write it like 17:30.", max_length=5, pattern=_CLOCK)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        for name in ("title", *self.needed):
            if not getattr(self, name):
                raise misfit(name, "is needed")
        if bool(self.quiet_begin) != bool(self.quiet_end):
            raise misfit("quiet_end" if self.quiet_begin else "quiet_begin", "is needed too: give both times, or neither")
        return self

    @property
    def place(self) -> str:
        """Where and as whom: a credential is good for that place only."""
        raise NotImplementedError

    @property
    def quiet(self) -> tuple[time, time]:
        """Begin and end of the quiet hours; equal for none."""
        return (
            (time.fromisoformat(self.quiet_begin), time.fromisoformat(self.quiet_end)) if self.quiet_begin else (time(), time())
        )

    @property
    def bytes_per_s(self) -> int:
        """How fast it may be sent to; 0 for as fast as it goes."""
        return 0

    @property
    def unsafe(self) -> str:
        """What is unsafe about it, for people; empty where nothing is."""
        return ""

    def wants_notice(self, severity: Severity) -> bool:  # noqa: ARG002 - most kinds of target want none
        """Return whether it is to hear of an issue."""
        return False

    def words_of(self, fault: Fault) -> Words:
        """Return what is wrong and what to do, for people."""
        return self.words.get(fault, fault.words)


class Pictures(Common):
    """A target that gets pictures."""

    pictures: bool = setting(True, "Pictures", "Send the picture of each frame.")
    every_min: int = setting(
        0, "One picture in", "Send at most one picture in so many minutes. 0: every picture.", unit="min", ge=0, le=1440
    )
    products: bool = setting(True, "Keograms and star trails", "Send keogram and star trail each time they are saved.")
    speed_kib_s: int = setting(
        0, "Speed", "Send at most so fast, so that the line stays usable. 0: as fast as it goes.",
        unit="KiB/s", ge=0, le=1_000_000,
    )  # fmt: skip

    @property
    def bytes_per_s(self) -> int:
        """How fast it may be sent to."""
        return self.speed_kib_s << 10

    @property
    def naming(self) -> tuple[str, str]:
        """Templates of the names of pictures and of all else."""
        return "picture", "{name}"

    @property
    def sends_films(self) -> bool:
        """Whether films are sent."""
        return False


class Notices(Common):
    """A target that hears of what is wrong."""

    least_severity: Severity = setting(
        Severity.WARNING, "Issues from",
        "Which issues it hears of: error, only what does not work; warning, also what works less well; info, all.",
    )  # fmt: skip

    def wants_notice(self, severity: Severity) -> bool:
        """Return whether an issue is grave enough."""
        order = (Severity.INFO, Severity.WARNING, Severity.ERROR)
        return order.index(severity) >= order.index(self.least_severity)


class Files(Pictures):
    """A target that keeps files under names."""

    films: bool = setting(True, "Films", "Send the films of each night.")
    picture_name: str = setting(
        "{night}/{name}", "Name of a picture",
        "Without its ending. Words in braces: night, name, date, time, number. Without any, like latest: replaced each time.",
        max_length=120,
    )  # fmt: skip
    product_name: str = setting(
        "{night}/{name}", "Name of keograms, star trails and films", "Without its ending. Words in braces: night, name.",
        max_length=120,
    )  # fmt: skip

    @field_validator("picture_name", "product_name")
    @classmethod
    def _names_a_file(cls, template: str) -> str:
        try:
            check_naming(template)
        except InputError as error:
            raise ValueError(str(error)) from error
        return template

    @field_validator("product_name")
    @classmethod
    def _tells_products_apart(cls, template: str) -> str:
        if "{name}" not in template:
            raise ValueError("needs {name}, or keogram and star trail would replace each other")
        return template

    @property
    def naming(self) -> tuple[str, str]:
        """Templates of the names of pictures and of all else."""
        return self.picture_name, self.product_name

    @property
    def sends_films(self) -> bool:
        """Whether films are sent."""
        return self.films


def host_field(help_: str = "Name or address of the computer.") -> str:
    """Return the field of a host name or address."""
    return setting("", "Host", help_, max_length=253, pattern=HOST)  # type: ignore[no-any-return]


def port_field(default: int, help_: str) -> int:
    """Return the field of a port."""
    return setting(default, "Port", help_, ge=1, le=65535)  # type: ignore[no-any-return]


def user_field() -> str:
    """Return the field of a user."""
    return setting("", "User", "As whom to log in.", max_length=100)  # type: ignore[no-any-return]


def address_field(help_: str) -> str:
    """Return the field of an https address."""
    return setting("", "Address", help_, max_length=400, pattern=r"^(https://[\x21-\x7e]+)?$")  # type: ignore[no-any-return]


def folder_field() -> str:
    """Return the field of a folder."""
    text = "Must be there; folders below it are made. Empty: where the login leads to."
    return setting("", "Folder", text, max_length=400)  # type: ignore[no-any-return]


def certificate_field() -> str:
    """Return the field of a certificate that is trusted."""
    return setting("", "Trusted certificate", _CERTIFICATE_HELP, max_length=16_000, kind="longtext")  # type: ignore[no-any-return]


class Checked(Common):
    """A target with TLS."""

    certificate: str = certificate_field()

    @field_validator("certificate")
    @classmethod
    def _is_a_certificate(cls, text: str) -> str:
        if text and not _PEM.match(text.strip()):
            raise ValueError("begins with -----BEGIN CERTIFICATE-----; paste one certificate, whole")
        return text.strip() + "\n" if text else ""
