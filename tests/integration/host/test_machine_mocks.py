"""Power, clock, name and units on a private bus with made-up services: every verb that would change a real machine."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.domain.errors import DeniedError, InputError, MachineError, ServiceError, UnavailableError
from appliance.host.bus import RESYNC, Bus
from appliance.host.clock import ClockState, TimeAndDate
from appliance.host.hostname import HostName
from appliance.host.power import Power
from appliance.host.systemd import Units
from tests.integration.host.mockbus import CLOCK, LOGIN, NAME, START_S, SYSTEMD, MockBus, Where, mock_bus

pytestmark = pytest.mark.needs("dbus-daemon")

WHEN = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
WHEN_US = 1795494600_000000
NO = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"


@pytest.fixture
def mocks(tmp_path: Path) -> Iterator[MockBus]:
    with mock_bus(tmp_path / "bus") as bus:
        yield bus


@dataclass(frozen=True)
class Verb:
    """Something that is asked of a service."""

    where: Where
    method: str
    signature: str
    ask: Callable[[Bus], object]


VERBS = (
    Verb(LOGIN, "PowerOff", "b", lambda bus: Power(bus).power_off()),
    Verb(LOGIN, "Reboot", "b", lambda bus: Power(bus).reboot()),
    Verb(LOGIN, "Inhibit", "ssss", lambda bus: Power(bus).inhibit("why")),
    Verb(CLOCK, "SetTime", "xbb", lambda bus: TimeAndDate(bus).set_time(WHEN)),
    Verb(CLOCK, "SetTimezone", "sb", lambda bus: TimeAndDate(bus).set_timezone("UTC")),
    Verb(CLOCK, "SetNTP", "bb", lambda bus: TimeAndDate(bus).set_ntp(True)),
    Verb(NAME, "SetStaticHostname", "sb", lambda bus: HostName(bus).set_name("roof")),
    Verb(SYSTEMD, "RestartUnit", "ss", lambda bus: Units(bus).restart_indi()),
    Verb(SYSTEMD, "StartUnit", "ss", lambda bus: Units(bus).start_other_slot()),
    Verb(SYSTEMD, "StartUnit", "ss", lambda bus: Units(bus).start_factory_reset()),
)
READS: tuple[Callable[[Bus], object], ...] = (lambda bus: TimeAndDate(bus).state(), lambda bus: HostName(bus).name())


def test_the_clock_is_set_after_the_network_has_let_go_of_it(mocks: MockBus) -> None:
    clock = TimeAndDate(Bus(mocks.address))
    assert clock.state() == ClockState("Etc/Utc", ntp_enabled=True, ntp_synchronised=True, can_ntp=True)
    mocks.refuse(CLOCK, "SetTime", "xbb", "org.freedesktop.timedate1.AutomaticTimeSyncEnabled", times=2)
    clock.set_time(WHEN)
    assert clock.state().ntp_enabled, "or a machine without a clock of its own would forget the time with its power"
    first, *tries, last = mocks.texts("timedate1", "SetNTP", "SetTime")
    assert (first, last) == ("SetNTP False False", "SetNTP True False")
    moments_us = [int(text.removeprefix("SetTime ").removesuffix(" False False")) - WHEN_US for text in tries]
    print(f"set {moments_us} us after the moment that was asked for, which is the time that the tries took")
    assert len(moments_us) == 3
    assert 0 <= moments_us[0] < moments_us[0] + 400_000 <= moments_us[2] < START_S * 1e6


def test_a_clock_that_cannot_be_set_goes_on_following_the_network(mocks: MockBus) -> None:
    clock = TimeAndDate(Bus(mocks.address))
    mocks.refuse(CLOCK, "SetTime", "xbb", "org.freedesktop.DBus.Error.AccessDenied")
    with pytest.raises(DeniedError):
        clock.set_time(WHEN)
    assert clock.state().ntp_enabled


def test_a_clock_without_network_time_is_set_at_once(mocks: MockBus) -> None:
    clock = TimeAndDate(Bus(mocks.address))
    mocks.set(CLOCK, NTP=("b", False), CanNTP=("b", False), NTPSynchronized=("b", False), Timezone=("s", "Europe/Vienna"))
    assert clock.state() == ClockState("Europe/Vienna", ntp_enabled=False, ntp_synchronised=False, can_ntp=False)
    clock.set_time(WHEN)
    assert [text.split()[0] for text in mocks.texts("timedate1", "SetNTP", "SetTime")] == ["SetTime"]


def test_zone_network_time_and_name_are_set(mocks: MockBus) -> None:
    bus = Bus(mocks.address)
    TimeAndDate(bus).set_timezone("Europe/Vienna")
    TimeAndDate(bus).set_ntp(False)
    HostName(bus).set_name("roof-2")
    assert TimeAndDate(bus).state() == ClockState("Europe/Vienna", ntp_enabled=False, ntp_synchronised=False, can_ntp=True)
    assert HostName(bus).name() == "roof-2"
    mocks.set(NAME, StaticHostname=("s", ""), Hostname=("s", "by-dhcp"))
    assert HostName(bus).name() == "by-dhcp"
    for zone in ("Europe/Paris", "../UTC", "UTC\n", ""):
        with pytest.raises(InputError):
            TimeAndDate(bus).set_timezone(zone)
    assert len(mocks.calls("timedate1", "SetTimezone")) == 1


def test_exactly_three_units_are_asked_for(mocks: MockBus) -> None:
    units = Units(Bus(mocks.address))
    for ask in (units.restart_indi, units.start_other_slot, units.start_factory_reset):
        ask()
    assert mocks.texts("systemd1", "StartUnit", "StopUnit", "RestartUnit") == [
        'RestartUnit "nightjar-indi.service" "replace"',
        'StartUnit "nightjar-other-slot.service" "replace"',
        'StartUnit "nightjar-factory-reset.service" "replace"',
    ]
    mocks.refuse(SYSTEMD, "StartUnit", "ss", "org.freedesktop.systemd1.NoSuchUnit")
    with pytest.raises(UnavailableError, match=r"not available on this machine: nightjar-other-slot\.service$"):
        units.start_other_slot()
    mocks.refuse(SYSTEMD, "RestartUnit", "ss", "org.freedesktop.systemd1.TransactionIsDestructive")
    with pytest.raises(ServiceError, match="the rules say no"):
        units.restart_indi()


def test_a_shutdown_is_heard_of_also_when_it_began_while_the_bus_was_away(mocks: MockBus) -> None:
    with closing(Power(Bus(mocks.address)).watch_shutdown()) as watch:
        for is_on in (True, False):
            mocks.prepare_for_shutdown(is_on=is_on)
            assert watch.take(START_S) is is_on
        assert watch.take(0.1) is None
        mocks.kill()
        mocks.start()
        mocks.set(LOGIN, PreparingForShutdown=("b", True))
        assert watch.take(START_S) is True
        mocks.set(LOGIN, PreparingForShutdown=("b", False))
        while (said := watch.take(0.5)) is not None:
            assert said is RESYNC, "nothing but that services came and went"


def test_what_the_rules_refuse_is_said_as_that(mocks: MockBus) -> None:
    bus = Bus(mocks.address)
    for verb in VERBS:
        mocks.refuse(verb.where, verb.method, verb.signature, NO)
        with pytest.raises(DeniedError, match="the rules of this machine do not allow it"):
            verb.ask(bus)
    assert mocks.locks() == []


def test_where_there_is_no_service_or_no_bus_that_is_said(mocks: MockBus) -> None:
    for address in (mocks.address, "unix:path=/nonexistent/bus"):
        mocks.end_services()
        bus = Bus(address)
        for ask in (*(verb.ask for verb in VERBS), *READS):
            with pytest.raises(UnavailableError, match="not available on this machine: systemd"):
                ask(bus)


def test_an_answer_of_another_shape_is_an_error_of_the_machines(mocks: MockBus) -> None:
    bus = Bus(mocks.address)
    mocks.set(CLOCK, NTP=("s", "yes"))
    mocks.set(NAME, StaticHostname=("u", 7))
    mocks.answer(CLOCK, "ListTimezones", ("", "s"), "ret = 'UTC'")
    asks: tuple[Callable[[Bus], object], ...] = (*READS, lambda bus: TimeAndDate(bus).set_timezone("UTC"))
    for ask in asks:
        with pytest.raises(MachineError, match="not understood"):
            ask(bus)
