"""Targets of uploads: where files go, which ones, under what names, and when. Their credentials lie sealed in the database."""

import re
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from appliance.domain.errors import InputError
from appliance.domain.naming import check_naming
from appliance.settings.section import Section, misfit, setting

MOST_TARGETS = 12
HOST = r"^[A-Za-z0-9._:-]*$"
_FOLDER = r"[A-Za-z0-9_][A-Za-z0-9 ._-]*"
_NUMERIC = re.compile(r"https://(\[|[0-9.]+(:|/|\Z))")
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

    id: str = Field(pattern=r"^[a-z0-9]{8}$", title="Id", description="Given once, and kept.")
    title: str = setting("", "Name", "How the panel calls it.", max_length=60)
    is_on: bool = setting(True, "On", "Off: nothing is sent, and what is new waits.")
    pictures: bool = setting(True, "Pictures", "Send the picture of each frame.")
    every_min: int = setting(
        0, "One picture in", "Send at most one picture in so many minutes. 0: every picture.", unit="min", ge=0, le=1440
    )
    products: bool = setting(True, "Keograms and star trails", "Send keogram and star trail each time they are saved.")
    speed_kib_s: int = setting(
        0, "Speed", "Send at most so fast, so that the line stays usable. 0: as fast as it goes.",
        unit="KiB/s", ge=0, le=1_000_000,
    )  # fmt: skip
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
    def naming(self) -> tuple[str, str]:
        """Templates of the names of pictures and of all else."""
        return "picture", "{name}"

    @property
    def sends_films(self) -> bool:
        """Whether films are sent."""
        return False

    @property
    def unsafe(self) -> str:
        """What is unsafe about it, for people; empty where nothing is."""
        return ""


class Files(Common):
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


def _host(help_: str = "Name or address of the computer.") -> str:
    return setting("", "Host", help_, max_length=253, pattern=HOST)  # type: ignore[no-any-return]


def _port(default: int, help_: str) -> int:
    return setting(default, "Port", help_, ge=1, le=65535)  # type: ignore[no-any-return]


def _user() -> str:
    return setting("", "User", "As whom to log in.", max_length=100)  # type: ignore[no-any-return]


def _address(help_: str) -> str:
    return setting("", "Address", help_, max_length=400, pattern=r"^(https://[\x21-\x7e]+)?$")  # type: ignore[no-any-return]


def _folder() -> str:
    text = "Must be there; folders below it are made. Empty: where the login leads to."
    return setting("", "Folder", text, max_length=400)  # type: ignore[no-any-return]


def _certificate() -> str:
    return setting("", "Trusted certificate", _CERTIFICATE_HELP, max_length=16_000, kind="longtext")  # type: ignore[no-any-return]


class Checked(Common):
    """A target with TLS."""

    certificate: str = _certificate()

    @field_validator("certificate")
    @classmethod
    def _is_a_certificate(cls, text: str) -> str:
        if text and not _PEM.match(text.strip()):
            raise ValueError("begins with -----BEGIN CERTIFICATE-----; paste one certificate, whole")
        return text.strip() + "\n" if text else ""


class SftpTarget(Files):
    """A folder on a computer with an SSH server."""

    title_of_kind: ClassVar[str] = "SFTP"
    about: ClassVar[str] = "A folder on any computer with an SSH server; the best choice where you have one."
    needed: ClassVar[tuple[str, ...]] = ("host", "user")
    secrets: ClassVar[tuple[SecretField, ...]] = (
        SecretField("password", "Password", "Not needed with a key."),
        SecretField("private_key", "Key", "A private key without a passphrase: Ed25519, ECDSA or RSA.", is_long=True),
    )

    kind: Literal["sftp"] = "sftp"
    host: str = _host()
    port: int = _port(22, "22 unless somebody has changed it there.")
    user: str = _user()
    folder: str = _folder()
    host_key: str = setting(
        "", "Host key",
        "Which key the computer must show, like ssh-ed25519 AAAA… Leave it empty and test: it is shown for you to confirm.",
        max_length=2000,
    )  # fmt: skip

    @property
    def place(self) -> str:
        """Where and as whom."""
        return f"sftp://{self.user}@{self.host}:{self.port}"


class FtpSecurity(StrEnum):
    """How an FTP server is spoken to."""

    EXPLICIT = "explicit"
    IMPLICIT = "implicit"
    NONE = "none"


class FtpTarget(Files, Checked):
    """A folder on an FTP server, with TLS."""

    title_of_kind: ClassVar[str] = "FTPS"
    about: ClassVar[str] = "A folder on an FTP server with TLS, as web hosters offer it."
    needed: ClassVar[tuple[str, ...]] = ("host", "user")
    secrets: ClassVar[tuple[SecretField, ...]] = (SecretField("password", "Password", "Of this user."),)

    kind: Literal["ftp"] = "ftp"
    host: str = _host()
    port: int = _port(21, "21; for implicit TLS it is 990.")
    user: str = _user()
    folder: str = _folder()
    security: FtpSecurity = setting(
        FtpSecurity.EXPLICIT, "TLS",
        "explicit is usual. none is unsafe: everybody on the way reads the password and may change the pictures.",
    )  # fmt: skip

    @property
    def place(self) -> str:
        """Where and as whom, and how safe the way is."""
        return f"ftp-{self.security}://{self.user}@{self.host}:{self.port}"

    @property
    def unsafe(self) -> str:
        """What is unsafe about it."""
        is_plain = self.security is FtpSecurity.NONE
        return "Password and pictures go over the network without encryption." if is_plain else ""


