"""A card with the image on it, in an emulated machine: U-Boot starts from the image's own partitions.

The image stays as it ships. QEMU hands systemd credentials: the test's hand (`guest/agent.py`), the unit that runs it, and what
pulls that in. Names in the firmware's channel are short, hence `t.service`, and a mount in the place of its own.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bundle import unpack
from tests.integration.guest import agent
from tests.integration.guest.machine import Machine, free_ports

CARD_SIZE = "4G"
"""Larger than the image, as every card is: the rest becomes the data partition."""
MOMENT = "healthy"
PROCESSOR = "max,pauth=off,sve=off,sme=off"
"""With what the processor of a Pi has: to emulate signed return addresses and long vectors takes a third of a start."""
CHANNEL = "opt/io.systemd.credentials/"
UNIT = """\
[Unit]
Description=The test's hand in the machine
DefaultDependencies=no
Requires=dev-virtio\\x2dports-nightjar\\x2dtest.device
After=dev-virtio\\x2dports-nightjar\\x2dtest.device systemd-tmpfiles-setup.service dbus.socket

[Service]
ImportCredential=agent
ExecStart=/bin/sh -c 'exec /usr/bin/python3 -I "$CREDENTIALS_DIRECTORY/agent"'
OOMScoreAdjust=-1000
"""
PULLED_IN = """\
[Unit]
Description=Temporary Directory /tmp
ConditionPathIsSymbolicLink=!/tmp
DefaultDependencies=no
Conflicts=umount.target
Before=local-fs.target umount.target
After=swap.target
Wants=t.service

[Mount]
What=tmpfs
Where=/tmp
Type=tmpfs
Options=mode=1777,strictatime,nosuid,nodev,size=50%%,nr_inodes=1m
"""
"""Debian's own unit, with the test's hand wanted: the only name of a unit at every start that is short enough."""
COMMANDS = ("qemu-system-aarch64", "qemu-img", "xz")


def unpacked(packed: Path, folder: Path) -> Path:
    """Unpack the image, if it is packed; holes stay holes."""
    if packed.suffix != ".xz":
        return packed.resolve()
    image = folder / packed.name.removesuffix(".xz")
    unpack(packed, image)
    image.chmod(0o444)
    return image


@dataclass(frozen=True)
class Cable:
    """How a machine hangs on a network."""

    words: tuple[str, ...] = ()
    """QEMU's, of the network card and of what is behind it; without any there is no network card."""
    room: tuple[str, ...] = ()
    """The command in which QEMU runs, where that is not among the networks of this computer."""


NO_CABLE = Cable()


class Card(Machine):
    """The image on a card of its own, above which everything is written that the machine writes."""

    def __init__(
        self,
        image: Path,
        u_boot: Path,
        folder: Path,
        *,
        is_counted: bool = False,
        is_kept: bool = False,
        cable: Cable | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Prepare it.

        Parameters
        ----------
        image : Path
            As it ships, or the card of another machine that has ended.
        u_boot : Path
        folder : Path
            For what belongs to this card alone.
        is_counted : bool
            Whether the machine's clock counts its own instructions: slower, but what waits in there gives up no earlier where
            this computer is busy with something else.
        is_kept : bool
            Whether the other machine's moment (see `keep`) comes with its card, to `resume` from.
        cable : Cable or None
            What the network card hangs on; by default on nothing but ports of this computer's loopback interface.
        options : sequence of str
            More words for QEMU.
        """
        self.card = folder / "card.qcow2"
        form = "qcow2" if image.suffix == ".qcow2" else "raw"
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.resolve()), "-F", form, str(self.card), CARD_SIZE]
        if is_kept:
            command = ["cp", "--reflink=auto", str(image), str(self.card)]
        subprocess.run(command, check=True, timeout=60)
        self.port, self.plain_port, self.indi_port, self.other_port = free_ports(4)
        credentials = {"systemd.extra-unit.t.service": UNIT, "systemd.extra-unit.tmp.mount": PULLED_IN}
        for name, text in credentials.items():
            (folder / name).write_text(text)
        shutil.copyfile(str(agent.__file__), folder / "agent.py")
        handed = {**{name: name for name in credentials}, "agent": "agent.py"}
        cable = cable or self._loopback()
        command = [*cable.room, *self._make_command(u_boot, folder, handed, is_counted=is_counted), *cable.words, *options]
        super().__init__(folder, command)
        if is_counted:
            self.boot_limit_s *= 4

    def restart(self) -> None:
        """Have systemd restart the machine, and wait until it is there again."""
        after = len(self.monitor.events)
        self.must("systemctl", "--no-block", "reboot")
        self.monitor.wait_for_event("RESET", after=after, timeout_s=300)
        self.wait_until_booted()

    def switch_off(self) -> None:
        """Have systemd switch the machine off, and wait until it is."""
        self.must("systemctl", "--no-block", "poweroff")
        self.process.wait(600)
        self._end()

    def keep(self) -> None:
        """Keep this moment, memory and all, on the card, and take the power away."""
        said = self.monitor.run("human-monitor-command", **{"command-line": f"savevm {MOMENT}"})
        assert not said, said
        self.cut_power()

    def resume(self) -> None:
        """Go on from the moment that was kept."""
        from_power_on = self._command
        self._command = [*from_power_on, "-loadvm", MOMENT]
        try:
            self.power_on()
        finally:
            self._command = from_power_on

    def cut_power(self) -> None:
        """Take the power away, in the middle of whatever it does."""
        self.process.kill()
        self._end()

    def _loopback(self) -> Cable:
        forwarded = {self.port: 443, self.plain_port: 80, self.indi_port: 7624, self.other_port: 22}
        net = "user,id=net,restrict=on" + "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in forwarded.items())
        return Cable(("-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile="))

    def _make_command(self, u_boot: Path, folder: Path, credentials: dict[str, str], *, is_counted: bool) -> list[str]:
        handed = [f"name={CHANNEL}{name},file={folder / file}" for name, file in credentials.items()]
        clock = ["-accel", "tcg,thread=single", "-icount", "shift=2"] if is_counted else ["-accel", "tcg,thread=multi"]
        return [
            "setpriv", "--pdeathsig", "KILL",  # it ends with the tests, also where they are killed
            "qemu-system-aarch64", "-nodefaults", "-no-user-config", "-display", "none",
            "-M", "virt", *clock, "-cpu", PROCESSOR, "-smp", "2", "-m", "1024",
            "-bios", str(u_boot),
            "-drive", f"if=none,id=card,format=qcow2,file={self.card},cache=unsafe", "-device", "virtio-blk-pci,drive=card",
            "-serial", f"file:{folder / 'console.txt'}",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={folder / 'agent'},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=nightjar-test",
            "-device", "virtio-rng-pci", "-device", "i6300esb", "-device", "qemu-xhci,id=xhci",
            *(word for one in handed for word in ("-fw_cfg", one)),
            "-qmp", f"unix:{folder / 'qmp'},server=on,wait=off",
            "-action", "watchdog=reset,panic=exit-failure",
        ]  # fmt: skip
