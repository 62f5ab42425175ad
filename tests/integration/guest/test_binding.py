"""polkit 126 under systemd: who may do what, asked of the real services by the panel's unit and by others like it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.guest import recipe
from tests.integration.guest.callers import (
    Call,
    Caller,
    in_a_bare_unit_of_its_name,
    in_another_unit,
    in_the_panel_s_place,
)
from tests.integration.guest.machine import Guest

pytestmark = [pytest.mark.needs(*recipe.COMMANDS), pytest.mark.timeout(2400)]

LOGIN = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
TIME = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1", "org.freedesktop.timedate1")
NAME = ("org.freedesktop.hostname1", "/org/freedesktop/hostname1", "org.freedesktop.hostname1")
SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
NETWORK = ("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager")

IN_JANUARY_2031_US = 1_925_000_000_000_000
CLOCK = (
    Call(*TIME, "SetNTP", "bb", (False, False)),
    Call(*TIME, "SetTime", "xbb", (IN_JANUARY_2031_US, False, False)),
    Call(*TIME, "SetTimezone", "sb", ("Pacific/Kiritimati", False)),
    Call(*NAME, "SetStaticHostname", "sb", ("roof", False)),
)
UNITS = (
    Call(*SYSTEMD, "RestartUnit", "ss", ("nightjar-indi.service", "replace")),
    Call(*SYSTEMD, "StartUnit", "ss", ("nightjar-other-slot.service", "replace")),
    Call(*SYSTEMD, "StartUnit", "ss", ("nightjar-factory-reset.service", "replace")),
)
IMPLIED = (
    Call(*NAME, "SetHostname", "sb", ("roof-for-now", False)),
    Call(*NAME, "SetPrettyHostname", "sb", ("Roof", False)),
    Call(*NAME, "SetChassis", "sb", ("server", False)),
)
"""systemd's own policy gives these to whoever may set the static name (`imply`), whatever a rule says of them."""
ALLOWED = (*CLOCK, *UNITS)
REFUSED = (
    Call(*TIME, "SetLocalRTC", "bbb", (True, False, False)),
    Call(*LOGIN, "Halt", "b", (False,)),
    Call(*LOGIN, "Suspend", "b", (False,)),
    Call(*LOGIN, "SetUserLinger", "ubb", (0, True, False)),
    Call(*LOGIN, "Inhibit", "ssss", ("shutdown", "test", "test", "block")),
    Call(*SYSTEMD, "StopUnit", "ss", ("nightjar-indi.service", "replace")),
    Call(*SYSTEMD, "StartUnit", "ss", ("nightjar-indi.service", "replace")),
    Call(*SYSTEMD, "RestartUnit", "ss", ("nightjar-other-slot.service", "replace")),
    Call(*SYSTEMD, "RestartUnit", "ss", ("dbus.service", "replace")),
    Call(*SYSTEMD, "StartUnit", "ss", ("rescue.target", "replace")),
    Call(*SYSTEMD, "KillUnit", "ssi", ("nightjar-indi.service", "all", 9)),
    Call(*SYSTEMD, "MaskUnitFiles", "asbb", (["nightjar-indi.service"], True, True)),
    Call(*SYSTEMD, "Reload"),
    Call(*SYSTEMD, "SetEnvironment", "as", (["A=1"],)),
    Call(*SYSTEMD, "StartTransientUnit", "ssa(sv)a(sa(sv))", ("nightjar-other-slot.service", "replace", [], [])),
)
POWER = tuple(Call(*LOGIN, f"Can{verb}") for verb in ("PowerOff", "Reboot"))
PERMISSIONS = Call(*NETWORK, "GetPermissions")
OURS = {
    *("network-control", "settings.modify.system", "checkpoint-rollback"),
    *("wifi.scan", "enable-disable-wifi", "wifi.share.protected"),
}

DUMMY = "[Service]\nType=oneshot\nExecStart=/bin/true\n"


@pytest.fixture(scope="module")
def ready(guest: Guest) -> Iterator[Guest]:
    """Return the guest with the two units that the image will bring; whatever a test sets is as before afterwards."""
    names = ("nightjar-other-slot", "nightjar-factory-reset")
    for name in names:
        guest.must("/usr/bin/tee", f"/run/systemd/system/{name}.service", stdin=DUMMY.encode())
    guest.must("systemctl", "daemon-reload")
    yield guest
    guest.shell("rm " + " ".join(f"/run/systemd/system/{name}.service" for name in names) + "; systemctl daemon-reload")
    guest.must("systemctl", "start", "nightjar.service")


