"""What U-Boot's script does on the other kind of image, done by the systems themselves: count attempts and choose who is next.

The state is the same one, in the same place, and RAUC and `nightjar-slot-health` change it in the same way. What differs is who
acts upon it. The firmware starts the system that autoboot.txt names, and the other one only if it was asked to at the restart,
once: whatever else ends a start, it is back at the one that it knows. So

- at a restart, an attempt is taken from the system that is next, and the firmware is asked to try it, if it does not start it
  anyway (`restart`);
- at a start that nobody asked for, the same is done at once, if another system is next than the one that runs (`start`): after
  a trial that ended in a crash, say, or an update that a loss of power came in between;
- a system that was found well becomes the one that the firmware starts by itself (`good`).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from updating import autoboot, bootstate, flavour
from updating.autoboot import UnusableError
from updating.bootstate import Refusal

TRY = "0 tryboot"
"""What systemd hands to the kernel, and that to the firmware: from where it starts anyway, but on trial."""


@dataclass(frozen=True)
class Places:
    """Where everything lies."""

    devices: Path = bootstate.DEVICE.parent
    slot: Path = flavour.COMMAND_LINE
    told: Path = Path("/sys/firmware/devicetree/base/chosen/bootloader")
    """What the firmware says of this start."""
    parameter: Path = Path("/run/systemd/reboot-param")
    """What systemd restarts the machine with; its `systemctl reboot --reboot-argument` writes the same file."""
    again: Path = Path("/run/nightjar-tryboot/again")
    """Made where the machine is to restart at once."""

    @property
    def state(self) -> Path:
        """The partition of the boot state."""
        return self.devices / bootstate.DEVICE.name

    @property
    def first(self) -> Path:
        """The first partition."""
        return self.devices / autoboot.DEVICE

    def running(self) -> str:
        """Return the system that runs."""
        return bootstate.current(self.slot.read_text(encoding="ascii", errors="replace"))


def taken(state: dict[str, str], name: str) -> dict[str, str]:
    """Return the state with one attempt less for a system."""
    return {**state, f"BOOT_{name}_LEFT": str(bootstate.attempts_of(state, name) - 1)}


def was_asked_for(places: Places, running: str) -> bool:
    """Say whether this start is a trial: its attempt was taken before."""
    try:
        if int.from_bytes((places.told / "tryboot").read_bytes(), "big") != 1:
            return False
    except FileNotFoundError:
        return False
    try:
        return autoboot.read(places.first) != running
    except UnusableError:
        return True


def arrange(places: Places, state: dict[str, str], name: str) -> None:
    """Take an attempt from a system, and have the next restart start it.

    Raises
    ------
    UnusableError
        If the firmware cannot be brought to that; nothing has changed then.
    OSError
        If something cannot be read or written.
    """
    if autoboot.read(places.first) == name:
        raise UnusableError(f"the firmware starts system {name} by itself, and did not")
    autoboot.check_bootable(places.devices / f"boot_{name.lower()}")
    # First the attempt: what cannot be counted is not started, or it would be for ever.
    bootstate.write(places.state, taken(state, name))
    places.parameter.write_text(f"{TRY}\n", encoding="ascii")


def start(places: Places) -> str:
    """Choose, early in a start; return what was done."""
    running = places.running()
    if was_asked_for(places, running):
        return f"system {running} runs on trial"
    state = bootstate.read(places.state, running)
    order = bootstate.order_of(state)
    if not any(bootstate.attempts_of(state, name) for name in order):
        print("nightjar-tryboot: no system has an attempt left, all get theirs back", file=sys.stderr)
        state = {**state, **{f"BOOT_{name}_LEFT": str(bootstate.ATTEMPTS) for name in order}}
    following = bootstate.primary(state)
    if following != running:
        try:
            arrange(places, state, following)
        except UnusableError as problem:
            print(f"nightjar-tryboot: system {following} cannot be started: {problem}", file=sys.stderr)
            state = bootstate.with_primary(state, running)
        else:
            places.again.touch()
            return f"system {following} is next: the machine restarts at once"
    bootstate.write(places.state, taken(state, running))
    return f"system {running} runs"


def good(places: Places) -> str:
    """Have the firmware start the running system by itself, if it was found well; return what was done."""
    running = places.running()
    state = bootstate.read(places.state, running)
    if bootstate.primary(state) != running or bootstate.attempts_of(state, running) != bootstate.ATTEMPTS:
        return f"system {running} was not found well, or is not the one that is next: the firmware's choice stays"
    autoboot.write(places.first, running)
    return f"the firmware starts system {running} by itself"


def restart(places: Places) -> str:
    """Have the firmware try the system that is next, if it would start another one; return what was done."""
    if places.parameter.exists():
        return "how the machine restarts is arranged already"
    state = bootstate.read(places.state, places.running())
    following = bootstate.primary(state)
    if not bootstate.attempts_of(state, following) or autoboot.read(places.first) == following:
        return "the firmware starts what it starts by itself"
    arrange(places, state, following)
    return f"the firmware tries system {following}"


def main(arguments: Sequence[str], places: Places = Places()) -> int:
    """Do it; the exit code is 2 for what is refused and 1 for what failed."""
    acts = {"start": start, "good": good, "restart": restart}
    try:
        match arguments:
            case [("start" | "good" | "restart") as act]:
                print(f"nightjar-tryboot: {acts[act](places)}")
            case _:
                raise Refusal(f"is not asked like this: {' '.join(arguments)!r}")
    except Refusal as refusal:
        print(f"nightjar-tryboot: {refusal}", file=sys.stderr)
        return 2
    except (UnusableError, OSError) as error:
        print(f"nightjar-tryboot: {error}", file=sys.stderr)
        return 1
    return 0
