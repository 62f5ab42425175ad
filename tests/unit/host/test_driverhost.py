"""Driver hosts, as far as nothing has to be started."""

from pathlib import Path

import pytest

from appliance.domain.errors import CameraError
from appliance.host.driverhost import ChildDriverHost, StaticDriverHost


def test_every_run_has_a_socket_name_of_its_own() -> None:
    one, other = ChildDriverHost(("indi_a",)), ChildDriverHost(("indi_a",))
    assert one.address[0].startswith("localhost:/nightjar-")
    assert one.address != other.address


def test_names_and_paths_are_drivers() -> None:
    assert ChildDriverHost(("indi_simulator_ccd", Path("/opt/sky-driver"))).drivers == ("indi_simulator_ccd", "/opt/sky-driver")


def test_a_path_with_a_space_is_known_by_its_last_part() -> None:
    assert ChildDriverHost((Path("/home/me/my programs/nightjar-sky"),)).drivers == ("nightjar-sky",)


@pytest.mark.parametrize("name", ["two words", "-v", "dev@host:7624", 'quo"te', "new\nline", "", "ümlaut"])
def test_a_word_that_the_servers_language_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(CameraError, match="a driver's name cannot be"):
        ChildDriverHost((name,))


def test_a_host_that_was_not_started_takes_no_commands_and_closes() -> None:
    host = ChildDriverHost(("indi_simulator_ccd",))
    assert not host.is_running
    assert host.pid is None
    with pytest.raises(CameraError, match="does not run"):
        host.start_driver("indi_simulator_ccd")
    host.tend()
    host.close()


def test_a_driver_that_was_not_given_is_refused() -> None:
    with pytest.raises(CameraError, match="none of the drivers"):
        ChildDriverHost(("indi_simulator_ccd",)).start_driver("indi_asi_ccd")


def test_a_missing_indiserver_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    host = ChildDriverHost(("indi_simulator_ccd",))
    with pytest.raises(CameraError, match=r"setpriv and indiserver not found.*indi-bin"):
        host.start()
    assert not host.is_running


def test_a_server_of_others_is_reached_and_not_touched() -> None:
    host = StaticDriverHost("observatory.local", 7624)
    assert (host.address, host.drivers, host.is_running) == (("observatory.local", 7624), (), True)
    host.start()
    host.restart()
    host.tend()
    host.close()
    for verb in (host.start_driver, host.stop_driver):
        with pytest.raises(CameraError, match="not ours"):
            verb("indi_simulator_ccd")
