"""A card whose system is replaced by updates, and what its owner does about them in the panel."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.image.card import Card
from tests.integration.guest import sticks
from tests.integration.guest.machine import PATIENCE_S, wait_for
from tests.integration.guest.panel import Panel

INSTALL_S, JUDGE_S, HOUR = 1800.0, 1800.0, 3600.0
NOTES = "/data/nightjar-update"
PLACE = f"{NOTES}/test.raucb"
CHUNK = 8 << 20
API = "/api/v1/update"


class Updated(Card):
    """A card whose system may change under the test's hand."""

    def system(self) -> str:
        """Return the one that runs."""
        return str(self.shell("sed -n 's/.*rauc.slot=\\([AB]\\).*/\\1/p' /proc/cmdline")).strip()

    def version(self) -> str:
        return self.shell(". /usr/lib/os-release; echo $IMAGE_VERSION").strip()

    def history(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.run("cat", f"{NOTES}/history.jsonl").out.splitlines()]

    def count(self, outcome: str) -> int:
        """Return how often something has come of an update."""
        return sum(one["outcome"] == outcome for one in self.history())

    def hand_over(self, bundle: Path) -> None:
        """Bring a bundle onto the data partition, by a disk of exactly its bytes."""
        size, disk = bundle.stat().st_size, self.folder / "handed.img"
        disk.write_bytes(bundle.read_bytes() + bytes(-size % 512))
        name = self.plug(disk)
        (found,) = wait_for(lambda: sticks.disks(self), "the disk to appear", 300)
        self.must("sh", "-euc", f"head -c {size} /dev/{found} >{PLACE}", timeout_s=INSTALL_S)
        self.pull(name)

    def install(self, bundle: Path, *options: str) -> tuple[int, str]:
        """Have root ask RAUC for it, past the panel."""
        self.hand_over(bundle)
        ended = self.run("rauc", "install", *options, PLACE, timeout_s=INSTALL_S)
        self.must("rm", PLACE)
        return ended.code, ended.out + ended.err

    def until_judged(self, outcome: str, count: int = 1) -> dict[str, str]:
        """Wait until so many updates have come to something; return the last line of the history."""
        wait_for(lambda: self.count(outcome) >= count, f"{outcome!r}", JUDGE_S, 5)
        return self.history()[-1]

    def restart_into(self, name: str) -> None:
        """Have it restart, as often as it does by itself, until the boot script has chosen a system; wait until that is there."""
        before = self.starts()
        self.must("systemctl", "--no-block", "reboot")
        self.until_it_starts(name, before)

    def until_it_starts(self, name: str, before: int) -> None:
        """Wait for a start of a system after so many starts; what was said before it is forgotten."""
        wait_for(lambda: name in self._starts()[before:], f"a start of system {name}", 2 * HOUR, 1)
        self.forget()
        self.wait_until_booted()

    def forget(self) -> None:
        """Forget what the test's hand of a system that is gone has said."""
        self._inbox = b""
        self._agent.setblocking(False)
        try:
            while self._agent.recv(1 << 16):
                pass
        except BlockingIOError:
            self._agent.settimeout(1.0)

    def starts(self) -> int:
        """Return how often the boot script has chosen."""
        return len(self._starts())

    def _starts(self) -> list[str]:
        lines = self.console.read_text(errors="replace").splitlines()
        return [line.split("starting system ")[1][0] for line in lines if "nightjar: starting system " in line]


def told(panel: Panel) -> dict[str, Any]:
    """Return what the panel tells of updates."""
    answer: dict[str, Any] = panel.get(API).json()
    return answer


def upload(panel: Panel, bundle: Path, has: Callable[[int], object] = bool) -> None:
    """Bring a bundle as the page does, from where an earlier upload of it ended; `has` hears of each chunk that was confirmed."""
    data = bundle.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    wait_for(lambda: told(panel)["unavailable"] == "", "the updater to be known", JUDGE_S, 2)
    answer = panel.put(f"{API}/upload", {"size": len(data), "sha256": digest})
    assert answer.status == 200, answer.body
    have = answer.json()["have"]
    has(have)
    while have < len(data):
        path = f"{API}/upload/{digest}?offset={have}"
        answer = panel.send("PUT", path, data[have : have + CHUNK], "application/octet-stream")
        assert answer.status == 200, answer.body
        have = answer.json()["have"]
        has(have)


def upload_and_check(panel: Panel, bundle: Path) -> None:
    upload(panel, bundle)
    until_checked(panel)


def until_checked(panel: Panel) -> None:
    """Wait until the bundle that came was looked at and found good."""
    wait_for(lambda: (told(panel)["bundle"] or {}).get("state") == "checked", "the bundle to be looked at", INSTALL_S, 2)


def bring_by_stick(card: Card, panel: Panel, bundle: Path, folder: Path) -> None:
    """Bring a bundle on a stick that nobody has confirmed: nothing is taken from it until an admin says so."""
    image = sticks.make(folder / "update.img", "vfat", size_mib=(bundle.stat().st_size >> 20) + 64)
    subprocess.run(["mcopy", "-i", image, bundle, "::nightjar-update.raucb"], check=True)
    name = card.plug(image)

    def plugged() -> list[str]:
        return [one["fs_id"] for one in panel.get("/api/v1/usb").json()["sticks"] if one["fs_id"] == sticks.fs_id(image)]

    (fs_id,) = wait_for(plugged, "the stick to be shown", INSTALL_S, 3)
    assert (told(panel)["bundle"] or {}).get("state") in {None, "installed"}, "what was brought before is all there is"
    answer = panel.send("POST", f"{API}/stick", json.dumps({"fs_id": fs_id}).encode(), "application/json")
    assert answer.status == 202, answer.body
    until_checked(panel)
    card.pull(name)


def order_installation(panel: Panel) -> None:
    """Have the bundle that is here installed."""
    wanted = json.dumps({"sha256": told(panel)["bundle"]["sha256"]}).encode()
    answer = panel.send("POST", f"{API}/install", wanted, "application/json")
    assert answer.status == 202, answer.body


def install(panel: Panel) -> None:
    """Have the bundle that is here installed, and wait until it is."""
    order_installation(panel)
    wait_for(lambda: told(panel)["job"]["state"] in {"done", "failed"}, "the installation", INSTALL_S, 2)
    assert told(panel)["job"]["state"] == "done", told(panel)["job"]
    wait_for(lambda: told(panel)["is_restart_due"], "the updater to say what starts next", PATIENCE_S, 2)


def order_restart(panel: Panel) -> None:
    """Have the machine restart."""
    answer = panel.send("POST", f"{API}/restart", b'{"when": "now"}', "application/json")
    assert answer.status == 202, answer.body


def order_other_half(panel: Panel) -> None:
    """Have the machine start from its other half, once the updater tells which that is."""
    wait_for(lambda: len(told(panel)["halves"]) == 2, "the updater to tell of both halves", PATIENCE_S, 2)
    answer = panel.send("POST", f"{API}/other-half", b"", "application/json")
    assert answer.status == 202, answer.body
