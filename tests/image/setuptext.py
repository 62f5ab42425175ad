"""What an unclaimed card tells its owner, read where the owner reads it."""

import re

from tests.image.card import Card
from tests.integration.guest.machine import wait_for

CODE = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")
ON_THE_CARD = (
    "systemd-run", "--quiet", "--collect", "--wait", "--pipe",
    "--property=Wants=boot-firmware.mount", "--property=After=boot-firmware.mount",
)  # fmt: skip
"""Before a command that uses the first partition: with the mount of the machine's own units; a second would be in their way."""


def setup_text(card: Card) -> str:
    """Return SETUP.TXT of the card's first partition, as whoever puts the card into a computer reads it; empty without one."""
    return card.run(*ON_THE_CARD, "cat", "/boot/firmware/SETUP.TXT").out


def setup_code(card: Card, limit_s: float = 600) -> str:
    """Return the code that SETUP.TXT names, once it does."""
    found: re.Match[str] = wait_for(lambda: CODE.search(setup_text(card)), "SETUP.TXT to name the setup code", limit_s, 3)
    return found[0]
