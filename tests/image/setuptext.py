"""What an unclaimed card tells its owner, read where the owner reads it."""

import re

from tests.image.card import Card
from tests.integration.guest.machine import wait_for

CODE = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")
READ = """
set -eu
mkdir -p /run/seen
mount -t vfat -o ro,nodev,nosuid,noexec /dev/nightjar/firmware /run/seen
cat /run/seen/SETUP.TXT || true
umount /run/seen
"""


def setup_text(card: Card) -> str:
    """Return SETUP.TXT of the card's first partition, as whoever puts the card into a computer reads it; empty without one."""
    return card.shell(READ)


def setup_code(card: Card, limit_s: float = 600) -> str:
    """Return the code that SETUP.TXT names, once it does."""
    found: re.Match[str] = wait_for(lambda: CODE.search(setup_text(card)), "SETUP.TXT to name the setup code", limit_s, 3)
    return found[0]
