"""The page of the machine, its API and what an admin does there; the machine itself is made up."""

import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.commands import PowerOff, Reboot
from appliance.domain.errors import DeniedError, InputError, MachineError, UnavailableError
from appliance.domain.frame import CameraStatus, Exposure, FrameKind
from appliance.domain.power import PowerPhase, PowerState
from appliance.web.app import Panel
from appliance.web.machine import MachineKeeper
from appliance.web.machineforms import moment_of_form, moment_of_text, name_of, zone_of, zones
from tests.unit.web.machinery import (
    FakeClockState,
    FakeHostName,
    FakeLink,
    FakeNetwork,
    FakeNetworkState,
    FakeSlot,
    FakeSlots,
    FakeTimeAndDate,
    FakeUpdates,
)
from tests.unit.web.world import Caller, World, callers

BERLIN = ZoneInfo("Europe/Berlin")


class Bench:
    """A claimed panel that has read its made-up machine."""

    def __init__(self, world: World) -> None:
        self.parts = world.parts
        assert isinstance(world.parts.time_and_date, FakeTimeAndDate)
        assert isinstance(world.parts.host_name, FakeHostName)
        assert isinstance(world.parts.network, FakeNetwork)
        assert isinstance(world.parts.updates, FakeUpdates)
        self.clock, self.name = world.parts.time_and_date, world.parts.host_name
        self.network, self.updates = world.parts.network, world.parts.updates
        world.claim()
        self.panel = Panel(world.parts)
        self.read()
        found = callers(self.panel, world)
        self.admin, self.staff, self.token = found["admin"], found["staff"], found["token admin"]

    def read(self) -> None:
        for _ in range(4):
            self.panel.step()

    def acts(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.detail) for entry in self.parts.audit.page() if entry.action not in EARLIER]

    def api(self, caller: Caller, method: str, path: str, body: object) -> int:
        text = json.dumps(body).encode()
        return caller.call(method, f"/api/v1/machine/{path}", text, {"x_csrf_token": caller.csrf}, "application/json").status


EARLIER = {"claimed", "logged in", "account created", "token created"}


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


# Looking


def test_staff_sees_the_machine_and_is_offered_nothing(bench: Bench) -> None:
    page = bench.staff.get("/machine")
    assert page.status == 200
    assert "https://nightjar.local" in page.text
    assert "on, and the clock follows it" in page.text
    assert "Europe/Berlin" in page.text
    assert not re.findall(r'<form|href="/machine/', page.text)


def test_an_admin_is_offered_everything(bench: Bench) -> None:
    page = bench.admin.get("/machine").text
    for target in (
        "/machine/restart",
        "/machine/off",
        "/machine/time",
        "/machine/network-time",
        "/machine/zone",
        "/machine/name",
    ):
        assert f'"{target}"' in page
    assert '<option value="Europe/Vienna">' in page
    assert "Use UTC here too" in page
    assert 'href="/machine"' in bench.staff.get("/system").text


def test_network_and_slots_are_shown(bench: Bench) -> None:
    page = bench.staff.get("/machine").text
    for words in ("Internet: reached.", "192.0.2.20/24, 2001:db8::20/64", "1000 Mbit/s", "1.2.0, proved"):
        assert words in page
    assert "<dt>A, running</dt>" in page
    assert "version not known, has not proved itself" in page
    assert "at work" not in page


def test_a_wifi_name_is_shown_as_text_and_an_update_is_told(bench: Bench) -> None:
    link = FakeLink("wlan0", "Wi-Fi", "not connected", False, (), "", 65, "<script>x</script>", 0)
    bench.network.now = FakeNetworkState("no network", (link,))
    bench.updates.now = FakeSlots((FakeSlot("A", is_booted=True),), "installing")
    bench.panel = Panel(bench.parts)
    bench.read()
    page = Caller(bench.panel, cookie=bench.staff.cookie).get("/machine").text
    assert "Wi-Fi, &lt;script&gt;x&lt;/script&gt;, signal 0 %" in page
    assert "65 Mbit/s" not in page, "it is not connected"
    assert "The updater is at work: installing." in page
    assert "<dd>version not known</dd>" in page
    bench.network.now = FakeNetworkState(links=())
    bench.panel = Panel(bench.parts)
    bench.read()
    assert "neither a cable socket nor Wi-Fi" in Caller(bench.panel, cookie=bench.staff.cookie).get("/machine").text


