"""Words to systemd (sd_notify): ready, alive, stopping; silent where systemd does not listen."""

import logging
import os
import socket

log = logging.getLogger(__name__)


class Notifier:
    """Sends state to the socket that systemd names in the environment."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """Say that the start is complete."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Feed the watchdog and tell one line about the state."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Say that the stop has begun."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto(text.encode(), address)
        except OSError as error:
            log.warning("systemd cannot be told %s: %s", text.partition("\n")[0], error)
