"""What the system and the TLS library say of a network, as our faults."""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.domain.errors import UploadError
from appliance.domain.fault import Fault

DEADLINE_S = 10.0
"""The longest wait for one answer."""
_AWAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


@contextmanager
def told() -> Iterator[None]:
    """Raise UploadError with a fault in place of what the system says."""
    try:
        yield
    except OSError as error:
        raise UploadError(*_fault_of(error)) from error
    except UnicodeError as error:  # two dots in a row: no name can be like that, and none is looked up
        raise UploadError(Fault.NAME, "no name looks like this") from error
    except EOFError as error:
        raise UploadError(Fault.BROKEN, str(error) or "the other side hung up") from error


def wrong_length(found: int, size: int) -> UploadError:
    """Return what to raise where a file on the other side is not as long as what was sent.

    Too long is not for want of room: the other side still takes what was left of a transfer that was cut. The next try will do.
    """
    return UploadError(Fault.FULL if found < size else Fault.BROKEN, f"{found} of {size} bytes are there")


def _fault_of(error: OSError) -> tuple[Fault, str]:
    match error:
        case socket.gaierror():
            return Fault.NAME, error.strerror or "unknown name"
        case ssl.SSLCertVerificationError():
            return Fault.CERTIFICATE, error.verify_message
        case ConnectionRefusedError():
            return Fault.PORT, "refused"
        case FileNotFoundError():
            return Fault.PATH, "no such folder"
        case PermissionError():
            return Fault.RIGHT, "permission denied"
        case TimeoutError():
            return Fault.SILENT, f"no answer in {DEADLINE_S:.0f} s"
        case _ if error.errno in _AWAY:
            return Fault.SILENT, error.strerror or "unreachable"
        case _:
            return Fault.BROKEN, str(error) or "broken"
