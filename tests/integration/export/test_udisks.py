"""The service with the real bus, the real drives and the real child; udisks2 is made up, and its stick is a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from appliance.domain.job import JobState
from appliance.domain.stick import StickState
from appliance.host.bus import Bus
from appliance.host.drives import Drives
from tests.integration.export.bench import Bench, bench
from tests.integration.export.sky import Sky
from tests.integration.host.madeupudisks import MadeUpUdisks, made_up_udisks
from tests.integration.host.standin import Refusal, bare_bus

pytestmark = pytest.mark.needs("dbus-daemon", "sha256sum", "ionice")

OPTIONS = "noexec,nosuid,nodev,nosymfollow,noatime"


@dataclass(frozen=True)
class Stall:
    """A bus with a udisks2, and a service that listens to it."""

    udisks: MadeUpUdisks
    bench: Bench

    def wait_for(self, state: StickState) -> None:
        """Let the service work until its only stick stands so."""
        self.bench.run_until(lambda: [stick.state for stick in self.bench.published.value] == [state])


@contextmanager
def stall(sky: Sky, speed_mib_s: int = 500) -> Iterator[Stall]:
    folder = sky.data.parent / "bus"
    folder.mkdir()
    with (
        bare_bus(folder) as address,
        made_up_udisks(address, sky.mount) as udisks,
        bench(sky.data, sky.mount, speed_mib_s=speed_mib_s, drives=Drives(Bus(address))) as service,
    ):
        yield Stall(udisks, service)


def test_a_stick_that_comes_is_filled_and_switched_off(sky: Sky) -> None:
    with stall(sky) as one:
        one.bench.run(2)
        assert list(one.bench.published.value) == []
        one.udisks.plug()
        one.wait_for(StickState.DONE)
        assert one.bench.published.value[0].is_safe_to_remove
        assert one.bench.job.state is JobState.DONE
        assert one.udisks.methods() == ["Mount", "Unmount", "PowerOff"]
        options = {"options": ("s", OPTIONS), "auth.no_user_interaction": ("b", True)}
        assert one.udisks.calls[0].body == (options,)
    sky.assert_whole()


def test_pulled_in_mid_copy_and_plugged_in_again_it_goes_on(sky: Sky) -> None:
    sky.add("2026-01-31", 20, size=700_000)
    with stall(sky, speed_mib_s=4) as one:
        one.udisks.plug()
        one.bench.run_until(lambda: bool(list(sky.mount.rglob("20260131T*.jpg"))))
        one.udisks.pull()
        one.bench.run_until(lambda: one.bench.job.state is JobState.WAITING)
        assert list(one.bench.published.value) == []
        assert 0 < len(list(sky.mount.rglob("20260131T*.jpg"))) < 30
        one.udisks.plug()
        one.wait_for(StickState.DONE)
        assert len(one.bench.jobs.recent()) == 1
        assert one.udisks.methods() == ["Mount", "Mount", "Unmount", "PowerOff"]
        assert one.bench.board.issues == ()
    sky.assert_whole()


def test_udisks_that_starts_anew_in_mid_copy_is_weather(sky: Sky) -> None:
    sky.add("2026-01-31", 20, size=700_000)
    with stall(sky, speed_mib_s=4) as one:
        one.udisks.plug()
        one.bench.run_until(lambda: bool(list(sky.mount.rglob("20260131T*.jpg"))))
        known = one.udisks.objects
        one.udisks.leave()
        one.bench.run(3)
        assert one.bench.job.state is JobState.RUNNING
        one.udisks.come_back(known)
        one.wait_for(StickState.DONE)
        assert one.udisks.methods() == ["Mount", "Unmount", "PowerOff"]
    sky.assert_whole()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Error.NotAuthorized", "the rules of this machine do not allow it"),
        ("Error.OptionNotPermitted", "not allowed"),
        ("Error.Failed", "not allowed"),
    ],
)
def test_a_stick_that_cannot_be_mounted_is_told_about(sky: Sky, name: str, words: str) -> None:
    with stall(sky) as one:
        one.udisks.refusal = Refusal(name, "Mount option `nosymfollow' is not allowed")
        one.udisks.plug()
        one.wait_for(StickState.FAILED)
        assert words in one.bench.published.value[0].reason
        assert one.bench.job.state is JobState.FAILED
        assert "export.stick" in [issue.key for issue in one.bench.board.issues]
    assert not list(sky.mount.iterdir())