@pytest.fixture(scope="module")
def panel(ready: Guest) -> Iterator[Caller]:
    with in_the_panel_s_place(ready) as caller:
        yield caller


@pytest.fixture(scope="module")
def others(ready: Guest) -> Iterator[dict[str, Caller]]:
    with ExitStack() as running:
        yield {
            user: running.enter_context(in_another_unit(ready, user, f"other-{user}"))
            for user in ("nightjar", "nightjar-indi", "nobody")
        }


def test_the_probe_has_the_panel_s_sandbox(ready: Guest, panel: Caller) -> None:
    status = panel.guest.python("answer = open('/proc/self/status').read()", via=panel.socket)
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert told["NoNewPrivs"] == "1"
    assert told["Seccomp"] == "2"
    assert told["CapBnd"] == "0" * 16
    uid = ready.must("id", "-u", "nightjar").strip()
    assert ready.properties("nightjar.service", "MainPID", "NoNewPrivileges")["NoNewPrivileges"] == "yes"
    assert ready.shell("stat -c %u /proc/$(systemctl show -P MainPID nightjar.service)").strip() == uid


def test_the_panel_may_do_what_is_listed_and_nothing_else(ready: Guest, panel: Caller) -> None:
    before = ready.must("date", "+%s").strip()
    indi = ready.properties("nightjar-indi.service", "InvocationID")
    try:
        assert panel.outcomes(ALLOWED) == {str(call): "yes" for call in ALLOWED}
        assert ready.must("date", "+%Y").strip() == "2031"
        assert ready.must("readlink", "/etc/localtime").strip().endswith("Pacific/Kiritimati")
        assert ready.must("cat", "/etc/hostname").strip() == "roof"
    finally:
        back = f"xbb {before}000000 false false"  # with the clock of the hardware: a later restart begins with that
        ready.shell(
            f"busctl call {' '.join(TIME)} SetTime {back}; timedatectl set-timezone UTC; hostnamectl set-hostname nightjar"
        )
    assert ready.properties("nightjar-indi.service", "InvocationID") != indi
    assert panel.outcomes(REFUSED) == {str(call): "no" for call in REFUSED}
    try:
        assert panel.outcomes(IMPLIED) == {str(call): "yes" for call in IMPLIED}
    finally:
        ready.shell("hostnamectl set-hostname nightjar; hostnamectl --pretty set-hostname ''; hostnamectl set-chassis ''")
    assert [said for _, said in panel.ask(POWER)] == ["('yes',)", "('yes',)"]


def test_the_same_user_outside_the_unit_and_other_users_are_refused(others: dict[str, Caller]) -> None:
    calls = (*ALLOWED, *IMPLIED, *REFUSED, Call(*LOGIN, "Reboot", "b", (False,)), Call(*LOGIN, "PowerOff", "b", (False,)))
    assert {user: caller.outcomes(calls) for user, caller in others.items()} == {
        user: {str(call): "no" for call in calls} for user in others
    }
    assert {said for _, said in others["nightjar"].ask(POWER)} == {"('no',)"}


def test_network_manager_gives_its_verbs_to_our_user_and_to_nobody_else(panel: Caller, others: dict[str, Caller]) -> None:
    said = {who: caller.ask([PERMISSIONS])[0][1] for who, caller in {"panel": panel, **others}.items()}
    print(said)
    given = {who: set(re.findall(r"org\.freedesktop\.NetworkManager\.([a-z.-]+)': 'yes'", text)) for who, text in said.items()}
    # It names who asks by a number, so that polkit does not tell the unit: the user has to do.
    assert given == {"panel": OURS, "nightjar": OURS, "nightjar-indi": set(), "nobody": set()}


def test_the_unit_without_no_new_privileges_is_refused(ready: Guest, panel: Caller) -> None:
    """Last in this file: it takes the place of the panel's probe."""
    with in_a_bare_unit_of_its_name(ready) as caller:
        status = ready.python("answer = open('/proc/self/status').read()", via=caller.socket)
        assert "NoNewPrivs:\t0" in status
        calls = (*ALLOWED, *IMPLIED, *REFUSED, Call(*LOGIN, "Reboot", "b", (False,)))
        assert caller.outcomes(calls) == {str(call): "no" for call in calls}