def test_without_networkmanager_and_rauc_the_page_says_so(bench: Bench) -> None:
    bench.network.error = UnavailableError("not available on this machine: NetworkManager")
    bench.updates.error = UnavailableError("not available on this machine: RAUC")
    bench.panel = Panel(bench.parts)
    bench.read()
    page = Caller(bench.panel, cookie=bench.staff.cookie).get("/machine")
    assert page.status == 200
    for name in ("NetworkManager", "RAUC"):
        assert f"ot available on this machine: {name}" in page.text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (FakeClockState(can_ntp=False), "not installed"),
        (FakeClockState(ntp_enabled=False), "off"),
        (FakeClockState(ntp_synchronised=False), "on, but no server has answered yet"),
    ],
)
def test_the_state_of_network_time_is_said(bench: Bench, state: FakeClockState, words: str) -> None:
    bench.clock.now = state
    bench.panel = Panel(bench.parts)
    bench.read()
    admin = Caller(bench.panel, cookie=bench.admin.cookie)
    assert f"<dd>{words}</dd>" in admin.get("/machine").text
    assert ("/machine/network-time" in admin.get("/machine").text) is state.can_ntp


def test_a_service_that_is_missing_is_a_state_of_the_page(bench: Bench) -> None:
    reason = "not available on this machine: timedate1"
    bench.clock.error, bench.name.error = UnavailableError(reason), UnavailableError("not available on this machine: hostname1")
    bench.parts.power_state.publish(PowerState(PowerPhase.RUNNING, unavailable="not available on this machine: login1"))
    bench.panel = Panel(bench.parts)
    bench.read()
    admin = Caller(bench.panel, cookie=bench.admin.cookie, csrf=bench.admin.csrf)
    page = admin.get("/machine")
    assert page.status == 200
    for service in ("timedate1", "hostname1", "login1"):
        assert f"ot available on this machine: {service}." in page.text
    assert not re.findall(r'<form|href="/machine/', page.text)
    told = json.loads(admin.get("/api/v1/machine").text)
    assert (told["time"], told["host_name"], told["unavailable"][0]) == (None, None, reason)
    refused = admin.post("/machine/zone", {"zone": "Europe/Vienna"})
    assert (refused.status, reason[1:] in refused.text) == (409, True)
    assert admin.get("/machine/network-time").status == admin.get("/machine/time").status == 200


def test_pages_ask_the_machine_nothing(bench: Bench) -> None:
    """A dead D-Bus takes its time; whoever opens a page does not wait for it."""
    bench.clock.error = bench.name.error = UnavailableError("whoever asks gets this")
    for target in ("/machine", "/machine/time", "/machine/zone?zone=UTC", "/machine/name?name=roof", "/api/v1/machine"):
        page = bench.admin.get(target)
        assert (page.status, "whoever asks" in page.text) == (200, False)


# Power


@pytest.mark.parametrize(
    ("path", "what", "command", "entry"),
    [("restart", "restart", Reboot(), "restart ordered"), ("off", "off", PowerOff(), "switching off ordered")],
)
def test_an_order_is_confirmed_then_put_into_the_box_and_noted_once(
    bench: Bench, path: str, what: str, command: Reboot | PowerOff, entry: str
) -> None:
    bench.parts.camera.publish(CameraStatus("exposing", exposure=Exposure(FrameKind.LIGHT, 30.0, 1.0)))
    asked = bench.admin.get(f"/machine/{path}")
    assert (asked.status, len(bench.parts.power)) == (200, 0)
    assert "A frame of 30 s is being taken" in asked.text
    assert f'action="/machine/{path}"' in asked.text
    answer = bench.admin.post(f"/machine/{path}")
    assert (answer.status, answer.header("location")) == (303, f"/machine/going?what={what}")
    assert bench.parts.power.take(0) == command
    assert bench.acts() == [(entry, "")]


