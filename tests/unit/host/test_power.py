"""Power, as far as no logind is needed: what is asked for, what a signal means, that a lock is given back once."""

import os

import pytest

from appliance.domain.errors import DeniedError, UnavailableError
from appliance.host.bus import RESYNC, Signal
from appliance.host.power import MANAGER, PATH, SERVICE, Power
from tests.unit.host.madeupbus import MadeUpBus

LOGIND = (SERVICE, PATH, MANAGER)


def prepare(*body: object) -> Signal:
    return Signal(PATH, MANAGER, "PrepareForShutdown", body)


def test_nobody_is_asked_for_a_password() -> None:
    bus = MadeUpBus()
    Power(bus).power_off()
    Power(bus).reboot()
    assert bus.asked == [(*LOGIND, "PowerOff", "b", (False,)), (*LOGIND, "Reboot", "b", (False,))]


def test_a_lock_delays_a_shutdown_and_is_given_back_once() -> None:
    reader, writer = os.pipe()
    bus = MadeUpBus({"Inhibit": [(writer,)]})
    lock = Power(bus).inhibit("a reason")
    assert bus.asked == [(*LOGIND, "Inhibit", "ssss", ("shutdown", "nightjar", "a reason", "delay"))]
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    lock.close()
    assert os.read(reader, 1) == b"", "nobody holds it any more"
    again = os.open("/dev/null", os.O_RDONLY)  # most likely of the same number
    lock.close()
    os.close(again)
    os.close(reader)


def test_what_is_refused_is_raised() -> None:
    bus = MadeUpBus({"Inhibit": [DeniedError("no")], "Reboot": [UnavailableError("not here")]})
    with pytest.raises(DeniedError):
        Power(bus).inhibit("a reason")
    with pytest.raises(UnavailableError):
        Power(bus).reboot()


def test_a_signal_says_that_the_machine_goes_or_stays() -> None:
    bus = MadeUpBus()
    watch = Power(bus).watch_shutdown()
    assert bus.asked == [(SERVICE, PATH, MANAGER, "PrepareForShutdown")]
    bus.said = [prepare(True), prepare(False), None, prepare(), prepare("true"), prepare(1), prepare(True, False)]
    assert [watch.take(0.1) for _ in range(7)] == [True, False, None, None, None, None, None]
    watch.close()
    assert not bus.is_listening


@pytest.mark.parametrize(("told", "means"), [(True, True), (False, RESYNC), ("true", RESYNC), (UnavailableError("away"), RESYNC)])
def test_after_a_gap_logind_is_asked_whether_the_machine_goes(told: object, means: object) -> None:
    bus = MadeUpBus(properties={"PreparingForShutdown": told})
    bus.said = [RESYNC]
    assert Power(bus).watch_shutdown().take(0.1) is means
