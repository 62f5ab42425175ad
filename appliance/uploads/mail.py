"""TARGET: a mail server (RFC 6409), with TLS from the first byte or by STARTTLS; without only where an admin has said so."""

import base64
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import BinaryIO, NoReturn, Self

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.notice import LARGEST, Notice, from_json
from appliance.domain.secret import Secret
from appliance.settings.noticetargets import MailSecurity
from appliance.uploads.faults import DEADLINE_S, told
from appliance.uploads.port import Progress, Sender, trial_notice
from appliance.uploads.trust import Patient, connect, connect_plain, context_of, untrusted

MAIL_S = 60.0
"""The longest that a server may take for one mail in all, from the connection to its last word."""
LARGEST_ANSWERS = 64 << 10
"""Bytes that it may say meanwhile."""
_POLICY = SMTP.clone(cte_type="7bit")
_LOGIN = {530, 534, 535, 538}
_FULL = {452, 552}
_GO_ON, _LET_IN = 334, 235


@dataclass(frozen=True, slots=True)
class MailPlace:
    """Where, how, as whom, from whom and to whom."""

    host: str
    port: int
    security: MailSecurity
    user: str
    """Empty for no login."""
    sender: str
    recipients: tuple[str, ...]
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    password: Secret[str] | None = None


class MailTarget:
    """A mail server; see `Target`. No connection is kept: the next notice may be days away."""

    def __init__(self, place: MailPlace, sender: Callable[[], Sender]) -> None:
        self._place, self._sender = place, sender

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Send one mail."""
        try:
            notice = from_json(file.read(LARGEST))
        except InputError as error:
            raise UploadRefusedError(f"{name} is no notice.") from error
        self._send(notice, lambda: progress(0))
        progress(size)

    def check(self) -> None:
        """Send a mail that is a test."""
        self._send(trial_notice(self._sender(), time.time()), lambda: None)

    def close(self) -> None:
        """Nothing is held."""

    def _send(self, notice: Notice, beat: Callable[[], None]) -> None:
        place = self._place
        message = message_of(notice, place.sender, place.recipients)
        with _told(), _Smtp(place) as smtp:
            smtp.reach()
            beat()
            smtp.enter()
            beat()
            missed = smtp.send_message(message, place.sender, place.recipients)
        if missed:
            words = "; ".join(f"{who}: {_words(code, said)}" for who, (code, said) in missed.items())
            raise UploadRefusedError(f"The others have it, but it was not taken for {words}")


def message_of(notice: Notice, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """Return a notice as a mail in plain text."""
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = f"[{notice.origin.site}] {notice.title}"
    message["From"], message["To"] = sender, ", ".join(recipients)
    message["Date"] = format_datetime(notice.at)
    message["Message-ID"] = f"<{notice.id}.{notice.origin.device_id.lower()}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday reply is wanted
    message.set_content("\n".join(_lines(notice)) + "\n")
    return message


def _lines(notice: Notice) -> Iterator[str]:
    yield notice.text
    yield ""
    if notice.issue is not None:
        yield f"Severity: {notice.issue.severity}"
        yield f"Since: {notice.issue.since:%Y-%m-%d %H:%M:%S} UTC"
    if notice.health is not None:
        yield f"Open issues: {notice.health.open}"
    if notice.origin.panel:
        yield f"Panel: {notice.origin.panel}"
    yield f"Nightjar {notice.origin.device_id}"


class _Smtp(smtplib.SMTP):
    """A connection whose server has a minute for all that it says."""

    def __init__(self, place: MailPlace) -> None:
        super().__init__(local_hostname="localhost", timeout=DEADLINE_S)
        self._place, self._host = place, place.host  # the second is the name that STARTTLS checks
        self._until_s = time.monotonic() + MAIL_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Take leave where all is well; whatever is said to that, the mail has gone."""
        if kind is None:
            with suppress(smtplib.SMTPException, OSError):
                self.docmd("QUIT")
        self.close()

    def reach(self) -> None:
        """Connect, and begin TLS as the place says."""
        code, said = self.connect(self._place.host, self._place.port)
        if code != 220:
            _refused(code, said)
        self.local_hostname = _literal(self.sock)
        self.ehlo_or_helo_if_needed()
        if self._place.security is MailSecurity.STARTTLS:
            self._begin_tls()
            self.ehlo_or_helo_if_needed()

    def enter(self) -> None:
        """Log in, if somebody is to: once, for a second try with the same password would only lock the account sooner."""
        if not self._place.user:
            return
        user, password = self._place.user.encode(), self._place.password.reveal().encode() if self._place.password else b""
        offered = str(self.esmtp_features.get("auth", "")).upper().split()
        if "PLAIN" in offered:  # RFC 4616
            code, said = self.docmd("AUTH", f"PLAIN {_base64(b'%c%b%c%b' % (0, user, 0, password))}")
        elif "LOGIN" in offered:
            code, said = self.docmd("AUTH", "LOGIN")
            for word in (user, password):
                if code == _GO_ON:
                    code, said = self.docmd(_base64(word))
        else:
            raise UploadError(Fault.LOGIN, "the server takes no login by name and password here")
        if code != _LET_IN:
            raise UploadError(Fault.LOGIN if code >= 500 else Fault.BROKEN, _words(code, said))

    def getreply(self) -> tuple[int, bytes]:
        """Hear an answer, of bounded length."""
        if self.file is None and self.sock is not None:
            self.file = _Heard(self.sock)
        return super().getreply()

    def _begin_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise UploadError(Fault.BROKEN, "the server offers no TLS")
        try:
            self.starttls(context=context_of(self._place.certificate))
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise untrusted(error, self._place.host, self._place.port, _ask_for_tls) from error
        if isinstance(self.sock, Patient):
            self.sock.until_s = self._until_s

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        """Connect, as the parent asks."""
        if self._place.security is not MailSecurity.IMPLICIT:
            return connect_plain(host, port, self._until_s)
        made = connect(host, port, context_of(self._place.certificate))
        if isinstance(made, Patient):
            made.until_s = self._until_s
        return made