def test_a_program_orders_with_a_token_of_scope_admin(bench: Bench) -> None:
    answer = bench.token.call("POST", "/api/v1/machine/restart", b"", {}, "application/json")
    assert (answer.status, answer.text) == (202, '{"accepted":"restart"}')
    assert bench.parts.power.take(0) == Reboot()
    assert bench.token.call("POST", "/api/v1/machine/off", b"", {}, "application/json").status == 202
    assert bench.parts.power.take(0) == PowerOff()


def test_the_page_of_a_going_machine_follows_the_order(bench: Bench) -> None:
    assert bench.staff.get("/machine/going").header("location") == "/machine"
    bench.admin.post("/machine/off")
    waiting = bench.staff.get("/machine/going?what=off")
    assert "The order is on its way." in waiting.text
    assert "Pull the plug" in waiting.text
    bench.parts.power.clear()
    bench.parts.power_state.publish(PowerState(PowerPhase.STORING, Reboot(), "The running frame is stored first."))
    storing = bench.staff.get("/machine/going").text
    assert "The running frame is stored first." in storing
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in storing
    assert "about to restart" in bench.staff.get("/machine").text
    assert '"/machine/restart"' not in bench.admin.get("/machine").text
    bench.parts.power_state.publish(PowerState(PowerPhase.GOING, Reboot()))
    assert 'content="120; url=/machine"' in bench.staff.get("/machine/going").text
    bench.parts.power_state.publish(PowerState(PowerPhase.GOING, PowerOff()))
    assert "refresh" not in bench.staff.get("/machine/going").text, "the panel will not be there"


def test_an_order_that_was_refused_is_told(bench: Bench) -> None:
    bench.parts.power_state.publish(PowerState(PowerPhase.RUNNING, Reboot(), "The machine was not restarted: no such right."))
    assert "The machine was not restarted: no such right." in bench.staff.get("/machine").text
    assert bench.staff.get("/machine/going").status == 303
    assert json.loads(bench.staff.get("/api/v1/machine").text)["power"]["message"].startswith("The machine was not")


# Time


def test_the_browsers_time_is_taken(bench: Bench) -> None:
    page = bench.admin.get("/machine/time").text
    assert 'name="browser_ms"' in page
    assert "Network time stays as it is" in page
    answer = bench.admin.post("/machine/time", {"browser_ms": "1790000000123"})
    assert answer.header("location") == "/machine?done=time-set"
    assert bench.clock.done == [datetime(2026, 9, 21, 14, 13, 20, 123000, tzinfo=UTC)]
    [(action, detail)] = bench.acts()
    assert action == "time set"
    assert detail.endswith("to 2026-09-21T14:13:20.123Z")
    assert "<dd>off</dd>" in bench.admin.get("/machine").text, "network time is off, and the page knows at once"


def test_a_typed_time_is_in_the_machines_zone(bench: Bench) -> None:
    assert "Date and time in Europe/Berlin" in bench.admin.get("/machine/time").text
    assert bench.admin.post("/machine/time", {"time": "2026-07-01 22:15:30"}).status == 303
    assert bench.clock.done == [datetime(2026, 7, 1, 20, 15, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"time": "soon"},
        {"time": "2026-02-30 12:00"},
        {"time": "2025-12-31 12:00"},
        {"time": "2100-01-02 12:00"},
        {"browser_ms": "1e12"},
        {"browser_ms": "-1"},
        {"browser_ms": "0"},
        {"browser_ms": "9" * 40},
        {"browser_ms": "999999999999999"},
        {"browser_ms": "١٧٩"},
    ],
)
def test_a_time_that_cannot_be_right_is_refused(bench: Bench, form: dict[str, str]) -> None:
    assert bench.admin.post("/machine/time", form).status == 400
    assert bench.clock.done == bench.acts() == []


