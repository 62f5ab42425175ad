"""A room with the real polkitd, and the list of what polkit shall allow."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import cast

from tests.integration.host.busroom import OVERLAY, Account, Room, bus_room

POLKITD = Path("/usr/lib/polkit-1/polkitd")

# --- What passes, and nothing else ------------------------------------------------------------------------------------------

USB_STICK = {"drive.removable": "true", "drive.removable.bus": "usb"}
Details = Mapping[str, str]

NETWORK = (
    "org.freedesktop.NetworkManager.network-control",
    "org.freedesktop.NetworkManager.settings.modify.system",
    "org.freedesktop.NetworkManager.checkpoint-rollback",
    "org.freedesktop.NetworkManager.wifi.scan",
    "org.freedesktop.NetworkManager.enable-disable-wifi",
    "org.freedesktop.NetworkManager.wifi.share.protected",
)
"""What user nightjar may do also where polkit does not tell the unit: NetworkManager names who asks by a number only."""

ALLOWED: Mapping[str, tuple[Details, ...]] = {
    **dict.fromkeys(
        (
            "org.freedesktop.login1.power-off",
            "org.freedesktop.login1.power-off-multiple-sessions",
            "org.freedesktop.login1.reboot",
            "org.freedesktop.login1.reboot-multiple-sessions",
            "org.freedesktop.login1.inhibit-delay-shutdown",
            "org.freedesktop.timedate1.set-time",
            "org.freedesktop.timedate1.set-timezone",
            "org.freedesktop.timedate1.set-ntp",
            "org.freedesktop.hostname1.set-static-hostname",
            *NETWORK,
        ),
        ({},),
    ),
    **dict.fromkeys(
        ("org.freedesktop.udisks2.filesystem-mount", "org.freedesktop.udisks2.filesystem-mount-other-seat"),
        tuple({**USB_STICK, "id.type": kind} for kind in ("vfat", "exfat", "ext4")),
    ),
    **dict.fromkeys(
        (
            "org.freedesktop.udisks2.power-off-drive",
            "org.freedesktop.udisks2.power-off-drive-other-seat",
            "org.freedesktop.udisks2.eject-media",
            "org.freedesktop.udisks2.eject-media-other-seat",
        ),
        (USB_STICK,),
    ),
    "org.freedesktop.systemd1.manage-units": (
        {"unit": "nightjar-indi.service", "verb": "restart"},
        {"unit": "nightjar-other-slot.service", "verb": "start"},
        {"unit": "nightjar-factory-reset.service", "verb": "start"},
    ),
}
"""Every action that the panel's unit may do, each with the alternatives of what polkit must be told beside it."""

IMPLIED = frozenset(
    {
        "org.freedesktop.login1.inhibit-delay-sleep",
        "org.freedesktop.login1.set-wall-message",
        "org.freedesktop.hostname1.set-hostname",
        "org.freedesktop.hostname1.set-machine-info",
    }
)
"""What polkit allows besides: the services declare these as contained in one of the others, and no rule can take them out."""

LOOP = {"id.type": "vfat", "id.usage": "filesystem", "device": "/dev/loop0", "drive": "/dev/loop0"}
TRANSIENT = {"unit": "nightjar-other-slot.service", "verb": "start"} | {
    "polkit.message": "Authentication is required to start transient unit '$(unit)'."
}

DETAILS: tuple[Details, ...] = (
    {},
    *({**USB_STICK, "id.type": kind} for kind in ("vfat", "exfat", "ext4", "ext3", "ntfs", "btrfs", "hfsplus", "VFAT", "")),
    USB_STICK,
    {"drive.removable.bus": "usb", "id.type": "vfat"},
    {"drive.removable": "true", "id.type": "vfat"},
    {"drive.removable": "true", "drive.removable.bus": "ata", "id.type": "ext4"},
    {"drive.removable": "true", "drive.removable.bus": "sdio", "id.type": "vfat"},
    LOOP,
    {"unit": "nightjar-indi.service"},
    {"verb": "restart"},
    *(
        {"unit": unit, "verb": verb}
        for unit in (*(f"nightjar-{name}.service" for name in ("indi", "other-slot", "factory-reset")), "nightjar.service")
        for verb in ("start", "stop", "restart", "set-property")
    ),
    TRANSIENT,
)
"""What polkit may be told with an action: the details that count, near misses, and what belongs to other actions."""


