"""The machine's name, as far as no hostnamed is needed."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.domain.errors import InputError, MachineError
from appliance.host.hostname import INTERFACE, PATH, SERVICE, HostName
from tests.unit.host.madeupbus import MadeUpBus


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"StaticHostname": "roof", "Hostname": "by-dhcp"}, "roof"),
        ({"StaticHostname": "", "Hostname": "by-dhcp"}, "by-dhcp"),
        ({"Hostname": "by-dhcp"}, "by-dhcp"),
    ],
)
def test_the_given_name_counts_before_the_one_for_now(told: dict[str, object], name: str) -> None:
    assert HostName(MadeUpBus(properties=told)).name() == name


@pytest.mark.parametrize("told", [{}, {"StaticHostname": 7}, {"StaticHostname": "", "Hostname": None}])
def test_a_name_that_is_none_is_an_error(told: dict[str, object]) -> None:
    with pytest.raises(MachineError, match="not understood"):
        HostName(MadeUpBus(properties=told)).name()


@pytest.mark.parametrize("name", ["a", "7", "roof", "roof-2", "a--b", "x" * 63])
def test_a_name_is_set_for_good(name: str) -> None:
    bus = MadeUpBus()
    HostName(bus).set_name(name)
    assert bus.asked == [(SERVICE, PATH, INTERFACE, "SetStaticHostname", "sb", (name, False))]


@given(st.text(max_size=70))
@example("")
@example("x" * 64)
@example("-roof")
@example("roof-")
@example("Roof")
@example("roof.local")
@example("roof\n")
@example("röf")
@example("localhost")
@example("٣")
def test_what_is_no_label_is_refused_and_not_asked_for(name: str) -> None:
    bus = MadeUpBus()
    is_label = name.isascii() and re.fullmatch("[a-z0-9-]{1,63}", name) and name.strip("-") == name and name != "localhost"
    if is_label:
        HostName(bus).set_name(name)
        assert len(bus.asked) == 1
    else:
        with pytest.raises(InputError):
            HostName(bus).set_name(name)
        assert bus.asked == []
