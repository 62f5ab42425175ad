"""A made-up RAUC that takes every bundle for good and writes none: for what is about the panel and not about updates."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.host.standin import Body, Call, Refusal, StandIn

COMPATIBLE = "nightjar-test"
_HALVES = [
    ("root.0", {"bootname": ("s", "A"), "state": ("s", "booted"), "boot-status": ("s", "good")}),
    ("root.1", {"bootname": ("s", "B"), "state": ("s", "inactive"), "boot-status": ("s", "good")}),
]


class MadeUpRauc(StandIn):
    """Half A runs, half B starts next; what is to be written is refused."""

    def __init__(self, address: str) -> None:
        super().__init__(address, "de.pengutronix.rauc", "/none")

    def answer(self, call: Call) -> tuple[str, Body]:
        properties = {"Operation": ("s", "idle"), "Compatible": ("s", COMPATIBLE), "Progress": ("(isi)", (0, "", 0))}
        match call.method:
            case "Get":
                return "v", (properties[str(call.body[1])],)
            case "GetAll":
                return "a{sv}", (properties,)
            case "GetSlotStatus":
                return "a(sa{sv})", (_HALVES,)
            case "GetPrimary":
                return "s", ("root.1",)
            case "InspectBundle":
                update = {"version": ("s", "99.0.0"), "compatible": ("s", COMPATIBLE), "description": ("s", "Made up")}
                return "a{sv}", ({"update": ("a{sv}", update), "bundle": ("a{sv}", {"format": ("s", "verity")})},)
        raise Refusal("Error.Failed", "nothing is written here")


@contextmanager
def made_up_rauc(address: str) -> Iterator[MadeUpRauc]:
    """Have it on a bus until the end of the block."""
    made = MadeUpRauc(address)
    try:
        yield made
    finally:
        made.leave()
