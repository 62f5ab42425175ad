"""The country of the radios: an order to root, and what the panel is told of it."""

from pathlib import Path

import pytest

from appliance.domain.errors import InputError, MachineError, UnavailableError
from appliance.host.bus import Bus
from appliance.host.connections import Connections
from appliance.host.radiocountry import RadioCountry


def test_two_letters_are_left_for_roots_group_to_read(tmp_path: Path) -> None:
    assert RadioCountry(tmp_path).order(" at ") == "AT"
    assert [path.name for path in tmp_path.iterdir()] == ["wifi-country"]
    assert (tmp_path / "wifi-country").read_text() == "AT\n"
    assert (tmp_path / "wifi-country").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("typed", ["", "A", "AUT", "A1", "ÄT", "A\nT", "../x"])
def test_anything_else_is_refused(tmp_path: Path, typed: str) -> None:
    with pytest.raises(InputError, match="two letters"):
        RadioCountry(tmp_path).order(typed)
    assert list(tmp_path.iterdir()) == []


def test_without_root_to_read_it_nothing_is_ordered(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "missing"):
        assert not RadioCountry(folder).is_available
        with pytest.raises(UnavailableError):
            RadioCountry(folder).order("AT")
    (tmp_path / "wifi-country").mkdir()
    with pytest.raises(MachineError, match="cannot be ordered"):
        RadioCountry(tmp_path).order("AT")


def test_what_root_has_set_is_shown_before_what_the_kernel_was_started_with(tmp_path: Path) -> None:
    connections = Connections(Bus("unix:path=/nonexistent/bus"), tmp_path)
    assert connections.country() == ""
    for name, text in (("sys/module/cfg80211/parameters/ieee80211_regdom", "00"), ("run/nightjar-firstboot/wifi-country", "AT")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"{text}\n")
        assert connections.country() == ("" if text == "00" else "AT")
