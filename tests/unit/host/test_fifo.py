"""The appliance's INDI server, as far as no server has to run: what is written, what is refused, and that nothing waits."""

import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.domain.errors import CameraError, DeniedError, UnavailableError
from appliance.host.fifo import FifoDriverHost, installed_drivers

CCD = "indi_simulator_ccd"
INSTALLED = frozenset({CCD, "indi_asi_ccd"})


def host(fifo: Path, *drivers: str, restart: Callable[[], None] = lambda: None) -> FifoDriverHost:
    return FifoDriverHost(drivers, restart, installed=lambda: INSTALLED, fifo=fifo, socket_name=f"/nobody-{secrets.token_hex(8)}")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def reader(fifo: Path) -> Iterator[int]:
    number = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield number
    os.close(number)


def test_installed_drivers_are_executables_called_like_one(tmp_path: Path) -> None:
    for name, mode in (
        (CCD, 0o755), ("indi_V4L2_x", 0o755), ("nightjar-sky", 0o755), ("indi_notes", 0o644), ("indiserver", 0o755),
        ("indi_a b", 0o755), ("indi_a\nstop indi_b", 0o755), ("indi_@host", 0o755), ("sh", 0o755),
    ):  # fmt: skip
        (tmp_path / name).touch(mode)
        (tmp_path / name).chmod(mode)
    (tmp_path / "indi_folder").mkdir()
    assert installed_drivers(tmp_path) == {CCD, "indi_V4L2_x", "nightjar-sky"}


def test_a_verb_and_an_installed_name_are_written_and_nothing_else(fifo: Path, reader: int) -> None:
    made = host(fifo)
    made.start_driver(CCD)
    made.stop_driver("indi_asi_ccd")
    made.close()
    assert os.read(reader, 1000) == b"start indi_simulator_ccd\nstop indi_asi_ccd\n"


@pytest.mark.parametrize(
    "name",
    [
        "indi_no_such",
        "",
        "/bin/sh",
        f"{CCD}\nstart indi_asi_ccd",
        f"{CCD} -n x",
        f"{CCD}\n",
        f"{CCD}@host:7624",
        "../indi_asi_ccd",
    ],
)
def test_a_name_that_is_not_installed_is_never_written(fifo: Path, reader: int, name: str) -> None:
    made = host(fifo)
    for command in (made.start_driver, made.stop_driver):
        with pytest.raises(CameraError, match="is installed"):
            command(name)
    made.start_driver(CCD)
    made.close()
    assert os.read(reader, 1000) == f"start {CCD}\n".encode()


def test_without_a_reader_nothing_waits(fifo: Path) -> None:
    with pytest.raises(CameraError, match="nobody reads"):
        host(fifo).start_driver(CCD)


def test_a_reader_that_has_gone_is_noticed(fifo: Path) -> None:
    number = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    made = host(fifo)
    made.start_driver(CCD)
    os.close(number)
    for _ in range(2):  # the second time it tries anew
        with pytest.raises(CameraError, match="nobody reads"):
            made.start_driver(CCD)


def test_a_full_fifo_is_an_error_and_no_wait(fifo: Path, reader: int) -> None:
    made = host(fifo)
    full = fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) // len(f"start {CCD}\n")
    for _ in range(full - 200):
        made.start_driver(CCD)

    def fill_up() -> None:
        for _ in range(400):
            made.start_driver(CCD)

    with pytest.raises(CameraError, match="takes no commands"):
        fill_up()
    made.close()


def test_what_is_no_fifo_is_not_written_to(tmp_path: Path, fifo: Path, reader: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(fifo)
    for name, reason in (("file", "no FIFO"), ("link", "takes no commands"), ("absent", "No such file")):
        with pytest.raises(CameraError, match=reason):
            host(tmp_path / name).start_driver(CCD)
    assert (tmp_path / "file").read_bytes() == b""


def test_it_is_restarted_by_others_and_not_missed_while_they_do(fifo: Path) -> None:
    asked: list[str] = []
    made = host(fifo, CCD, restart=lambda: asked.append("restart"))
    assert not made.is_running
    made.start()
    assert asked == ["restart"], "there was none"
    assert made.is_running
    made.tend()
    made.restart()
    assert asked == ["restart", "restart"]


@pytest.mark.parametrize("error", [UnavailableError("not available on this machine: systemd"), DeniedError("not allowed")])
def test_a_restart_that_is_refused_is_a_failed_camera(fifo: Path, error: Exception) -> None:
    def refuse() -> None:
        raise error

    made = host(fifo, CCD, restart=refuse)
    for verb in (made.restart, made.start):
        with pytest.raises(CameraError, match=str(error)):
            verb()
    assert not made.is_running


def test_its_address_is_the_abstract_socket() -> None:
    made = FifoDriverHost((), lambda: None)
    assert made.address == ("localhost:/run/nightjar-indi/indiserver", 7624)
    assert made.drivers == ()
    made.tend()
    made.close()


def test_another_choice_is_followed_while_the_server_runs(fifo: Path, reader: int) -> None:
    name = f"/server-{secrets.token_hex(8)}"
    chosen: list[str] = []
    made = FifoDriverHost(lambda: chosen, lambda: None, installed=lambda: INSTALLED, fifo=fifo, socket_name=name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(f"\0{name}")
        server.listen(64)
        made.start()
        for choice, told in (
            ([CCD], b"stop indi_simulator_ccd\nstart indi_simulator_ccd\n"),
            (["indi_asi_ccd"], b"stop indi_simulator_ccd\nstop indi_asi_ccd\nstart indi_asi_ccd\n"),
            ([], b"stop indi_asi_ccd\n"),
        ):
            chosen[:] = choice
            assert made.drivers == tuple(choice)
            made.start()
            made.start()
            assert os.read(reader, 1000) == told
        chosen[:] = ["indi_no_such"]
        with pytest.raises(CameraError, match="no INDI driver 'indi_no_such' is installed"):
            made.start()
    made.close()
