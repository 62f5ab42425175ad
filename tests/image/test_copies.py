"""Two fresh copies of the image: all that a device keeps to itself is another one on each."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.image.card import COMMANDS, Card
from tests.image.setuptext import setup_code
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(3600)]

OWN = """
import hashlib, os, pathlib
def sum_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
# A database of 4096 bytes is its head alone: everything in it still stands beside it.
answer = {"machine-id": pathlib.Path("/etc/machine-id").read_text().strip(), "files": {}}
for folder, _, files in os.walk("/data"):
    for name in files:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.path.getsize(path) > (4096 if name == "nightjar.db" else 0):
            answer["files"][path] = sum_of(path)
for path in given:
    answer["files"][path] = sum_of(path)
"""
BESIDE = ("/var/lib/NetworkManager/secret_key", "/var/lib/systemd/random-seed", "/usr/local/share/ca-certificates/nightjar.crt")
SAME = {
    "/data/persist/hostname", "/data/persist/timezone", "/data/persist/owner-files", "/data/nightjar/owners-file.json",
    "/data/nightjar/reserve",
}  # fmt: skip
"""Of the data of a new device, what is no secret and begins the same everywhere: names, sums of the owner's file, room."""


@pytest.fixture(scope="module")
def other(image: Path, u_boot: Path, tmp_path_factory: pytest.TempPathFactory, *, is_busy: bool) -> Iterator[Card]:
    with Card(image, u_boot, tmp_path_factory.mktemp("other"), is_counted=is_busy) as made:
        yield made


def is_trusted(card: Card) -> bool:
    """Say whether the machine trusts its own authority yet: that is done when there is nothing better to do."""
    return card.run("test", "-e", BESIDE[-1]).code == 0


def test_nothing_that_a_device_makes_for_itself_is_the_same_on_another(card: Card, other: Card) -> None:
    panels = {}
    for one in (card, other):
        panels[one] = Panel(one)
        panels[one].meet(one, 1200)
        wait_for(partial(is_trusted, one), "the trust store", 600, 5)
    found = {one: one.python(OWN, BESIDE) for one in (card, other)}
    first, second = found[card], found[other]
    assert first["machine-id"] != second["machine-id"]
    assert {path for path, number in first["files"].items() if second["files"].get(path) == number} <= SAME
    made = {
        path for path in first["files"] if path.startswith(("/data/nightjar-ca/", "/data/nightjar-tls/", "/data/nightjar/keys/"))
    }
    assert made, "else nothing was compared"
    assert made == {
        path for path in second["files"] if path.startswith(("/data/nightjar-ca/", "/data/nightjar-tls/", "/data/nightjar/keys/"))
    }
    assert setup_code(card) != setup_code(other)
