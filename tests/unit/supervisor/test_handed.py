"""Sockets that systemd hands over: taken with their words, or refused with what is wrong."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.errors import StartError
from appliance.supervisor.handed import take_sockets


def words(count: int = 1, names: str = "panel", pid: int | None = None) -> dict[str, str]:
    return {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names, "PATH": "/usr/bin"}


@pytest.fixture
def listener() -> Iterator[int]:
    """Yield a descriptor that listens and, as those of systemd, goes to children; the taker closes it."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        number = os.dup(made.fileno())
        os.set_inheritable(number, True)
        yield number


def test_what_is_handed_over_is_taken_and_goes_to_no_child(listener: int) -> None:
    environment = words()
    (taken,) = take_sockets("panel", environment, first=listener)
    with taken:
        assert taken.fileno() == listener
        assert taken.getsockname()[0] == "127.0.0.1"
        assert not os.get_inheritable(listener)
    assert environment == {"PATH": "/usr/bin"}


def test_without_words_there_is_nothing() -> None:
    assert take_sockets("panel", {"PATH": "/usr/bin"}) == ()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (words(pid=1), "to process '1' and not to this one"),
        (words(count=2, names="panel:other"), "named other"),
        (words(names=""), "handed over, and not 1 named panel"),
        (words(count=2, names="panel"), "not 2 named panel"),
        (words(count=1, names="panel:panel"), "not 1 named panel"),
        (words(count=0), "not a number"),
        (words(count=-1), "not a number"),
        (words(count=1000), "not a number"),
        (words() | {"LISTEN_FDS": "one"}, "not a number"),
        ({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "panel"}, "to process ''"),
    ],
)
def test_words_of_another_kind_are_refused_and_removed(environment: dict[str, str], reason: str, listener: int) -> None:
    with pytest.raises(StartError, match=reason):
        take_sockets("panel", environment, first=listener)
    assert not [name for name in environment if name.startswith("LISTEN_")]
    os.close(listener)


def test_a_descriptor_that_does_not_listen_for_tcp_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(StartError, match="no socket"):
        take_sockets("panel", words(), first=file.fileno())
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        number = socket.socket(socket.AF_INET, kind).detach()
        with pytest.raises(StartError, match="does not listen for TCP"):
            take_sockets("panel", words(), first=number)
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "socket"))
    local.listen()
    with pytest.raises(StartError, match="does not listen for TCP"):
        take_sockets("panel", words(), first=local.detach())


def test_a_descriptor_that_is_not_there_is_refused() -> None:
    number = os.dup(0)
    os.close(number)
    with pytest.raises(StartError, match="no socket"):
        take_sockets("panel", words(), first=number)
