"""The guest while it runs: started, asked, given sticks, ended."""

import base64
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.integration.guest.product import initrd_with, pack
from tests.integration.guest.qmp import Monitor
from tests.integration.guest.recipe import Base
from tests.integration.guest.seed import make_data

BOOT_S = 900.0
"""It takes 40 s on an idle machine of two cores; others may want those, too."""
PATIENCE_S = 300.0
PORTS = 15
"""Of the USB controller."""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def wait_for(condition: Callable[[], object], what: str, limit_s: float = PATIENCE_S, pause_s: float = 0.5) -> Any:  # noqa: ANN401
    """Return the first true answer."""
    until = time.monotonic() + limit_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"waited {limit_s:.0f} s for {what}; last: {answer!r}")
        time.sleep(pause_s)


class Machine:
    """An emulated machine with root's hand in it, which is `agent.py`."""

    port: int
    """Of this computer's loopback interface: the machine's 443."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.folder, self._command = folder, command
        self.console, self.journal = folder / "console.txt", folder / "journal.txt"
        self._sticks = 0
        self.boot_limit_s = BOOT_S
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def start(self) -> None:
        """Switch it on and wait until the agent is there; once more after its power was cut."""
        try:
            self.power_on()
            self.wait_until_booted()
        except BaseException:
            self._end()
            print(self.told())
            raise
        self.booted_s = time.monotonic() - self.began_s

    def power_on(self) -> None:
        """Switch it on, and wait for nothing."""
        before = getattr(self, "process", None)
        assert before is None or before.poll() is not None, "it is on"
        self.began_s = time.monotonic()
        with (self.folder / "qemu.txt").open("wb") as said:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/")
        self.monitor = Monitor(self.folder / "qmp", 60)
        self._agent = socket.socket(socket.AF_UNIX)
        self._agent.connect(str(self.folder / "agent"))
        self._agent.settimeout(1.0)
        self._inbox = b""

    def wait_until_booted(self) -> None:
        """Wait until the agent says that it is there."""
        said = json.loads(self._line(self.boot_limit_s))
        assert said == {"ready": True}, said

    def _end(self) -> None:
        for opened in (getattr(self, "monitor", None), getattr(self, "_agent", None)):
            if opened is not None:
                opened.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)

    def told(self) -> str:
        """Return the end of what console, journal and QEMU say."""
        named = {"QEMU": self.folder / "qemu.txt", "journal": self.journal, "console": self.console}
        texts = {name: path.read_text(errors="replace") if path.exists() else "" for name, path in named.items()}
        return "\n".join(f"--- {name}\n{text[-12000:]}" for name, text in texts.items() if text)

    def run(self, *command: str, stdin: bytes = b"", timeout_s: float = PATIENCE_S) -> Ended:
        """Run a command as root in the guest."""
        asked = {"command": command, "stdin": base64.b64encode(stdin).decode(), "timeout_s": timeout_s}
        answer = self._ask(asked, timeout_s)
        return Ended(answer["code"], answer["out"], answer["err"])

    def must(self, *command: str, stdin: bytes = b"", timeout_s: float = PATIENCE_S) -> str:
        """Run a command that must succeed, and return what it says."""
        ended = self.run(*command, stdin=stdin, timeout_s=timeout_s)
        assert ended.code == 0, f"{' '.join(command)}: {ended.code}: {ended.out}{ended.err}"
        return ended.out

    def shell(self, script: str, timeout_s: float = PATIENCE_S) -> str:
        """Run a script of sh that must succeed."""
        return self.must("/bin/sh", "-euc", script, timeout_s=timeout_s)

    def python(self, text: str, given: object = None, timeout_s: float = PATIENCE_S, via: str = "") -> Any:  # noqa: ANN401
        """Run a piece of Python and return what it calls `answer`.

        Parameters
        ----------
        text : str
        given : object
            What it gets under this name.
        timeout_s : float
        via : str
            Socket of the probe that runs it; by default it is root.
        """
        answer = self._ask({"python": text, "given": given, "timeout_s": timeout_s, "via": via}, timeout_s)
        assert answer["code"] == 0, answer["err"]
        return json.loads(answer["out"])

    def _ask(self, asked: dict[str, object], timeout_s: float) -> dict[str, Any]:
        with self._lock:
            self._agent.sendall(json.dumps(asked).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._line(timeout_s + PATIENCE_S))
        assert "ready" not in answer, f"the machine began anew instead of answering {asked}"
        return answer

    def _line(self, limit_s: float) -> bytes:
        until = time.monotonic() + limit_s
        while b"\n" not in self._inbox:
            if self.process.poll() is not None:
                raise AssertionError(f"QEMU ended with {self.process.returncode}")
            if time.monotonic() > until:
                raise AssertionError(f"the guest says nothing for {limit_s:.0f} s")
            try:
                piece = self._agent.recv(1 << 16)
            except TimeoutError:
                continue
            if not piece:
                time.sleep(0.2)
            self._inbox += piece
        line, _, self._inbox = self._inbox.partition(b"\n")
        return line

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Return what systemd says of a unit."""
        said = self.must("systemctl", "show", unit, f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    # Sticks

    def plug(self, image: Path, *, is_read_only: bool = False, bytes_per_s: int = 0, bus: str = "xhci.0") -> str:
        """Plug in a USB stick, on the bus `scsi.0` another removable drive; return its name.

        Parameters
        ----------
        image : Path
            What is on it.
        is_read_only : bool
            Whether it is write-protected.
        bytes_per_s : int
            How fast it is written to at most; by default as fast as it goes.
        bus : str
        """
        self._sticks += 1
        name = f"stick{self._sticks}"
        node: dict[str, object] = {"driver": "file", "filename": str(image), "read-only": is_read_only, "auto-read-only": False}
        node = {"driver": "raw", "file": node, "read-only": is_read_only}
        if bytes_per_s:
            limits = {"bps-write": bytes_per_s}
            self.monitor.run("object-add", qom_type="throttle-group", id=f"{name}-speed", limits=limits)
            node = {"driver": "throttle", "throttle-group": f"{name}-speed", "file": node, "read-only": is_read_only}
        self.monitor.run("blockdev-add", **node, node_name=name)
        driver = "usb-storage" if bus == "xhci.0" else "scsi-hd"
        serial = f"NJ{self._sticks:06}"
        self.monitor.run("device_add", driver=driver, id=name, drive=name, bus=bus, removable=True, serial=serial)
        return name

    def pull(self, name: str) -> None:
        """Pull a stick out, without a word before."""
        after = len(self.monitor.events)
        self.monitor.run("device_del", id=name)
        self.monitor.wait_for_event("DEVICE_DELETED", after=after, device=name)
        wait_for(lambda: self._is_let_go(name), f"QEMU to let go of {name}", 60, 0.1)

    def _is_let_go(self, name: str) -> bool:
        try:
            self.monitor.run("blockdev-del", node_name=name)
        except RuntimeError as error:
            if "in use" in str(error):
                return False
            raise
        return True


class Guest(Machine):
    """A small Debian with the program in it."""

    def __init__(self, base: Base, folder: Path) -> None:
        """Prepare it.

        Parameters
        ----------
        base : Base
        folder : Path
            For what belongs to this guest alone.
        """
        self.data = folder / "data.img"
        (folder / "initrd.img").write_bytes(initrd_with(base.initrd, pack(base.python)))
        self.sky = make_data(self.data)
        self.port, self.plain_port, self.indi_port = free_ports(3)
        super().__init__(folder, self._make_command(base, folder))

    def _make_command(self, base: Base, folder: Path) -> list[str]:
        def disk(path: Path, *, is_read_only: bool) -> list[str]:
            return ["-drive", f"if=virtio,format=raw,file={path},readonly={'on' if is_read_only else 'off'},cache=unsafe"]

        forwarded = {self.port: 443, self.plain_port: 80, self.indi_port: 7624}
        net = "user,id=net,restrict=on" + "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in forwarded.items())
        kernel = (
            "root=/dev/vda rootfstype=squashfs ro console=ttyS0 quiet loglevel=5 panic=-1 mitigations=off systemd.show_status=no"
        )
        return [
            "nice", "-n", "5",  # the tests beside it have deadlines that are measured in true seconds
            "setpriv", "--pdeathsig", "KILL",  # it ends with the tests, also where they are killed
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-M", "q35,smm=off,vmport=off", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1280",
            "-kernel", str(base.kernel), "-initrd", str(folder / "initrd.img"), "-append", kernel,
            *disk(base.system, is_read_only=True), *disk(base.wheels, is_read_only=True), *disk(self.data, is_read_only=False),
            "-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile=",
            "-serial", f"file:{folder / 'console.txt'}",
            "-device", "virtio-serial-pci", "-chardev", f"file,id=journal,path={folder / 'journal.txt'}",
            "-device", "virtconsole,chardev=journal",
            "-chardev", f"socket,id=agent,path={folder / 'agent'},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=nightjar-test",
            "-device", "virtio-rng-pci", "-device", f"qemu-xhci,id=xhci,p2={PORTS},p3={PORTS}",
            "-device", "virtio-scsi-pci,id=scsi",
            "-qmp", f"unix:{folder / 'qmp'},server=on,wait=off",
            "-action", "reboot=shutdown,panic=exit-failure", "-device", "pvpanic",
        ]  # fmt: skip

    def nights(self) -> list[Path]:
        """Return the folders of the nights that it began with."""
        return sorted((self.sky.data / "nights").iterdir())


def free_ports(count: int) -> Sequence[int]:
    """Return ports of the loopback interface that nobody listens on."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports
