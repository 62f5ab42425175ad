"""The polkit rule in the real polkitd, asked for every action it knows, and before the real services that ask it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.integration.host.busroom import (
    ACCOUNTS,
    AS_NO_UNIT,
    BELOW,
    COMMANDS,
    PANEL,
    STRANGERS,
    VISITOR,
    Account,
    Room,
    missing_right,
)
from tests.integration.host.polkitroom import (
    ALLOWED,
    DETAILS,
    IMPLIED,
    NETWORK,
    POLKITD,
    USB_STICK,
    Answer,
    Asker,
    Polkit,
    passes,
    polkit_room,
)
from tests.unit.rootfs.test_polkit_rules import ACTIONS

pytestmark = [pytest.mark.needs(*COMMANDS, str(POLKITD)), pytest.mark.skipif(missing_right() != "", reason=missing_right())]

SERVICES = ("login1", "timedate1", "hostname1", "udisks2", "NetworkManager", "systemd1")
GIVEN_TO_ANYBODY = 5


@pytest.fixture(scope="module")
def polkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polkit]:
    with polkit_room(tmp_path_factory.mktemp("polkit") / "logs", is_unit_known=True) as polkit:
        yield polkit


@pytest.fixture(scope="module")
def askers(polkit: Polkit) -> dict[int, Asker]:
    return {account.uid: polkit.asker(account) for account in ACCOUNTS}


def owners(actions: dict[str, int]) -> dict[str, int]:
    return {name: len([action for action in actions if action.startswith(f"org.freedesktop.{name}.")]) for name in SERVICES}


def test_polkit_knows_the_actions_of_all_six_services_and_the_list_has_them(polkit: Polkit) -> None:
    actions = polkit.actions()
    known = owners(actions)
    print(f"actions: {known}")
    assert all(known.values()), known
    assert {action for action in actions if action.split(".")[2] in SERVICES} <= set(ACTIONS)
    assert set(ALLOWED) | IMPLIED <= set(actions)


def test_the_panel_gets_exactly_the_listed_verbs(polkit: Polkit, askers: dict[int, Asker]) -> None:
    asker = askers[PANEL.uid]
    answers = {
        (action, number): polkit.ask(asker, action, details)
        for action in polkit.actions()
        for number, details in enumerate(DETAILS)
    }
    wrong = {
        (action, str(details)): answer
        for (action, number), answer in answers.items()
        for details in [DETAILS[number]]
        if answer != (Answer.GRANTED if action in IMPLIED or passes(action, details) else Answer.REFUSED)
    }
    assert wrong == {}
    assert {action for (action, _), answer in answers.items() if answer == Answer.GRANTED} == set(ALLOWED) | IMPLIED
    print(f"asked {len(answers)} times")


@pytest.mark.parametrize("account", STRANGERS, ids=lambda account: f"{account.user}-{account.gid}")
def test_ours_outside_the_unit_get_nothing_but_the_network_by_number_and_are_not_asked_for_a_password(
    polkit: Polkit, askers: dict[int, Asker], account: Account
) -> None:
    asker = next(asker for asker in askers.values() if asker.account == account)
    answers = {action: {polkit.ask(asker, action, of) for of in ALLOWED.get(action, ({},))} for action in polkit.actions()}
    is_known_by_number = account.user == "nightjar" and account.gid == AS_NO_UNIT
    assert {action for action, said in answers.items() if said != {Answer.REFUSED}} == set(NETWORK if is_known_by_number else ())
    assert {said for action in NETWORK for said in answers[action]} == {Answer.GRANTED if is_known_by_number else Answer.REFUSED}


def test_on_others_the_rule_has_no_effect(polkit: Polkit, askers: dict[int, Asker]) -> None:
    asker = askers[VISITOR.uid]
    for action, given in polkit.actions().items():
        expected = Answer.GRANTED if given == GIVEN_TO_ANYBODY else Answer.CHALLENGED if given else Answer.REFUSED
        for details in ALLOWED.get(action, ({},)):
            assert polkit.ask(asker, action, details) == expected, action


def test_without_a_known_unit_nothing_but_the_network_passes(tmp_path: Path) -> None:
    """Debian 12's polkit says nothing of units, as one of later versions when it cannot be sure of the process."""
    with polkit_room(tmp_path / "logs", is_unit_known=False) as polkit:
        for account in (PANEL, *STRANGERS):
            asker = polkit.asker(account)
            asked = [(action, details) for action in polkit.actions() for details in ALLOWED.get(action, ({},))]
            granted = {action for action, details in asked if polkit.ask(asker, action, details) == Answer.GRANTED}
            assert granted == set(NETWORK if account.user == "nightjar" else ()), account
            challenged = [action for action, details in asked if polkit.ask(asker, action, details) == Answer.CHALLENGED]
            assert challenged == [], account


def test_a_rule_that_was_not_loaded_would_be_noticed(tmp_path: Path) -> None:
    broken = tmp_path / "50-nightjar.rules"
    broken.write_text("polkit.addRule(function (action, subject) { return")
    with polkit_room(tmp_path / "logs", is_unit_known=True, rules=[broken]) as polkit:
        asker = polkit.asker(PANEL)
        assert polkit.ask(asker, "org.freedesktop.timedate1.set-time", {}) == Answer.CHALLENGED
        assert polkit.ask(asker, "org.freedesktop.login1.set-self-linger", {}) == Answer.GRANTED


# --- The real services ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(polkit: Polkit) -> Room:
    """Have logind, timedated and hostnamed on the bus; none of them can change clock, power or name of the machine."""
    for name, program in (("login1", "logind"), ("timedate1", "timedated"), ("hostname1", "hostnamed")):
        polkit.room.serve(f"org.freedesktop.{name}", Path(f"/lib/systemd/systemd-{program}"))
    return polkit.room


def busctl(room: Room, account: Account, *words: str) -> subprocess.CompletedProcess[str]:
    address = f"--address={room.environment['DBUS_SYSTEM_BUS_ADDRESS']}"
    return room.run("busctl", address, "--allow-interactive-authorization=no", *words, account=account)


LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
TIMEDATED = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1", "org.freedesktop.timedate1")
HOSTNAMED = ("org.freedesktop.hostname1", "/org/freedesktop/hostname1", "org.freedesktop.hostname1")


@pytest.mark.parametrize("account", [PANEL, *STRANGERS, VISITOR], ids=lambda account: f"{account.user}-{account.gid}")
def test_everybody_reads(served: Room, account: Account) -> None:
    for where, name in ((TIMEDATED, "Timezone"), (HOSTNAMED, "StaticHostname"), (LOGIND, "PreparingForShutdown")):
        ended = busctl(served, account, "get-property", *where, name)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("question", "panel"), [("CanPowerOff", "yes"), ("CanReboot", "yes"), ("CanHalt", "no"), ("CanSuspend", "no")]
)
def test_logind_tells_the_panel_alone_that_it_may(served: Room, question: str, panel: str) -> None:
    # A machine that cannot sleep at all answers `na`, whoever asks.
    assert busctl(served, PANEL, "call", *LOGIND, question).stdout.strip() in (f's "{panel}"', 's "na"')
    for account in STRANGERS:
        assert busctl(served, account, "call", *LOGIND, question).stdout.strip() in ('s "no"', 's "na"')
    assert busctl(served, VISITOR, "call", *LOGIND, question).stdout.strip() in ('s "challenge"', 's "na"')


def test_the_panel_holds_a_shutdown_up_and_its_other_selves_cannot(served: Room) -> None:
    def inhibit(account: Account, what: str, mode: str) -> subprocess.CompletedProcess[str]:
        return busctl(served, account, "call", *LOGIND, "Inhibit", "ssss", what, "Nightjar", "a frame is stored", mode)

    assert inhibit(PANEL, "shutdown", "delay").stdout.startswith("h ")
    assert "denied" in inhibit(PANEL, "shutdown", "block").stderr.lower()
    assert "denied" in inhibit(PANEL, "handle-power-key", "block").stderr.lower()
    for account in STRANGERS:
        assert "denied" in inhibit(account, "shutdown", "delay").stderr.lower()
    assert inhibit(VISITOR, "shutdown", "delay").stdout.startswith("h ")  # as Debian has it for everybody


def test_hostnamed_keeps_the_number_of_the_machine_from_the_panel(served: Room) -> None:
    for account in (PANEL, *STRANGERS):
        ended = busctl(served, account, "call", *HOSTNAMED, "GetHardwareSerial")
        assert "denied" in ended.stderr.lower(), ended.stderr


# --- The real udisks, and a loop device -------------------------------------------------------------------------------------

LOOK = 'SUBSYSTEM=="block", KERNEL=="loop*", IMPORT{builtin}="blkid"\n'
IMAGE = f"/{BELOW}/stick.img"
MOUNTS = ("org.freedesktop.udisks2.filesystem-mount", "org.freedesktop.udisks2.filesystem-mount-other-seat")


@pytest.fixture(scope="module")
def loop(polkit: Polkit) -> Iterator[str]:
    """Have root make a loop device of a vfat file system with udisks; udevd looks at it, and does nothing else."""
    room = polkit.room
    room.lay("/usr/lib/udev/rules.d", {"60-look.rules": LOOK})
    room.lay("/etc/udev", {})
    room.start("/lib/systemd/systemd-udevd", "--resolve-names=never")
    room.serve("org.freedesktop.UDisks2", "/usr/libexec/udisks2/udisksd")
    room.must("sh", "-euc", f"truncate -s 8M {IMAGE} && mkfs.vfat {IMAGE} && chmod 0666 {IMAGE}")
    said = room.must("udisksctl", "loop-setup", f"--file={IMAGE}", "--no-user-interaction")
    [device] = re.findall(r"/dev/loop\d+", said)
    state = Path(device).stat()
    yield device
    room.must("losetup", "--detach", device)
    Path(device).chmod(state.st_mode & 0o777)


def udisksctl(polkit: Polkit, account: Account, verb: str, *words: str) -> str:
    ended = polkit.room.run("udisksctl", verb, *words, "--no-user-interaction", account=account)
    assert ended.returncode != 0
    return ended.stderr


@pytest.mark.needs("udisksctl", "mkfs.vfat", "losetup")
def test_a_loop_device_is_no_stick(polkit: Polkit, loop: str, askers: dict[int, Asker]) -> None:
    monitor = polkit.room.monitor("interface='org.freedesktop.PolicyKit1.Authority',member='CheckAuthorization'")
    for account in (PANEL, *STRANGERS):
        assert "NotAuthorized:" in udisksctl(polkit, account, "mount", f"--block-device={loop}")
    assert "NotAuthorizedCanObtain" in udisksctl(polkit, VISITOR, "mount", f"--block-device={loop}")
    _, action, details, *_ = monitor.next_call().body
    monitor.close()
    # A loop device counts as one of the system's: no verb that any rule of ours names. Were it not one, it has still no drive.
    assert action == "org.freedesktop.udisks2.filesystem-mount-system"
    seen = cast("dict[str, str]", details)
    assert seen["id.type"] == "vfat"
    assert [key for key in seen if key.startswith("drive.")] == []
    for mount in MOUNTS:
        assert polkit.ask(askers[PANEL.uid], mount, seen) == Answer.REFUSED
        assert polkit.ask(askers[PANEL.uid], mount, {**seen, **USB_STICK}) == Answer.GRANTED


@pytest.mark.needs("udisksctl", "mkfs.vfat", "losetup")
def test_the_panel_makes_no_loop_device_and_formats_nothing(polkit: Polkit, loop: str) -> None:
    for account in (PANEL, *STRANGERS):
        assert "NotAuthorized:" in udisksctl(polkit, account, "loop-setup", f"--file={IMAGE}")
        assert "NotAuthorized:" in udisksctl(polkit, account, "loop-delete", f"--block-device={loop}")
        path = f"/org/freedesktop/UDisks2/block_devices/{Path(loop).name}"
        where = ("org.freedesktop.UDisks2", path, "org.freedesktop.UDisks2.Block")
        assert "Not authorized" in busctl(polkit.room, account, "call", *where, "Format", "sa{sv}", "vfat", "0").stderr
        assert busctl(polkit.room, account, "get-property", *where, "IdType").stdout == 's "vfat"\n'
