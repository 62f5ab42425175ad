"""TARGET: a folder on an SSH server. Its host key is pinned; every wait has a deadline.

pysftp's connection would wait without an end for a host that swallows packets, takes the first host key that a file names,
reads keys from the user's own folder, and knows RSA only; the parts of it that do so are replaced here (decision 0901).
"""

import contextlib
import io
import logging
import posixpath
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

import paramiko
import pysftp
from paramiko.hostkeys import HostKeyEntry

from appliance.domain.errors import InputError, UploadError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.uploads.faults import DEADLINE_S, told, wrong_length
from appliance.uploads.port import Progress

log = logging.getLogger(__name__)
logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it writes tracebacks of what is told to people here

CHUNK = 32 << 10
"""What every server takes in one message."""
_CHECK = ".nightjar-check"
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_KEYS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """Where, and as whom."""

    host: str
    port: int
    user: str
    folder: str
    """Must exist; folders below it are made."""
    host_key: str
    """As `ssh-keyscan` writes it, without the name: `ssh-ed25519 AAAA...`; empty while none was confirmed."""
    password: Secret[str] | None = None
    private_key: Secret[str] | None = None
    """PEM or OpenSSH's own form, without a passphrase."""


class SftpTarget:
    """A folder on an SSH server; see `Target`."""

    def __init__(self, place: SftpPlace) -> None:
        self._place = place
        self._connection: _Connection | None = None
        self._known_folders: set[str] = set()

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Bring a file there under a temporary name, compare its length, and rename it over what lay there."""
        with _told():
            sftp = self._sftp()
            path = posixpath.join(self._place.folder, name)
            self._make_folders(sftp, posixpath.dirname(name))
            part = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.part")
            try:
                self._write(sftp, part, file, progress)
                found = sftp.stat(part).st_size
                if found != size:
                    raise wrong_length(found or 0, size)
                _rename(sftp, part, path)
            except UploadError as error:
                if error.fault is not Fault.BROKEN:
                    with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
                        sftp.remove(part)
                raise

    def check(self) -> None:
        """Connect, log in, write a small file and remove it."""
        path = posixpath.join(self._place.folder, _CHECK)
        with _told():
            sftp = self._sftp()
            sftp.stat(self._place.folder)
            self._write(sftp, path, io.BytesIO(b"Nightjar\n" * 1000), lambda _: None)
            sftp.remove(path)

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        self._known_folders.clear()
        if connection is not None:
            with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
                connection.close()

    def _sftp(self) -> paramiko.SFTPClient:
        if self._connection is None:
            self._connection = _connect(self._place)
        client: paramiko.SFTPClient = self._connection.sftp_client
        return client

    def _make_folders(self, sftp: paramiko.SFTPClient, below: str) -> None:
        """Make the folders below the target's own, which must be there: else a typing error would make a tree."""
        if below in self._known_folders:
            return
        sftp.stat(self._place.folder)
        path = self._place.folder
        for part in filter(None, below.split("/")):
            path = posixpath.join(path, part)
            try:
                sftp.mkdir(path)
            except OSError:  # OpenSSH says of a folder that is there nothing but "Failure"
                sftp.stat(path)
        self._known_folders.add(below)

    def _write(self, sftp: paramiko.SFTPClient, path: str, file: BinaryIO, progress: Progress) -> None:
        with sftp.open(path, "wb", bufsize=0) as remote:
            remote.set_pipelined(True)
            sent = 0
            with self._told_of_writing():
                while chunk := file.read(CHUNK):
                    remote.write(chunk)
                    sent += len(chunk)
                    progress(sent)
                remote.close()

    @contextmanager
    def _told_of_writing(self) -> Iterator[None]:
        """Take it for a full disk when a server that is there says of a file that it has opened nothing but "Failure"."""
        try:
            yield
        except OSError as error:
            is_plain = error.errno is None and not isinstance(error, TimeoutError)
            if is_plain and self._connection is not None and self._connection.is_alive:
                raise UploadError(Fault.FULL, str(error) or "failure") from error
            raise


def host_key_of(host: str, port: int) -> str:
    """Return the key that a server shows, for a person to compare; nothing is sent to it.

    Raises
    ------
    UploadError
        If the server does not answer as one.
    """
    with _told(), contextlib.ExitStack() as last:
        transport = _transport(host, port)
        last.callback(_end, transport)
        began_s = time.monotonic()
        try:
            transport.start_client(timeout=DEADLINE_S)  # returns when the time is over, too
            return _line_of(transport.get_remote_server_key())
        except paramiko.SSHException as error:
            if time.monotonic() - began_s > 0.9 * DEADLINE_S:  # the library's own deadline, at the same moment
                raise TimeoutError("no key was shown") from error
            raise


