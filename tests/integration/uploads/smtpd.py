"""A real mail server, aiosmtpd, with TLS and logins, which remembers what it took."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.integration.uploads.certificates import Issued

USER, PASSWORD = "ada", "transit of Venus"


@dataclass
class Taken:
    """One mail, with what was said around it."""

    sender: str
    recipients: list[str]
    login: object
    over_tls: bool
    message: EmailMessage
    raw: bytes


@dataclass
class Smtpd:
    """The server, and what it has."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    logins: list[tuple[str, bool]] = field(default_factory=list)
    """Names that were tried, and whether over TLS."""
    refuses: dict[str, str] = field(default_factory=dict)
    """What it answers to a recipient, to `MAIL`, or to `DATA`, in place of taking it."""

    async def handle_MAIL(self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a sender."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return self.refuses.get("MAIL", "250 OK")

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a recipient."""
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        if "DATA" in self.refuses:
            return self.refuses["DATA"]
        raw: Any = envelope.content
        message = message_from_bytes(raw, policy=default)
        assert isinstance(message, EmailMessage)
        over_tls = _is_tls(server)
        self.taken.append(Taken(str(envelope.mail_from), envelope.rcpt_tos, session.auth_data, over_tls, message, raw))
        return "250 OK"


def _is_tls(server: SMTP) -> bool:
    return server.transport is not None and server.transport.get_extra_info("sslcontext") is not None


@contextmanager
def smtpd(issued: Issued, tls: str, *, offers_plain: bool = True) -> Iterator[Smtpd]:
    """Serve mail; `tls` is `implicit`, `starttls`, and then nothing goes without, or `none`."""
    there = Smtpd()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)

    def let_in(server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        there.logins.append((data.login.decode(), _is_tls(server)))
        is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False, auth_data=data.login)

    def serve() -> SMTP:
        return SMTP(
            there,
            hostname="mail.example",
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            auth_require_tls=tls == "starttls",
            auth_exclude_mechanism=[] if offers_plain else ["PLAIN"],
            authenticator=let_in,
            loop=loop,
        )

    async def begin() -> asyncio.Server:
        return await loop.create_server(serve, "127.0.0.1", 0, ssl=context if tls == "implicit" else None)

    async def end(server: asyncio.Server) -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # a client that does not trust us hangs up in mid-handshake
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
