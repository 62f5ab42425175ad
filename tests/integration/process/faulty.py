"""The appliance with faults that a test asks for: a file named after a worker holds `raise`, `hang` or `leak`.

Run as `python faulty.py FAULT_DIR run --development …`; the rest of the line is the program's own.
"""

import sys
import threading
from pathlib import Path
from unittest.mock import patch

from appliance import __main__, compose
from appliance.supervisor import supervisor as supervision
from appliance.supervisor.service import Beat, Service
from appliance.supervisor.supervisor import Supervisor
from appliance.supervisor.worker import WorkerSpec

FAULTS = Path(sys.argv[1])


class Faulty:
    """A real service whose next step goes wrong when the test says so."""

    def __init__(self, name: str, real: Service) -> None:
        self._name, self._real = name, real
        self._hoard: list[bytearray] = []

    def open(self) -> None:
        self._real.open()

    def step(self) -> None:
        order = FAULTS / self._name
        if order.exists():
            fault = order.read_text()
            order.unlink()
            if fault == "raise":
                raise RuntimeError("a fault that the test asked for")
            if fault == "hang":
                threading.Event().wait()
            while fault == "leak":
                self._hoard.append(bytearray(b"x") * (64 << 20))
                threading.Event().wait(0.05)
        self._real.step()

    def close(self) -> None:
        self._real.close()


def _faulty(spec: WorkerSpec) -> WorkerSpec:
    def make(beat: Beat) -> Service:
        return Faulty(spec.name, spec.make(beat))

    return WorkerSpec(spec.name, make, spec.does)


class FaultySupervisor(Supervisor):
    """The supervisor with every service wrapped."""

    def __init__(self, specs: list[WorkerSpec], *rest: object, **named: object) -> None:
        super().__init__([_faulty(spec) for spec in specs], *rest, **named)  # type: ignore[arg-type]


with (
    patch.object(compose, "Supervisor", FaultySupervisor),
    patch.object(compose, "MEMORY_SHARE", 0.04),  # the faults are real, the test's patience and memory are not the appliance's
    patch.object(supervision, "STUCK_AFTER_S", 12.0),
):
    sys.exit(__main__.main(sys.argv[2:]))
