"""The network, as far as no NetworkManager is needed."""

import pytest

from appliance.domain.errors import MachineError
from appliance.host.network import ROOT, SERVICE, Network, NetworkState
from tests.unit.host.madeupbus import MadeUpBus


def test_one_question_answers_all() -> None:
    bus = MadeUpBus({"GetManagedObjects": [({},)]})
    assert Network(bus).state() == NetworkState("not known", ())
    assert bus.asked == [(SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", ())]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (10, "not managed"),
        (20, "no cable, or switched off"),
        (30, "not connected"),
        (40, "connecting"),
        (90, "connecting"),
        (100, "connected"),
        (110, "disconnecting"),
        (120, "failed"),
        (-1, "not managed"),
    ],
)
def test_every_state_has_its_words(state: int, words: str) -> None:
    told = {"/1": {f"{SERVICE}.Device": {"DeviceType": 1, "State": state}}}
    (link,) = Network(MadeUpBus({"GetManagedObjects": [(told,)]})).state().links
    assert (link.state, link.is_connected) == (words, state == 100)


def test_a_list_that_is_none_is_an_error() -> None:
    with pytest.raises(MachineError, match="no list of devices"):
        Network(MadeUpBus({"GetManagedObjects": [(None,)]})).state()
