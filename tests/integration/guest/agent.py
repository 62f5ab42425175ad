"""The test's hands in the guest; no part of the product.

Without an argument it is root's hand and answers on a virtio port. With the path of a socket it is a probe: it runs in the
place of another program, as its user and in its unit, and answers what root's hand hands on to it.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

PORT = Path("/dev/virtio-ports/nightjar-test")


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Run a command; what it says is cut where it grows too long for the port."""
    try:
        ended = subprocess.run(
            asked["command"], input=base64.b64decode(asked["stdin"]), capture_output=True, timeout=asked["timeout_s"], check=False
        )
    except subprocess.TimeoutExpired as error:
        return {"code": 124, "out": (error.stdout or b"").decode(errors="replace"), "err": f"not over after {error.timeout} s"}
    out, err = (text.decode(errors="backslashreplace")[-1_000_000:] for text in (ended.stdout, ended.stderr))
    return {"code": ended.returncode, "out": out, "err": err}


def python(asked: dict[str, Any]) -> dict[str, Any]:
    """Run a piece of Python here: to start another one takes seconds on an emulated processor."""
    names: dict[str, Any] = {"given": asked["given"]}
    exec(compile(asked["python"], "<test>", "exec"), names)  # noqa: S102 - it is the test's own
    return {"code": 0, "out": json.dumps(names.get("answer")), "err": ""}


def hand_on(asked: dict[str, Any]) -> dict[str, Any]:
    """Let a probe answer."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(asked.pop("via"))
        probe.settimeout(asked["timeout_s"])
        with probe.makefile("rwb") as line:
            line.write(json.dumps(asked).encode() + b"\n")
            line.flush()
            answer: dict[str, Any] = json.loads(line.readline())
    return answer


def answer_to(line: bytes) -> bytes:
    """Do what one line asks for."""
    asked = json.loads(line)
    try:
        answer = hand_on(asked) if asked.get("via") else python(asked) if "python" in asked else run(asked)
    except Exception:  # noqa: BLE001 - the test is told
        answer = {"code": 125, "out": "", "err": traceback.format_exc()}
    return json.dumps(answer).encode() + b"\n"


def be_root_s_hand() -> None:
    """Answer line by line, as long as the guest lives."""
    with os.fdopen(os.open(PORT, os.O_RDWR), "r+b", buffering=0) as port:
        port.write(b'{"ready": true}\n')
        inbox = b""
        while piece := port.read(1 << 16):
            inbox += piece
            *lines, inbox = inbox.split(b"\n")
            for line in lines:
                text = answer_to(line)
                while text:
                    text = text[port.write(text) or 0 :]


def be_a_probe(path: str) -> None:
    """Answer one line of each connection."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as line:
                line.write(answer_to(line.readline()))


if __name__ == "__main__":
    be_a_probe(sys.argv[1]) if len(sys.argv) > 1 else be_root_s_hand()
