"""Targets of uploads: where files go, which ones, under what names, and when. Their credentials lie sealed in the database."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from appliance.settings.indiallskytarget import IndiAllSkyTarget
from appliance.settings.nightjartarget import NightjarTarget
from appliance.settings.noticetargets import MailTarget, WebhookTarget
from appliance.settings.section import setting
from appliance.settings.servicetargets import MqttTarget, S3Target
from appliance.settings.targetparts import (
    Checked,
    Files,
    SecretField,
    address_field,
    folder_field,
    host_field,
    port_field,
    user_field,
)

MOST_TARGETS = 12


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
    host: str = host_field()
    port: int = port_field(22, "22 unless somebody has changed it there.")
    user: str = user_field()
    folder: str = folder_field()
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
    host: str = host_field()
    port: int = port_field(21, "21; for implicit TLS it is 990.")
    user: str = user_field()
    folder: str = folder_field()
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
    address: str = address_field(
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


_Any = SftpTarget | FtpTarget | WebTarget | NightjarTarget | IndiAllSkyTarget | S3Target | MqttTarget | WebhookTarget | MailTarget
Target = Annotated[_Any, Field(discriminator="kind")]
KINDS: dict[str, type[_Any]] = {
    "sftp": SftpTarget,
    "ftp": FtpTarget,
    "web": WebTarget,
    "nightjar": NightjarTarget,
    "indi-allsky": IndiAllSkyTarget,
    "s3": S3Target,
    "mqtt": MqttTarget,
    "webhook": WebhookTarget,
    "mail": MailTarget,
}
"""Every kind of target, by its word in the settings."""


def credential_name(target_id: str, secret: str) -> str:
    """Return the name under which a target's credential lies sealed."""
    return f"target.{target_id}.{secret}"
