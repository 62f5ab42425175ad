"""Listening sockets that systemd hands over at the start, so that ports below 1024 need no right of ours (sd_listen_fds(3))."""

import os
import socket
import stat
from collections.abc import MutableMapping

from appliance.domain.errors import StartError

FIRST = 3
"""The first descriptor that is handed over: https://www.freedesktop.org/software/systemd/man/sd_listen_fds.html"""
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_MOST = 16


def take_sockets(
    name: str, environment: MutableMapping[str, str] = os.environ, *, first: int = FIRST
) -> tuple[socket.socket, ...]:
    """Take every socket that was handed to this process; no child of ours inherits one, nor the words about them.

    Parameters
    ----------
    name : str
        The only name (`FileDescriptorName=` of the socket unit) that is expected.
    environment : mutable mapping
        Where systemd wrote how many there are; the words are removed.
    first : int
        The first descriptor.

    Returns
    -------
    tuple of socket
        Streams that listen on an internet address; none where nothing was handed over.

    Raises
    ------
    StartError
        If something else was handed over, or to somebody else.
    """
    pid, count, names = (environment.pop(variable, "") for variable in _VARIABLES)
    if not count:
        return ()
    if pid != str(os.getpid()):
        raise StartError(f"sockets were handed to process {pid[:20]!r} and not to this one; start the program without a wrapper")
    if not count.isdecimal() or not 1 <= int(count) <= _MOST:
        raise StartError(f"LISTEN_FDS is {count[:20]!r}, not a number from 1 to {_MOST}")
    wrong = sorted(set(names.split(":")) - {name})
    if wrong or names.count(":") != int(count) - 1:
        raise StartError(f"sockets named {', '.join(wrong) or names} were handed over, and not {count} named {name}")
    return tuple(_listening(number) for number in range(first, first + int(count)))


def _listening(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise StartError(f"descriptor {number} was handed over and is no socket")
        found = socket.socket(fileno=number)
        is_listening = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(f"descriptor {number} was handed over and is no socket: {error.strerror}") from error
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM or not is_listening:
        found.close()
        raise StartError(f"descriptor {number} was handed over and does not listen for TCP connections")
    return found
