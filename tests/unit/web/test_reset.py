"""The factory reset as the panel orders it: with the device's id and the password, written down before it happens."""

import pytest

from appliance.domain.errors import DeniedError
from appliance.web.app import Panel
from tests.unit.web.machinery import FakeFactoryReset
from tests.unit.web.world import PASSWORD, Caller, World, callers


@pytest.fixture
def machine(world: World) -> FakeFactoryReset:
    world.claim()
    assert isinstance(world.parts.factory_reset, FakeFactoryReset)
    return world.parts.factory_reset


@pytest.fixture
def admin(world: World, machine: FakeFactoryReset) -> Caller:
    return callers(Panel(world.parts), world)["admin"]


def acts(world: World) -> list[tuple[str, str]]:
    return [(one.action, one.detail) for one in world.parts.audit.page() if "factory reset" in one.action]


def form(world: World, **other: str) -> dict[str, str]:
    return {"device_id": world.parts.device_id, "password": PASSWORD, "pictures": "remove", **other}


def test_the_page_says_what_goes_and_asks_for_id_and_password(world: World, admin: Caller) -> None:
    page = admin.get("/machine/reset")
    assert page.status == 200
    assert "This cannot be undone" in page.text
    assert world.parts.device_id in page.text
    assert 'type="password"' in page.text
    assert 'value="remove" selected' in page.text


@pytest.mark.parametrize(("pictures", "kept"), [("remove", False), ("keep", True), ("", False), ("Keep", False)])
def test_it_is_ordered_and_written_down(
    world: World, machine: FakeFactoryReset, admin: Caller, pictures: str, kept: bool
) -> None:
    reply = admin.post("/machine/reset", form(world, pictures=pictures))
    assert reply.status == 200
    assert "It has begun" in reply.text
    assert machine.done == [kept]
    assert acts(world) == [("factory reset ordered", "pictures are kept" if kept else "pictures go, too")]


def test_the_id_may_be_typed_as_people_type_it(world: World, machine: FakeFactoryReset, admin: Caller) -> None:
    number = world.parts.device_id
    assert admin.post("/machine/reset", form(world, device_id=f" {number[:4].lower()}-{number[4:].lower()} ")).status == 200
    assert machine.done == [False]


@pytest.mark.parametrize(
    ("other", "status"),
    [
        ({"device_id": ""}, 400),
        ({"device_id": "00000000"}, 400),
        ({"password": ""}, 403),
        ({"password": "a guess of somebody"}, 403),
    ],
)
def test_without_both_nothing_happens(
    world: World, machine: FakeFactoryReset, admin: Caller, other: dict[str, str], status: int
) -> None:
    reply = admin.post("/machine/reset", form(world, **other))
    assert reply.status == status
    assert 'role="alert"' in reply.text
    assert (machine.done, acts(world)) == ([], [])


def test_a_password_cannot_be_guessed_there(world: World, machine: FakeFactoryReset, admin: Caller) -> None:
    codes = [admin.post("/machine/reset", form(world, password="a guess")).status for _ in range(12)]
    assert codes[-1] == 429
    assert admin.post("/machine/reset", form(world)).status == 429
    assert machine.done == []


def test_what_the_machine_refuses_is_told_and_written_down(world: World, machine: FakeFactoryReset, admin: Caller) -> None:
    machine.error = DeniedError("the machine's rules do not allow that")
    reply = admin.post("/machine/reset", form(world))
    assert reply.status >= 400
    assert "rules do not allow" in reply.text
    assert [action for action, _ in acts(world)] == ["factory reset refused", "factory reset ordered"]


def test_where_there_is_no_appliance_there_is_nothing_to_reset(world: World, machine: FakeFactoryReset, admin: Caller) -> None:
    machine.is_available = False
    assert "Only the appliance itself can be reset" in admin.get("/machine/reset").text
    assert admin.post("/machine/reset", form(world)).status >= 400
    assert (machine.done, acts(world)) == ([], [])
