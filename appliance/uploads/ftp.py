"""TARGET: a folder on an FTP server, with TLS on both connections (RFC 4217); without only where an admin has said so."""

import ftplib
import posixpath
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from appliance.domain.errors import UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.settings.targets import FtpSecurity
from appliance.uploads.faults import DEADLINE_S, told, wrong_length
from appliance.uploads.port import Progress
from appliance.uploads.trust import context_of, untrusted

CHUNK = 32 << 10
_CHECK = "nightjar-check.txt"
_CODE = re.compile(r"\d{3}")
_LOGIN = {"430", "530", "532"}
_FULL = {"452", "552"}
_RIGHT = {"550", "553"}


@dataclass(frozen=True, slots=True)
class FtpPlace:
    """Where, how, and as whom."""

    host: str
    port: int
    user: str
    folder: str
    """Must exist; folders below it are made. Empty for where the login leads to."""
    security: FtpSecurity
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    password: Secret[str] | None = None


class FtpTarget:
    """A folder on an FTP server; see `Target`."""

    def __init__(self, place: FtpPlace) -> None:
        self._place = place
        self._ftp: ftplib.FTP | None = None
        self._home = ""
        self._known_folders: set[str] = set()

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Bring a file there under another name, compare its length, and rename it over what lay there."""
        _check_name(name)
        with _told():
            ftp = self._connected()
            folder, base = posixpath.split(name)
            self._make_folders(ftp, folder, progress)
            path = posixpath.join(self._home, name)
            part = posixpath.join(posixpath.dirname(path), f"upload-{base}")
            self._store(ftp, part, file, progress)
            found = _size_of(ftp, part)
            if found is not None and found != size:
                raise wrong_length(found, size)
            _rename(ftp, part, path)

    def check(self) -> None:
        """Connect, log in, write a small file and remove it."""
        with _told():
            ftp = self._connected()
            path = posixpath.join(self._home, _CHECK)
            self._store(ftp, path, BytesIO(b"Nightjar\n" * 1000), lambda _: None)
            with _told(Fault.RIGHT):
                ftp.delete(path)

    def close(self) -> None:
        """Hang up."""
        ftp, self._ftp = self._ftp, None
        self._known_folders.clear()
        if ftp is not None:
            ftp.close()

    def _connected(self) -> ftplib.FTP:
        if self._ftp is None:
            ftp = _client(self._place)
            try:
                _log_in(ftp, self._place)
                with _told(Fault.PATH):
                    if self._place.folder:
                        ftp.cwd(self._place.folder)
                    self._home = ftp.pwd()
            except BaseException:
                ftp.close()
                raise
            self._ftp = ftp
        return self._ftp

    def _make_folders(self, ftp: ftplib.FTP, below: str, progress: Progress) -> None:
        if below in self._known_folders:
            return
        path = self._home
        for part in filter(None, below.split("/")):
            progress(0)
            path = posixpath.join(path, part)
            try:
                ftp.mkd(path)
            except ftplib.error_perm:  # it is there, or may not be made: the answers do not tell these apart
                with _told(Fault.RIGHT):
                    ftp.cwd(path)
        self._known_folders.add(below)

    def _store(self, ftp: ftplib.FTP, path: str, file: BinaryIO, progress: Progress) -> None:
        """Write a file; what is refused here is refused for the place, which is known to be there."""
        with _told(Fault.RIGHT):
            ftp.voidcmd("TYPE I")
            data = ftp.transfercmd(f"STOR {path}")
            with data:
                data.settimeout(DEADLINE_S)
                sent = 0
                while chunk := file.read(CHUNK):
                    data.sendall(chunk)
                    sent += len(chunk)
                    progress(sent)
                if isinstance(data, ssl.SSLSocket):
                    with suppress(OSError):  # its end is told by TLS, too, or a whole file could not be told from a cut one
                        data.unwrap()
            ftp.voidresp()


class _Tls(ftplib.FTP_TLS):
    """A client whose data connections go on with the session of the first one, as servers ask for, and to no other host."""

    def __init__(self, place: FtpPlace) -> None:
        super().__init__(timeout=DEADLINE_S, context=context_of(place.certificate), encoding="utf-8")
        self._place = place

    def auth(self) -> str:
        """Begin TLS, checked; tell what the server shows where it is not trusted."""
        try:
            return super().auth()
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise untrusted(error, self._place.host, self._place.port, _ask_for_tls) from error

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """Open a data connection with TLS."""
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - wrapped below
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        try:
            return self.context.wrap_socket(plain, server_hostname=self.host, session=session), size
        except BaseException:
            plain.close()
            raise


class _ImplicitTls(_Tls):
    """A client that speaks TLS from the first byte."""

    def connect_implicitly(self) -> None:
        """Connect."""
        self.host, self.port = self._place.host, self._place.port
        plain = socket.create_connection((self.host, self.port), timeout=DEADLINE_S)
        try:
            self.sock = self.context.wrap_socket(plain, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(error, self.host, self.port) from error
        finally:
            plain.close()  # wrapped, it has been taken over and this does nothing
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()


def _client(place: FtpPlace) -> ftplib.FTP:
    """Connect; raises what the library and the system say."""
    made: ftplib.FTP
    if place.security is FtpSecurity.NONE:
        made = ftplib.FTP(timeout=DEADLINE_S, encoding="utf-8")  # noqa: S321 - where an admin has said so, and told everywhere
    else:
        made = (_Tls if place.security is FtpSecurity.EXPLICIT else _ImplicitTls)(place)
    try:
        if isinstance(made, _ImplicitTls):
            made.connect_implicitly()
        else:
            made.connect(place.host, place.port)
    except BaseException:
        made.close()
        raise
    return made


def _log_in(ftp: ftplib.FTP, place: FtpPlace) -> None:
    """Log in; with TLS never before it has begun."""
    if place.security is FtpSecurity.EXPLICIT and isinstance(ftp, _Tls):
        try:
            ftp.auth()
        except ftplib.error_perm as error:
            raise UploadError(Fault.BROKEN, f"the server offers no TLS: {error}") from error
    ftplib.FTP.login(ftp, place.user, place.password.reveal() if place.password else "")  # noqa: S321 - TLS has begun, or is not wanted
    if isinstance(ftp, _Tls):
        ftp.prot_p()


def _ask_for_tls(plain: socket.socket) -> None:
    """Say on a plain connection what has to be said before TLS begins."""
    with plain.makefile("rb") as heard:
        heard.readline(1000)
        plain.sendall(b"AUTH TLS\r\n")
        heard.readline(1000)


def _check_name(name: str) -> None:
    if any(sign in name for sign in "\r\n\0"):
        raise UploadRefusedError("The name holds signs that cannot be sent.")


def _size_of(ftp: ftplib.FTP, path: str) -> int | None:
    try:
        return ftp.size(path)
    except ftplib.error_perm:  # not every server tells
        return None


def _rename(ftp: ftplib.FTP, part: str, path: str) -> None:
    try:
        ftp.rename(part, path)
    except ftplib.error_perm:  # some servers replace nothing
        with suppress(ftplib.error_perm):
            ftp.delete(path)
        with _told(Fault.RIGHT):
            ftp.rename(part, path)


@contextmanager
def _told(refused: Fault = Fault.BROKEN) -> Iterator[None]:
    """Turn what the library and the system say into our faults; `refused` is what a plain no means here."""
    try:
        with told():
            yield
    except (ftplib.error_perm, ftplib.error_temp) as error:
        found = _CODE.match(str(error))
        code = found.group() if found else ""
        fault = Fault.LOGIN if code in _LOGIN else Fault.FULL if code in _FULL else refused if code in _RIGHT else Fault.BROKEN
        raise UploadError(fault, str(error)[:200]) from error
    except ftplib.Error as error:
        raise UploadError(Fault.BROKEN, f"no answer that could be understood: {error}"[:200]) from error