def passes(action: str, details: Details) -> bool:
    """Return whether the panel's own rule shall allow this; what polkit implies is not in it."""
    if action == "org.freedesktop.systemd1.manage-units" and "transient" in details.get("polkit.message", ""):
        return False
    return any(wanted.items() <= details.items() for wanted in ALLOWED.get(action, ()))


SEEN_AS = """
// Loaded before the rule under test: polkit before 124 does not say in which unit a process is. Here its group says it.
(function () {
    var add = polkit.addRule;
    polkit.addRule = function (rule) {
        add.call(polkit, function (action, subject) {
            if (subject.isInGroup("as-panel")) {
                subject.system_unit = "nightjar.service";
                subject.no_new_privileges = true;
            } else if (subject.isInGroup("as-panel-with-privileges")) {
                subject.system_unit = "nightjar.service";
                subject.no_new_privileges = false;
            } else if (subject.isInGroup("as-other-unit")) {
                subject.system_unit = "nightjar-other.service";
                subject.no_new_privileges = true;
            }
            return rule(action, subject);
        });
    };
}());
"""


@dataclass(frozen=True)
class Asker:
    """A running process, as polkit is told of it."""

    account: Account
    pid: int
    start_time: int


class Answer(Enum):
    """Whether it is authorized, and whether a password would be asked for, of whoever has one."""

    REFUSED = (False, False)
    GRANTED = (True, False)
    CHALLENGED = (False, True)


@dataclass(frozen=True)
class Polkit:
    """The polkitd of a room, asked as a service of root's would ask it."""

    room: Room

    def _call(self, method: str, signature: str, *body: object) -> object:
        name = "org.freedesktop.PolicyKit1"
        [found] = self.room.client.call(
            name, "/org/freedesktop/PolicyKit1/Authority", f"{name}.Authority", method, signature, body
        )
        return found

    def asker(self, account: Account) -> Asker:
        command = ("sh", "-c", "cat /proc/$$/stat && exec sleep infinity")
        process = self.room.start(*command, account=account, stdout=subprocess.PIPE)
        assert process.stdout is not None
        stat = process.stdout.readline()
        process.stdout.close()
        assert stat, self.room.said()
        return Asker(account, int(stat.split()[0]), int(stat.rpartition(")")[2].split()[19]))

    def ask(self, asker: Asker, action: str, details: Details) -> Answer:
        subject = {"pid": ("u", asker.pid), "start-time": ("t", asker.start_time), "uid": ("i", asker.account.uid)}
        body = (("unix-process", subject), action, dict(details), 0, "")
        answer = cast("tuple[bool, bool, object]", self._call("CheckAuthorization", "(sa{sv})sa{ss}us", *body))
        return Answer((answer[0], answer[1]))

    def actions(self) -> dict[str, int]:
        """Return every action that is known here, with what it gives anybody without a rule (5: allowed, 0: refused)."""
        found = cast("list[tuple[str, str, str, str, str, str, int]]", self._call("EnumerateActions", "s", "C"))
        return {action[0]: action[6] for action in found}


@contextmanager
def polkit_room(logs: Path, *, is_unit_known: bool, rules: Sequence[Path] | None = None) -> Iterator[Polkit]:
    """Make a room with a bus and the real polkitd, which reads Debian's rules and ours.

    `is_unit_known`: have it say in which unit a process is, as polkit 124 and later do under systemd.
    """
    shipped = {path.name: path.read_text() for path in Path("/usr/share/polkit-1/rules.d").iterdir()}
    ours = {path.name: path.read_text() for path in rules or (OVERLAY / "usr/share/polkit-1/rules.d").iterdir()}
    with bus_room(logs) as room:
        room.lay("/usr/share/polkit-1/rules.d", {**shipped, **ours, **({"00-seen-as.rules": SEEN_AS} if is_unit_known else {})})
        room.lay("/etc/polkit-1/rules.d", {})
        room.serve("org.freedesktop.PolicyKit1", POLKITD)
        yield Polkit(room)
