"""A running panel: the real web service on real stores, reached over TLS on a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.web.parts import Listen
from appliance.web.service import WebService
from tests.integration.web.client import Client
from tests.unit.web.world import World, make_world


@dataclass
class RunningPanel:
    """A panel and where it is reached."""

    world: World
    service: WebService

    @property
    def port(self) -> int:
        return self.service.port

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self, source: str = "127.0.0.1") -> Client:
        return Client(self.port, source=source)

    def login(self, name: str) -> dict[str, str]:
        """Return the headers of a logged-in client."""
        session, token = self.world.login(name)
        return {"cookie": f"__Host-nightjar={token}", "x_csrf_token": session.csrf_token}


@contextmanager
def running_panel(folder: Path) -> Iterator[RunningPanel]:
    """Run an unclaimed panel on a data folder until the end of the block."""
    with make_world(folder, Listen(port=0)) as world:
        service = WebService(world.parts)
        service.open()
        stop = threading.Event()
        faults: list[Exception] = []

        def step() -> None:
            try:
                while not stop.is_set():
                    service.step()
            except Exception as error:  # noqa: BLE001 - shown by the assertion below
                faults.append(error)

        thread = threading.Thread(target=step)
        thread.start()
        yield RunningPanel(world, service)
        stop.set()
        thread.join()
        service.close()
        assert not faults


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningPanel]:
    """Return an unclaimed panel that runs."""
    with running_panel(tmp_path / "data") as panel:
        yield panel
