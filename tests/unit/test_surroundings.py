"""Where the program runs: what each of the two places gives, and what it refuses."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from appliance import surroundings
from appliance.domain.clock import SystemClock
from appliance.domain.errors import StartError
from appliance.host.driverhost import ChildDriverHost
from appliance.host.fifo import FifoDriverHost
from appliance.security.tokens import device_id_of
from appliance.settings.schema import Settings
from appliance.store.files import DataFolder
from appliance.surroundings import Development, Device, sort_sockets
from appliance.web.issuer import Issuer
from appliance.web.issuerapart import IssuerApart
from appliance.web.parts import Listen

MACHINE_ID = b"3d1219c7c4c5404aaa1f6d2a48adfda4\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    made = DataFolder(tmp_path / "data")
    made.open()
    yield made
    made.close()


@pytest.fixture
def on_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make this process look as one that systemd started, with sockets of no port in particular."""
    monkeypatch.setattr(os, "geteuid", lambda: 61002)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(surroundings, "take_sockets", lambda _name: ())
    monkeypatch.setattr(surroundings, "sort_sockets", lambda _handed: Listen())
    (tmp_path / "machine-id").write_bytes(MACHINE_ID)
    monkeypatch.setattr(surroundings, "MACHINE_ID", tmp_path / "machine-id")


@pytest.fixture
def listeners() -> Iterator[dict[str, socket.socket]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in ("panel", "plain", "other")}


@pytest.fixture
def ports(listeners: dict[str, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the ports that could be had here stand for 443 and 80."""
    monkeypatch.setattr(surroundings, "PORT", listeners["panel"].getsockname()[1])
    monkeypatch.setattr(surroundings, "PLAIN_PORT", listeners["plain"].getsockname()[1])


def restart() -> None:
    """Stand for systemd."""


def test_in_development_a_port_is_bound_and_said_with_the_setup_code(
    capsys: pytest.CaptureFixture[str], folder: DataFolder
) -> None:
    with closing(Development(None, 0, None)) as around:
        (listener,) = around.listen.sockets
        port = listener.getsockname()[1]
        assert around.listen.plain_sockets == ()
        around.say_ready("ABCD-EFGH-JKMN")
        around.say_ready(None)
        assert isinstance(around.issuer(folder, SystemClock()), Issuer)
        drivers = around.drivers(Settings, restart)
        assert isinstance(drivers, ChildDriverHost)
        assert drivers.drivers[0].endswith("nightjar-sky")
    panel = f"panel: https://127.0.0.1:{port}"
    assert capsys.readouterr().out.splitlines() == [panel, "setup code: ABCD-EFGH-JKMN", panel]
    assert listener.fileno() == -1


@pytest.mark.usefixtures("on_the_device")
def test_the_panel_has_an_address_to_be_told_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Roof.example.net")
    assert Device(None, None, None).panel == "https://roof.local"
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    assert Device(None, None, None).panel == "https://nightjar.local"


def test_in_development_the_device_id_is_made_once(folder: DataFolder) -> None:
    with closing(Development(None, 0, None)) as around:
        made = around.device_id(folder)
        assert around.device_id(folder) == made == (folder.read("device-id") or b"").decode().strip()
    assert len(made) == 8


@pytest.mark.usefixtures("on_the_device")
def test_on_the_device_others_issue_certificates_and_run_drivers(folder: DataFolder) -> None:
    with closing(Device(None, None, "ccd")) as around:
        assert isinstance(around.issuer(folder, SystemClock()), IssuerApart)
        drivers = around.drivers(Settings, restart)
        assert isinstance(drivers, FifoDriverHost)
        assert drivers.drivers == ("indi_simulator_ccd",)
        assert around.device_id(folder) == device_id_of(MACHINE_ID)
        assert folder.read("device-id") is None
        assert isinstance(around.clock, SystemClock)


@pytest.mark.usefixtures("on_the_device")
def test_on_the_device_no_sky_is_simulated_unless_asked() -> None:
    assert Device(None, None, None).drivers(Settings, restart).drivers == ()
    assert Device(None, None, "sky").drivers(Settings, restart).drivers == ("nightjar-sky",)
    chosen = Settings(camera=Settings().camera.model_copy(update={"driver": "indi_asi_ccd"}))
    assert Device(None, None, None).drivers(lambda: chosen, restart).drivers == ("indi_asi_ccd",)
    assert Device(None, None, "sky").drivers(lambda: chosen, restart).drivers == ("nightjar-sky",)
    assert Device(None, None, None).shown == surroundings.SHOWN


@pytest.mark.usefixtures("on_the_device")
def test_on_the_device_the_setup_code_is_said_to_nobody_here(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    Device(None, None, None).say_ready("ABCD-EFGH-JKMN")
    Device(None, None, None).say_ready(None)
    said = capsys.readouterr()
    assert said.out == ""
    assert "ABCD" not in said.err + caplog.text
    assert ["not claimed yet" in record.getMessage() for record in caplog.records] == [True, False]


@pytest.mark.usefixtures("on_the_device")
@pytest.mark.parametrize("content", [b"", b"uninitialized\n", MACHINE_ID[:20], None])
def test_without_a_machine_id_it_says_so_and_shows_none(content: bytes | None, folder: DataFolder) -> None:
    if content is None:
        surroundings.MACHINE_ID.unlink()
    else:
        surroundings.MACHINE_ID.write_bytes(content)
    with pytest.raises(StartError, match="has no usable") as refused:
        Device(None, None, None).device_id(folder)
    assert MACHINE_ID.decode()[:8] not in str(refused.value)


@pytest.mark.usefixtures("on_the_device")
def test_on_the_device_what_is_for_development_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, port in (("0.0.0.0", None), (None, 8443), (None, 0)):  # noqa: S104 - refused
        with pytest.raises(StartError, match="for --development"):
            Device(host, port, None)
    monkeypatch.setenv("NIGHTJAR_CLOCK", "2026-01-31T18:00:00+00:00@60")
    with pytest.raises(StartError, match="NIGHTJAR_CLOCK"):
        Device(None, None, None)
    monkeypatch.delenv("NIGHTJAR_CLOCK")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    with pytest.raises(StartError, match="RUNTIME_DIRECTORY"):
        Device(None, None, None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(StartError, match="root"):
        Device(None, None, None)


@pytest.mark.usefixtures("ports")
def test_sockets_are_known_by_their_port(listeners: dict[str, socket.socket]) -> None:
    panel, plain = listeners["panel"], listeners["plain"]
    for handed in ((panel, plain), (plain, panel)):
        assert sort_sockets(handed) == Listen(sockets=(panel,), plain_sockets=(plain,))


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("names", [("panel",), ("plain",), (), ("panel", "plain", "other"), ("other",)])
def test_sockets_of_other_ports_and_missing_ones_are_refused(listeners: dict[str, socket.socket], names: tuple[str, ...]) -> None:
    with pytest.raises(StartError, match=r"nightjar\.socket"):
        sort_sockets(tuple(listeners[name] for name in names))


def test_an_unknown_driver_and_a_taken_port_are_refused_in_development(listeners: dict[str, socket.socket]) -> None:
    for camera in ("indi_no_such", "../bin/sh", "sh"):
        with pytest.raises(StartError, match="INDI driver"):
            Development(None, 0, camera)
    with pytest.raises(StartError, match="--port"):
        Development(None, listeners["panel"].getsockname()[1], None)
