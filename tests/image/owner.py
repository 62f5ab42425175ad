"""What the owner of a card does with it before anything else, for tests that begin after that."""

from tests.image.card import Card
from tests.image.setuptext import setup_code
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel
from tests.unit.web.world import ADMIN, PASSWORD

MEET_S = 1200.0


def owned(card: Card) -> Panel:
    """Return the panel of a card that is claimed, logged in; whoever claimed it before was a test as well."""
    panel = Panel(card)
    panel.meet(card, MEET_S)
    if panel.get("/claim").status == 200:
        panel.claim_with(setup_code(card))
    else:
        panel.login(ADMIN, PASSWORD)
    return panel


def take_pictures(panel: Panel, count: int) -> None:
    """Have a simulated camera take so many pictures, and let it rest again."""
    until = panel.latest_id() + count
    panel.set("camera", driver='"indi_simulator_ccd"', period_s="5", duration_max_s="1")
    wait_for(lambda: panel.latest_id() >= until, f"{count} pictures", MEET_S, 3)
    let_rest(panel)


def let_rest(panel: Panel) -> None:
    """Have the camera rest: no driver, hence no pictures; what was on its way is there afterwards."""
    panel.set("camera", driver='""')
    newest = -1

    def is_still() -> bool:
        nonlocal newest
        before, newest = newest, panel.latest_id()
        return newest == before

    wait_for(is_still, "the last picture", MEET_S, 20)