@pytest.mark.parametrize("error", [DeniedError("the rules of this machine say no"), MachineError("no answer")])
def test_what_the_machine_refuses_is_told_and_not_noted(bench: Bench, error: MachineError) -> None:
    bench.clock.error = bench.name.error = error
    for path, form in (
        ("time", {"browser_ms": "1790000000123"}),
        ("zone", {"zone": "UTC"}),
        ("network-time", {"on": "no"}),
        ("name", {"name": "roof"}),
    ):
        refused = bench.admin.post(f"/machine/{path}", form)
        assert refused.status == 409, path
        assert str(error)[1:] in refused.text
    assert bench.acts() == []


def test_network_time_is_switched(bench: Bench) -> None:
    assert 'name="on" value="no"' in bench.admin.get("/machine/network-time").text
    assert bench.admin.post("/machine/network-time", {"on": "no"}).header("location") == "/machine?done=network-time-off"
    assert 'name="on" value="yes"' in bench.admin.get("/machine/network-time").text
    assert bench.admin.post("/machine/network-time", {"on": "yes"}).header("location") == "/machine?done=network-time-on"
    assert bench.clock.done == [False, True]
    assert bench.acts() == [("network time switched on", ""), ("network time switched off", "")]
    assert bench.admin.post("/machine/network-time", {"on": "maybe"}).status == 400


def test_a_zone_is_confirmed_and_set(bench: Bench) -> None:
    assert "Europe/Vienna, where it is" in bench.admin.get("/machine/zone?zone=Europe/Vienna").text
    assert bench.clock.done == []
    assert bench.admin.post("/machine/zone", {"zone": "Europe/Vienna"}).header("location") == "/machine?done=zone-set"
    assert bench.clock.done == ["Europe/Vienna"]
    assert bench.acts() == [("time zone set", "from Europe/Berlin to Europe/Vienna")]


@pytest.mark.parametrize("name", ["", "Nowhere", "../../etc/passwd", "/etc/localtime", "Europe/Vienna\n", "x" * 4000])
def test_a_zone_that_does_not_exist_is_refused(bench: Bench, name: str) -> None:
    expected = 303 if name.strip() == "Europe/Vienna" else 400
    assert bench.admin.post("/machine/zone", {"zone": name}).status == expected
    assert bench.clock.done == (["Europe/Vienna"] if expected == 303 else [])


def test_a_zone_that_the_machine_made_up_breaks_no_page(bench: Bench) -> None:
    bench.clock.now = FakeClockState(timezone="../../etc/passwd")
    bench.panel = Panel(bench.parts)
    bench.read()
    assert Caller(bench.panel, cookie=bench.admin.cookie).get("/machine").status == 200


def test_zones_are_places_that_exist() -> None:
    assert {"UTC", "Europe/Vienna", "America/Argentina/Buenos_Aires"} <= set(zones())
    assert not {"GMT0", "localtime", "Factory", "posix/UTC"} & set(zones())
    assert zone_of(" Europe/Vienna ") == "Europe/Vienna"


# Name


def test_a_name_is_confirmed_and_set(bench: Bench) -> None:
    page = bench.admin.get("/machine/name?name=Roof").text
    assert "https://roof.local" in page
    assert "certificate follows" in page
    assert bench.admin.post("/machine/name", {"name": "roof"}).header("location") == "/machine?done=named"
    assert bench.name.now == "roof"
    assert bench.acts() == [("machine named", "from nightjar to roof")]
    assert "https://roof.local" in bench.admin.get("/machine").text