class _Heard:
    """What a server says, line by line, up to a bound."""

    def __init__(self, sock: socket.socket) -> None:
        self._file, self._left = sock.makefile("rb"), LARGEST_ANSWERS

    def readline(self, limit: int) -> bytes:
        """Return the next line."""
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise ConnectionAbortedError("the server says too much")
        return line

    def close(self) -> None:
        """Hear no more."""
        self._file.close()


def _ask_for_tls(plain: socket.socket) -> None:
    """Say on a plain connection what has to be said before TLS begins."""
    with plain.makefile("rb") as heard:
        for command in (b"", b"EHLO localhost\r\n", b"STARTTLS\r\n"):
            plain.sendall(command)
            while heard.readline(1000)[3:4] == b"-":
                pass


def _base64(word: bytes) -> str:
    return base64.b64encode(word).decode()


def _literal(sock: "socket.socket | None") -> str:
    """Return our address as RFC 5321 has it for a computer without a name of its own."""
    address = sock.getsockname()[0] if sock is not None else "127.0.0.1"
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


def _words(code: int, said: bytes | str) -> str:
    text = " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())
    return f"{code} {text}"[:200]


def _refused(code: int, said: bytes | str) -> NoReturn:
    """Raise the fault that an answer tells of."""
    fault = Fault.LOGIN if code in _LOGIN else Fault.FULL if code in _FULL else Fault.RIGHT if 500 <= code < 600 else Fault.BROKEN
    raise UploadError(fault, _words(code, said))


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the library and the system say into our faults."""
    with told():
        try:
            yield
        except smtplib.SMTPRecipientsRefused as error:
            _refused(*min(error.recipients.values(), key=lambda answer: answer[0]))
        except smtplib.SMTPDataError as error:
            if error.smtp_code not in _FULL and error.smtp_code >= 500:
                raise UploadRefusedError(
                    f"The server does not take the mail: {_words(error.smtp_code, error.smtp_error)}"
                ) from error
            _refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPResponseException as error:
            _refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPException as error:
            _broken(error)


def _broken(error: smtplib.SMTPException) -> NoReturn:
    """Raise the fault beneath an error of the library: it says of a silent server only that it hung up."""
    if isinstance(error.__context__, OSError):
        raise error.__context__
    raise UploadError(Fault.BROKEN, f"no answer that could be understood: {error}"[:200]) from error
