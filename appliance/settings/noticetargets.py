"""Targets that hear of what is wrong: webhooks and mail."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import field_validator

from appliance.domain.fault import Fault, Words
from appliance.settings.section import setting
from appliance.settings.targetparts import Checked, Notices, SecretField, address_field, host_field, port_field


class WebhookFormat(StrEnum):
    """What a webhook's receiver understands."""

    JSON = "json"
    SLACK = "slack"
    DISCORD = "discord"
    GOTIFY = "gotify"
    NTFY = "ntfy"


class WebhookTarget(Notices, Checked):
    """An address that takes notices by POST."""

    title_of_kind: ClassVar[str] = "Webhook"
    about: ClassVar[str] = "Tells a program or a chat of yours what is wrong, and when it is well again."
    needed: ClassVar[tuple[str, ...]] = ("address",)
    secrets: ClassVar[tuple[SecretField, ...]] = (
        SecretField(
            "path", "Secret part of the address",
            "What follows the address, as chats hand it out: whoever knows it may post. It is stored sealed.",
        ),
        SecretField("secret", "Signature key", "Signs what is sent, so that your program knows whose it is; see the manual."),
        SecretField("token", "Token", "Sent as Authorization: Bearer."),
    )  # fmt: skip
    test: ClassVar[str] = "Posts a notice with the event test."
    tested: ClassVar[str] = "A test notice was posted and taken."
    words: ClassVar[Mapping[Fault, Words]] = {
        Fault.NAME: Words("No computer of this name is known.", "Check Address, and this appliance's network."),
        Fault.PORT: Words("The computer is there, but nothing listens on this port.", "Check the port in Address."),
        Fault.SILENT: Words("The computer does not answer.", "Check Address; a firewall may be in between."),
        Fault.LOGIN: Words("The credentials are refused.", "Enter Token again, and the secret part of the address."),
        Fault.PATH: Words("There is nothing at this address.", "Check Address and its secret part."),
        Fault.RIGHT: Words("The receiver does not take the notice.", "Check Format, Token and Signature key."),
        Fault.FULL: Words("There is no room left on the other side.", "Remove something there."),
    }

    kind: Literal["webhook"] = "webhook"
    address: str = address_field("Where to post. What must stay secret of it has a field of its own below.")
    format: WebhookFormat = setting(
        WebhookFormat.JSON,
        "Format",
        "json for a program of your own. slack is also for Mattermost and Rocket.Chat. gotify and ntfy are push services.",
    )

    @property
    def place(self) -> str:
        """Where to."""
        return f"webhook:{self.address}"


class MailSecurity(StrEnum):
    """How a mail server is spoken to."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9_+~][A-Za-z0-9._+=~-]{0,63}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?\Z")
_MOST_RECIPIENTS = 10


class MailTarget(Notices, Checked):
    """A mail server that takes notices for people."""

    title_of_kind: ClassVar[str] = "Mail"
    about: ClassVar[str] = "Writes you a mail when something is wrong, and when it is well again."
    needed: ClassVar[tuple[str, ...]] = ("host", "sender", "recipients")
    secrets: ClassVar[tuple[SecretField, ...]] = (
        SecretField("password", "Password", "Of this user; many providers want an app password."),
    )
    test: ClassVar[str] = "Sends a test mail."
    tested: ClassVar[str] = "A test mail was handed over. Look whether it has arrived."
    words: ClassVar[Mapping[Fault, Words]] = {
        Fault.SILENT: Words(
            "The mail server does not answer.",
            "Check Host, Port and TLS: implicit goes with 465, starttls with 587; a firewall may be in between.",
        ),
        Fault.LOGIN: Words("Name or password are refused.", "Check User, and enter Password again; it may be an app password."),
        Fault.RIGHT: Words("Sender or recipient is refused.", "Check From and To; From mostly has to be the user's own address."),
        Fault.FULL: Words("The mailbox is full.", "Make room in the mailbox of To."),
        Fault.BROKEN: Words(
            "The connection broke.",
            "It is tried again by itself. If it stays so, check Port and TLS: implicit goes with 465, starttls with 587.",
        ),
    }

    kind: Literal["mail"] = "mail"
    host: str = host_field("Name of the mail server for sending (SMTP), like smtp.example.net.")
    port: int = port_field(465, "465 for implicit TLS, 587 for starttls.")
    security: MailSecurity = setting(
        MailSecurity.IMPLICIT, "TLS",
        "implicit or starttls, as your provider says. none is unsafe: everybody on the way reads the password and the mail.",
    )  # fmt: skip
    user: str = setting("", "User", "As whom to log in; empty where the server asks for no login.", max_length=100)
    sender: str = setting("", "From", "The address that the mail comes from, mostly your own.", max_length=320)
    recipients: str = setting("", "To", "Who gets the mail: one address, or several with commas between.", max_length=1000)

    @field_validator("sender")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        if text and not _MAIL_ADDRESS.match(text):
            raise ValueError("must be an address like ada@example.net")
        return text

    @field_validator("recipients")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        found = [word.strip() for word in text.split(",")] if text.strip() else []
        if len(found) > _MOST_RECIPIENTS or not all(_MAIL_ADDRESS.match(word) for word in found):
            raise ValueError(f"must be up to {_MOST_RECIPIENTS} addresses like ada@example.net, with commas between")
        return ", ".join(dict.fromkeys(found))

    @property
    def recipient_list(self) -> tuple[str, ...]:
        """Every recipient's address."""
        return tuple(self.recipients.split(", "))

    @property
    def place(self) -> str:
        """Where and as whom, and how safe the way is."""
        return f"smtp-{self.security}://{self.user}@{self.host}:{self.port}"

    @property
    def unsafe(self) -> str:
        """What is unsafe about it."""
        is_plain = self.security is MailSecurity.NONE
        return "Password and mail go over the network without encryption." if is_plain else ""