@pytest.mark.parametrize("name", ["", "-roof", "roof-", "a.b", "a b", "ü", "x" * 64, "localhost", "a\u0000", "<b>"])
def test_a_name_that_cannot_be_used_is_refused(bench: Bench, name: str) -> None:
    assert bench.admin.post("/machine/name", {"name": name}).status == 400
    assert (bench.name.now, bench.acts()) == ("nightjar", [])


# Programs


@pytest.mark.parametrize(
    ("path", "body", "entry"),
    [
        ("time", {"time": "2026-09-21T16:13:20+02:00"}, "time set"),
        ("zone", {"zone": "UTC"}, "time zone set"),
        ("network-time", {"on": False}, "network time switched off"),
        ("name", {"name": "roof"}, "machine named"),
    ],
)
def test_programs_change_the_same(bench: Bench, path: str, body: object, entry: str) -> None:
    assert bench.api(bench.admin, "PUT", path, body) == 200
    assert [action for action, _ in bench.acts()] == [entry]
    assert bench.api(bench.staff, "PUT", path, body) == 403


@pytest.mark.parametrize("body", [None, [], {}, {"other": 1}, {"time": 5}, {"time": "now"}, {"time": "2026-09-21T16:13:20"}, "x"])
def test_what_is_no_time_is_refused(bench: Bench, body: object) -> None:
    assert bench.api(bench.admin, "PUT", "time", body) == 400


def test_a_word_is_no_yes(bench: Bench) -> None:
    assert bench.api(bench.admin, "PUT", "network-time", {"on": "false"}) == 400
    assert bench.api(bench.admin, "PUT", "network-time", {"on": 0}) == 400


# The keeper and the parsers by themselves


class SteppedClock:
    """A clock that a test moves."""

    rate = 1.0

    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 31, tzinfo=UTC) + timedelta(seconds=self.at_s)

    def monotonic(self) -> float:
        return self.at_s


def test_one_service_is_asked_a_step_and_each_every_ten_seconds() -> None:
    clock, time, name, network, updates = SteppedClock(), FakeTimeAndDate(), FakeHostName(), FakeNetwork(), FakeUpdates()
    keeper = MachineKeeper(time, name, network, updates, clock)
    assert keeper.time.reason == keeper.name.reason == keeper.network.reason == keeper.slots.reason == "not asked yet"
    keeper.step()
    assert (keeper.time.value, keeper.name.value) == (FakeClockState(), None)
    keeper.step()
    assert keeper.name.value == "nightjar"
    keeper.step()
    keeper.step()
    assert (keeper.network.value, keeper.slots.value) == (FakeNetworkState(), FakeSlots())
    name.now = "roof"
    clock.at_s = 9.0
    keeper.step()
    assert keeper.name.value == "nightjar"
    clock.at_s = 10.0
    keeper.step()
    keeper.step()
    assert keeper.name.value == "roof"
    name.error = UnavailableError("gone")
    clock.at_s = 20.0
    for _ in range(3):
        keeper.step()
    assert (keeper.name.value, keeper.name.reason) == (None, "gone")
    for clock.at_s in (59.0, 60.0):
        for _ in range(5):
            keeper.step()
        assert updates.asked == (1 if clock.at_s < 60 else 2), "the slots are read once a minute"


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_typed_is_a_time_within_bounds_or_refused(typed: str, from_browser: str) -> None:
    for form in ({"time": typed}, {"browser_ms": from_browser}):
        try:
            when = moment_of_form(form, BERLIN)
        except InputError:
            continue
        assert 2026 <= when.year < 2100


@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_that_python_writes_is_read_or_out_of_bounds(when: datetime) -> None:
    try:
        assert moment_of_text(when.isoformat()) == when
    except InputError:
        assert not 2026 < when.year < 2100 or (when.utcoffset() or timedelta()).seconds % 60 != 0


@given(st.text(max_size=70))
def test_whatever_is_typed_is_a_name_that_certificates_take_or_refused(text: str) -> None:
    try:
        name = name_of(text)
    except InputError:
        return
    assert re.fullmatch("[a-z0-9-]{1,63}", name)