def key_of_line(untrusted_line: str) -> paramiko.PKey:
    """Return the key of a line as `ssh-keyscan` writes it, with or without a name before it.

    Raises
    ------
    InputError
        If it is none.
    """
    words = untrusted_line.split()[:3]
    if words and not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        words = words[1:]
    try:
        entry = HostKeyEntry.from_line(" ".join(["host", *words[:2]]))
    except (paramiko.SSHException, paramiko.hostkeys.InvalidHostKey, ValueError) as error:
        raise InputError("This is no host key. It looks like: ssh-ed25519 AAAAC3...") from error
    if entry is None or entry.key is None:
        raise InputError("This is no host key. It looks like: ssh-ed25519 AAAAC3...")
    return entry.key


def fingerprint(line: str) -> str:
    """Return what `ssh-keygen -l` shows of a host key: `SHA256:...`."""
    return str(key_of_line(line).fingerprint)


class _Options(pysftp.CnOpts):
    """One host, one key; nothing is read from files."""

    def __init__(self, key: paramiko.PKey) -> None:
        self.log, self.compression, self.ciphers = False, False, None
        self.hostkeys = paramiko.HostKeys()
        self.key = key

    def get_hostkey(self, host: str) -> paramiko.PKey:  # noqa: ARG002 - there is one
        """Return the pinned key."""
        return self.key


class _Connection(pysftp.Connection):
    """A connection whose every wait has a deadline."""

    _tconnect: dict[str, object]

    def __init__(self, place: SftpPlace) -> None:
        self._place, self._pinned = place, key_of_line(place.host_key)
        self._transport: paramiko.Transport | None = None
        self._sftp_live = False  # looked at when it is closed, also when it was never opened
        try:
            super().__init__(place.host, username=place.user, port=place.port, cnopts=_Options(self._pinned))
        except BaseException:
            self.close()
            raise

    def _sftp_connect(self) -> None:
        """Open the channel for files with a deadline on each answer, the first one, too."""
        if self._sftp_live or self._transport is None:
            return
        channel = self._transport.open_session(timeout=DEADLINE_S)
        channel.settimeout(DEADLINE_S)
        channel.invoke_subsystem("sftp")
        self._sftp = paramiko.SFTPClient(channel)
        self._sftp_live = True

    def close(self) -> None:
        """Hang up."""
        transport = self._transport
        super().close()
        if transport is not None:
            _end(transport)

    @property
    def is_alive(self) -> bool:
        """Whether the other side is still there."""
        return self._transport is not None and self._transport.is_active()

    def _start_transport(self, host: str, port: int) -> None:
        self._transport = _transport(host, port)
        kind = self._pinned.get_name()
        self._transport.get_security_options().key_types = _RSA if kind == "ssh-rsa" else (kind,)

    def _set_authentication(self, password: object, private_key: object, private_key_pass: object) -> None:  # noqa: ARG002
        """Take key or password from the place, never from a file."""
        if self._place.private_key is not None:
            self._tconnect["pkey"] = _private_key(self._place.private_key)
        elif self._place.password is not None:
            self._tconnect["password"] = self._place.password.reveal()


def _connect(place: SftpPlace) -> _Connection:
    """Connect and log in.

    Raises
    ------
    UploadError, OSError
    """
    if not place.host_key:
        raise UploadError(Fault.KEY, "No host key was confirmed yet.", shown=host_key_of(place.host, place.port))
    pinned = key_of_line(place.host_key)
    try:
        return _Connection(place)
    except paramiko.AuthenticationException as error:
        raise UploadError(Fault.LOGIN, str(error) or "refused") from error
    except paramiko.SSHException as error:
        _raise_of_handshake(place, pinned, error)


def _raise_of_handshake(place: SftpPlace, pinned: paramiko.PKey, error: paramiko.SSHException) -> NoReturn:
    """Tell a changed key from a connection that broke."""
    shown = host_key_of(place.host, place.port)
    if key_of_line(shown) == pinned:
        raise UploadError(Fault.BROKEN, str(error)) from error
    raise UploadError(Fault.KEY, f"It shows {fingerprint(shown)}.", shown=shown) from error


def _transport(host: str, port: int) -> paramiko.Transport:
    """Connect and return the transport, not started; raises OSError."""
    plain = socket.create_connection((host, port), timeout=DEADLINE_S)
    try:
        transport = paramiko.Transport(plain)
    except BaseException:
        plain.close()
        raise
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = transport.channel_timeout = DEADLINE_S
    return transport


def _end(transport: paramiko.Transport) -> None:
    """Hang up, also where nothing had begun: a transport that was not started leaves its socket open."""
    transport.close()
    transport.sock.close()


def _private_key(secret: Secret[str]) -> paramiko.PKey:
    for kind in _KEYS:
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(secret.reveal()))
    raise UploadError(Fault.LOGIN, "This private key cannot be read: it needs to be Ed25519, ECDSA or RSA, without a passphrase.")


def _line_of(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def _rename(sftp: paramiko.SFTPClient, part: str, path: str) -> None:
    try:
        sftp.posix_rename(part, path)
    except OSError:  # a server without that extension refuses to replace
        with contextlib.suppress(FileNotFoundError):
            sftp.remove(path)
        sftp.rename(part, path)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the library and the system say into our faults."""
    try:
        with told():
            yield
    except paramiko.SSHException as error:
        raise UploadError(Fault.BROKEN, str(error) or "the other side hung up") from error
