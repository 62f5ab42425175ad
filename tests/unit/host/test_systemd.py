"""Three units and no other: what is asked of systemd, and that nothing that a caller says gets into it."""

import inspect

import pytest

from appliance.domain.errors import DeniedError, ServiceError, UnavailableError
from appliance.host.systemd import MANAGER, PATH, SERVICE, Units
from tests.integration.host.polkitroom import ALLOWED
from tests.unit.host.madeupbus import MadeUpBus

VERBS = {"restart_indi", "start_other_slot", "start_factory_reset"}


def asked_of(units_bus: MadeUpBus) -> None:
    units = Units(units_bus)
    units.restart_indi()
    units.start_other_slot()
    units.start_factory_reset()


def test_there_are_exactly_three_verbs_and_none_takes_anything() -> None:
    found = {name: method for name, method in inspect.getmembers(Units, inspect.isfunction) if not name.startswith("_")}
    assert set(found) == VERBS
    assert {name: list(inspect.signature(method).parameters) for name, method in found.items()} == {
        name: ["self"] for name in VERBS
    }


def test_each_asks_for_its_own_unit() -> None:
    bus = MadeUpBus()
    asked_of(bus)
    assert bus.asked == [
        (SERVICE, PATH, MANAGER, "RestartUnit", "ss", ("nightjar-indi.service", "replace")),
        (SERVICE, PATH, MANAGER, "StartUnit", "ss", ("nightjar-other-slot.service", "replace")),
        (SERVICE, PATH, MANAGER, "StartUnit", "ss", ("nightjar-factory-reset.service", "replace")),
    ]


def test_what_is_asked_for_is_what_the_polkit_rule_allows() -> None:
    bus = MadeUpBus()
    asked_of(bus)
    verbs = {"RestartUnit": "restart", "StartUnit": "start"}
    asked = [{"unit": body[0], "verb": verbs[str(method)]} for *_, method, _, body in bus.asked if isinstance(body, tuple)]
    assert asked == [dict(details) for details in ALLOWED["org.freedesktop.systemd1.manage-units"]]


@pytest.mark.parametrize("name", ["NoSuchUnit", "LoadFailed", "UnitMasked"])
def test_a_unit_that_is_not_there_is_a_state(name: str) -> None:
    bus = MadeUpBus({"RestartUnit": [ServiceError(f"{SERVICE}.{name}", "Unit nightjar-indi.service not found.")]})
    with pytest.raises(UnavailableError, match=r"^not available on this machine: nightjar-indi\.service$"):
        Units(bus).restart_indi()


@pytest.mark.parametrize("error", [DeniedError("no"), ServiceError(f"{SERVICE}.TransactionIsDestructive", "not now")])
def test_another_refusal_stays_what_it_is(error: DeniedError | ServiceError) -> None:
    with pytest.raises(type(error), match=str(error)):
        Units(MadeUpBus({"StartUnit": [error]})).start_factory_reset()