class WebMethod(StrEnum):
    """How a web server takes files."""

    WEBDAV = "webdav"
    PUT = "put"
    POST = "post"


class WebTarget(Files, Checked):
    """A web server: WebDAV, or plain PUT or POST."""

    title_of_kind: ClassVar[str] = "WebDAV or HTTPS"
    about: ClassVar[str] = "A cloud folder (Nextcloud, ownCloud), or a script of your own that takes PUT or POST."
    needed: ClassVar[tuple[str, ...]] = ("address",)
    secrets: ClassVar[tuple[SecretField, ...]] = (
        SecretField("password", "Password", "With the user above."),
        SecretField("token", "Token", "Sent as Authorization: Bearer, in place of user and password."),
    )

    kind: Literal["web"] = "web"
    address: str = _address(
        "Of the folder; a Nextcloud's is like https://cloud.example/remote.php/dav/files/ada/sky/ (its settings tell it)."
    )
    method: WebMethod = setting(
        WebMethod.WEBDAV,
        "Method",
        "webdav makes folders. put sends to the address and the name. post sends forms to the address.",
    )
    user: str = setting("", "User", "As whom to log in; empty for a token, or for none.", max_length=100)

    @property
    def place(self) -> str:
        """Where and as whom."""
        return f"web:{self.user}@{self.address}"


class Addressing(StrEnum):
    """Where a bucket's name stands in a request."""

    PATH = "path"
    HOST = "virtual-host"


class S3Target(Files, Checked):
    """A bucket of an object store."""

    title_of_kind: ClassVar[str] = "S3 object store"
    about: ClassVar[str] = "A bucket at Amazon S3 or another store that speaks as it does, also one of your own."
    needed: ClassVar[tuple[str, ...]] = ("endpoint", "region", "bucket", "key_id")
    secrets: ClassVar[tuple[SecretField, ...]] = (SecretField("secret_key", "Secret key", "Of the access key above."),)

    kind: Literal["s3"] = "s3"
    endpoint: str = setting(
        "", "Endpoint", "Of the store, without the bucket, like https://s3.eu-central-1.amazonaws.com (its provider tells it).",
        max_length=400, pattern=r"^(https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?)?$",
    )  # fmt: skip
    region: str = setting(
        "us-east-1", "Region", "As the store tells it, like eu-central-1; many stores of one's own take us-east-1.",
        max_length=40, pattern=r"^[a-z0-9-]*$",
    )  # fmt: skip
    bucket: str = setting(
        "", "Bucket", "Must be there; small letters, digits, dots and -.", max_length=63,
        pattern=r"^([a-z0-9][a-z0-9.-]+[a-z0-9])?$",
    )  # fmt: skip
    prefix: str = setting(
        "", "Prefix", "Folder in the bucket, like sky/roof; it is made by itself. Empty: the bucket's top.",
        max_length=200, pattern=rf"^({_FOLDER}(/{_FOLDER})*)?$",
    )  # fmt: skip
    addressing: Addressing = setting(
        Addressing.PATH, "Addressing",
        "path asks the endpoint for /bucket/name. virtual-host asks bucket.endpoint for /name, as some stores want it.",
    )  # fmt: skip
    storage_class: str = setting(
        "", "Storage class", "Like STANDARD_IA. Empty: the store's usual one.", max_length=40, pattern=r"^[A-Za-z0-9_-]*$"
    )
    key_id: str = setting(
        "",
        "Access key id",
        "The public part of the access key: as whom to sign.",
        max_length=128,
        pattern=r"^[A-Za-z0-9._@+=-]*$",
    )

    @model_validator(mode="after")
    def _bucket_can_be_part_of_a_name(self) -> Self:
        if self.addressing is Addressing.HOST:
            if "." in self.bucket:
                raise misfit("bucket", "has dots, for which no certificate fits: choose the addressing path")
            if _NUMERIC.match(self.endpoint):
                raise misfit("addressing", "must be path where the endpoint is an address of numbers")
        return self

    @property
    def place(self) -> str:
        """Where and as whom; the secret key itself is never sent, so that the bucket may change."""
        return f"s3:{self.key_id}@{self.endpoint}"


Target = Annotated[SftpTarget | FtpTarget | WebTarget | S3Target, Field(discriminator="kind")]
KINDS: dict[str, type[SftpTarget | FtpTarget | WebTarget | S3Target]] = {
    "sftp": SftpTarget,
    "ftp": FtpTarget,
    "web": WebTarget,
    "s3": S3Target,
}
"""Every kind of target, by its word in the settings."""


def credential_name(target_id: str, secret: str) -> str:
    """Return the name under which a target's credential lies sealed."""
    return f"target.{target_id}.{secret}"
