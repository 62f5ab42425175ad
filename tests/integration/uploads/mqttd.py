"""A real MQTT broker (mosquitto) with accounts, rules of who may publish what, and TLS; and a subscriber that is not ours."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.uploads.certificates import Issued
from tests.integration.uploads.served import Served, free_port, served

USER, PASSWORD = "ada", "moons of Jupiter: four"
GUEST = "guest"
"""May read all, and write nothing."""
_LAST = "$SYS/broker/version"
COMMANDS = ("/usr/sbin/mosquitto", "mosquitto_passwd", "mosquitto_sub")


@dataclass
class Mqttd(Served):
    """The broker, and where it is."""

    plain_port: int
    """For the subscriber, which is not tried here."""


@contextmanager
def mqttd(
    folder: Path,
    issued: Issued | None,
    *,
    port: int = 0,
    plain_port: int = 0,
    allowed: str = "#",
    extra: str = "",
    forgets: bool = False,
) -> Iterator[Mqttd]:
    """Run a broker until the end of the block.

    Parameters
    ----------
    folder : Path
        Holds its accounts, rules, log and what is retained.
    issued : Issued or None
        Its certificate; without, it speaks no TLS.
    port, plain_port : int
        0 for a free one.
    allowed : str
        What its user may write.
    extra : str
        Lines of its configuration.
    forgets : bool
        Whether what was retained is gone when it is killed; else it is written down with each change.
    """
    port, plain_port = port or free_port(), plain_port or free_port()
    accounts, rules, log = folder / "accounts", folder / "rules", folder / "broker.log"
    if not accounts.exists():
        accounts.touch(0o600)
        for user in (USER, GUEST):
            subprocess.run(["mosquitto_passwd", "-b", accounts, user, PASSWORD], check=True, capture_output=True)
    rules.write_text(f"user {USER}\ntopic read #\ntopic write {allowed}\n\nuser {GUEST}\ntopic read #\ntopic read {_LAST}\n")
    rules.chmod(0o600)
    tls = f"certfile {issued.certificate}\nkeyfile {issued.key}\n" if issued else ""
    keeping = f"persistence true\npersistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
    configuration = folder / "broker.conf"
    configuration.write_text(
        f"user {pwd.getpwuid(os.geteuid()).pw_name}\nlistener {plain_port} 127.0.0.1\nlistener {port} 127.0.0.1\n{tls}"
        f"allow_anonymous false\npassword_file {accounts}\nacl_file {rules}\n{'' if forgets else keeping}{extra}\n"
    )
    with served([COMMANDS[0], "-v", "-c", configuration], port, log) as server:
        yield Mqttd(port, server.process, log, plain_port)


@dataclass
class Message:
    """What a subscriber got."""

    topic: str
    payload: bytes
    is_retained: bool


class Subscriber:
    """`mosquitto_sub` on all topics, connected once it is made."""

    def __init__(self, server: Mqttd) -> None:
        self._out = server.log.with_name(f"heard-{time.monotonic_ns()}")
        before = server.log.read_text().count("Sending SUBACK")
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(_sub(server), stdin=subprocess.DEVNULL, stdout=out)
        until = time.monotonic() + 30
        while server.log.read_text().count("Sending SUBACK") == before:
            assert time.monotonic() < until
            time.sleep(0.05)

    def until(self, topic: str, number: int = 1) -> list[Message]:
        """Wait for so many messages on a topic, and return all that came so far, without what was retained before."""
        until = time.monotonic() + 30
        while True:
            found = [_message(line) for line in self._out.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
            if sum(message.topic == topic and not message.is_retained for message in found) >= number:
                return [message for message in found if not message.is_retained]
            assert time.monotonic() < until, [(message.topic, len(message.payload)) for message in found]
            time.sleep(0.05)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def retained(server: Mqttd) -> dict[str, bytes]:
    """Return what stands there, by topic."""
    command = [*_sub(server), "--retained-only", "-t", _LAST]  # the broker sends it after all that was asked for before
    found: dict[str, bytes] = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            message = _message(line)
            if message.topic == _LAST:
                process.terminate()
                return found
            found[message.topic] = message.payload
    raise AssertionError(server.log.read_text())


def _sub(server: Mqttd, *more: str) -> list[str]:
    where = ["-h", "127.0.0.1", "-p", str(server.plain_port), "-u", GUEST, "-P", PASSWORD]
    return ["mosquitto_sub", *where, "-q", "1", "-t", "#", "-F", "%r %t %x", *more]


def _message(line: bytes) -> Message:
    retained, topic, payload = line.strip(b"\n").split(b" ")
    return Message(topic.decode(), bytes.fromhex(payload.decode()), retained == b"1")
