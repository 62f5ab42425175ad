"""The supervisor as a process of its own: hang, leak, dead thread, stop, and what it tells systemd."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import sys, threading, time
from appliance.domain.clock import SystemClock
from appliance.supervisor import supervisor as module, worker
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.notify import Notifier
from appliance.supervisor.worker import WorkerSpec

module.STUCK_AFTER_S = 1.0
closed = []

class Service:
    def __init__(self, name): self.name = name
    def open(self): pass
    def step(self): time.sleep(0.05)
    def close(self): closed.append(self.name); sys.stdout.write(f"closed {{self.name}}\\n"); sys.stdout.flush()

class Bad(Service):
    def step(self):
        {step}

made = module.Supervisor(
    [WorkerSpec("one", lambda beat: Service("one"), "x"), WorkerSpec("two", lambda beat: Bad("two"), "y")],
    tuple, HealthBoard(SystemClock()), Notifier(), memory_limit_bytes={limit},
    on_ready=lambda: print("ready", flush=True),
)
sys.exit(made.run())
"""


def _start(step: str, limit: int = 4 << 30, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    code = textwrap.dedent(PROGRAM).format(step=step, limit=limit)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )


def test_a_stuck_step_ends_the_process_with_70_and_every_traceback() -> None:
    process = _start("time.sleep(3600)")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 70
    assert "worker two gave no sign" in err
    assert err.lower().count("thread 0x") == 3
    assert "in step" in err


def test_a_leak_ends_the_process_before_it_eats_the_machine() -> None:
    process = _start(
        "self.hoard = getattr(self, 'hoard', []) + [bytearray(b'x') * (20 << 20)]; time.sleep(0.05)", limit=300 << 20
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "memory ran away" in err


def test_a_thread_that_ends_by_itself_ends_the_process() -> None:
    process = _start("raise SystemExit(0)")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 70
    assert "the thread of worker two ended" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_closes_every_service_and_returns_0(number: signal.Signals) -> None:
    process = _start("time.sleep(0.05)")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert sorted(out.split("\n")) == ["", "closed one", "closed two"]


def test_a_raising_service_does_not_end_the_process() -> None:
    process = _start("raise ValueError('bad night')")
    assert process.stdout is not None
    assert process.stdout.readline() in {"ready\n", "closed two\n"}
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "bad night" in err


def test_systemd_is_told_ready_alive_and_stopping(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(20)
        process = _start("time.sleep(0.05)", env={"NOTIFY_SOCKET": str(address)})
        words = [listener.recv(4096).decode() for _ in range(3)]
        while not any(word == "READY=1" for word in words):
            words.append(listener.recv(4096).decode())
        process.send_signal(signal.SIGTERM)
        while words[-1] != "STOPPING=1":
            words.append(listener.recv(4096).decode())
        process.communicate(timeout=20)
    assert "READY=1" in words
    assert any(word.startswith("WATCHDOG=1\nSTATUS=") for word in words)


def test_nothing_is_sent_where_systemd_does_not_listen(tmp_path: Path) -> None:
    process = _start("time.sleep(0.05)", env={"NOTIFY_SOCKET": str(tmp_path / "absent")})
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "cannot be told" in err
