"""Whom a target is taken for: the public authorities, or the one certificate that an admin has trusted for it.

There is no way round the check. A trusted certificate is either the server's own (pinned: it and nothing else is taken,
whatever name it was made for) or that of an authority (which signs for the names that it signs for). Both end with
their validity.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from appliance.domain.errors import InputError, UploadError
from appliance.domain.fault import Fault
from appliance.security.trusted import LONGEST_PEM, host_for, read_certificate
from appliance.uploads.faults import DEADLINE_S, told

LOOK_S = 30.0
"""The longest that a server may take to show its certificate."""
Introduce = Callable[[socket.socket], None]
"""Says on a plain connection what has to be said before TLS begins there; raises OSError or UploadError."""


class Patient(ssl.SSLSocket):
    """A connection on which an answer has to be there in all by a certain time: one that drips is no answer."""

    until_s: float | None = None
    """Monotonic; None for no such time."""

    def recv_into(self, *args: Any, **keywords: Any) -> int:  # noqa: ANN401 - as its parent
        """Receive; raises TimeoutError when the time is over."""
        _hurry(self, self.until_s)
        return super().recv_into(*args, **keywords)


class PatientPlain(socket.socket):
    """The same before TLS has begun there."""

    until_s: float | None = None

    def recv_into(self, *args: Any, **keywords: Any) -> int:  # noqa: ANN401 - as its parent
        """Receive; raises TimeoutError when the time is over."""
        _hurry(self, self.until_s)
        return super().recv_into(*args, **keywords)


def _hurry(waiting: socket.socket, until_s: float | None) -> None:
    if until_s is not None:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer took too long")
        waiting.settimeout(min(DEADLINE_S, left_s))


class _Pinned(ssl.SSLContext):
    """Takes one certificate, under the name that it was made for: the name by which we reach it does not matter then."""

    name = ""

    def wrap_socket(self, *args: Any, **keywords: Any) -> ssl.SSLSocket:  # noqa: ANN401 - as its parent
        """Check the certificate for its own name."""
        return super().wrap_socket(*args, **{**keywords, "server_hostname": self.name})


def context_of(certificate: str) -> ssl.SSLContext:
    """Return how a server is checked.

    Parameters
    ----------
    certificate : str
        PEM of the certificate that an admin has trusted; empty for the public authorities.

    Raises
    ------
    UploadError
        If the certificate cannot be used: it is not sent without.
    """
    if not certificate:
        return _bounded(ssl.create_default_context())
    try:
        shown = read_certificate(certificate)
        if shown.is_authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        else:
            context = _Pinned(ssl.PROTOCOL_TLS_CLIENT)
            context.name = host_for(shown)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=certificate)
    except (InputError, ssl.SSLError) as error:
        raise UploadError(Fault.CERTIFICATE, f"The trusted certificate cannot be read: {error}") from error
    return _bounded(context)


def _bounded(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sslsocket_class = Patient
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect_plain(host: str, port: int, until_s: float) -> PatientPlain:
    """Connect without TLS, which begins later; what is heard has to be there by a time. Raises OSError."""
    plain = PatientPlain(fileno=socket.create_connection((host, port), timeout=DEADLINE_S).detach())
    plain.settimeout(DEADLINE_S)
    plain.until_s = until_s
    return plain


def connect(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect with TLS from the first byte; every wait has a deadline.

    Raises
    ------
    UploadError
        For a certificate that is not trusted with the one that was shown.
    """
    with told():
        plain = socket.create_connection((host, port), timeout=DEADLINE_S)
        # A head and its body are two writes: without this the second waits for the other side's delayed acknowledgement.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(error, host, port) from error
        finally:
            plain.close()  # wrapped, it has been taken over and this does nothing


def untrusted(error: ssl.SSLCertVerificationError, host: str, port: int, introduce: Introduce | None = None) -> UploadError:
    """Return the fault of a certificate that was refused, with what the server shows, for a person to look at."""
    return UploadError(Fault.CERTIFICATE, error.verify_message, shown=certificate_of(host, port, introduce))


def certificate_of(host: str, port: int, introduce: Introduce | None = None) -> str:
    """Return the certificate that a server shows, as PEM; nothing is sent to it, and nothing else is learned of it.

    Raises
    ------
    UploadError
        If it shows none.
    """
    with told(), connect_plain(host, port, time.monotonic() + LOOK_S) as plain:
        if introduce is not None:
            introduce(plain)
        with _looking().wrap_socket(plain, server_hostname=host) as seen:
            shown = seen.getpeercert(binary_form=True)
    if not shown:
        raise UploadError(Fault.BROKEN, "no certificate was shown")
    return ssl.DER_cert_to_PEM_cert(shown)


def authority_of(host: str, port: int, path: str, fingerprint: str) -> str:
    """Return the certificate, as PEM, of a server's own authority, if it is the one that a person has named.

    The server is asked for it before it can be checked, so nothing but the question is sent; what comes back is worth
    nothing unless its SHA-256 is the fingerprint.

    Parameters
    ----------
    host : str
    port : int
    path : str
        Where the server offers it.
    fingerprint : str
        SHA-256, in pairs of hexadecimal digits.

    Raises
    ------
    UploadError
        With the fingerprint that was found, where it is another one.
    """
    ask = f"GET {path} HTTP/1.1\r\nHost: {f'[{host}]' if ':' in host else host}:{port}\r\nConnection: close\r\n\r\n"
    with (
        told(),
        connect_plain(host, port, time.monotonic() + LOOK_S) as plain,
        _looking().wrap_socket(plain, server_hostname=host) as seen,
    ):
        if isinstance(seen, Patient):
            seen.until_s = time.monotonic() + DEADLINE_S
        seen.sendall(ask.encode("ascii"))
        pem = _body_of(seen)
    try:
        shown = read_certificate(pem)
    except InputError as error:
        raise UploadError(Fault.PATH, f"{path}: there is no authority's certificate; is it a Nightjar?") from error
    if shown.fingerprint != fingerprint or not shown.is_authority:
        raise UploadError(Fault.CERTIFICATE, f"Its authority shows {shown.fingerprint}; compare that with Fingerprint.")
    return pem


def _body_of(seen: socket.socket) -> str:
    """Return the text that a server answers; empty where it has none."""
    response = http.client.HTTPResponse(seen)
    try:
        response.begin()
        body = response.read(LONGEST_PEM)
        if response.length and len(body) < LONGEST_PEM:  # read() takes what a cut has left for the whole
            raise http.client.IncompleteRead(body, response.length)
        return body.decode("ascii", "replace") if response.status == http.HTTPStatus.OK else ""
    except http.client.HTTPException as error:
        raise UploadError(Fault.BROKEN, "no answer that could be understood") from error


def _looking() -> ssl.SSLContext:
    """Return how a server is looked at that nobody trusts yet: the only place that checks nothing."""
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.sslsocket_class = Patient
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE  # to show a person what is to be trusted, it must be seen first
    return looking
