"""The real NetworkManager asking the real polkitd with our rule: who may change the network, over D-Bus as each user."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from appliance.domain.errors import DeniedError
from appliance.domain.network import AUTOMATIC
from appliance.host.connections import Connections
from appliance.host.profiles import cable_profile
from tests.integration.host.busroom import COMMANDS, PANEL, STRANGERS, VISITOR, Account, missing_right, wait_for
from tests.integration.host.nmroom import CABLES, CARD, bus_as, start_networkmanager
from tests.integration.host.polkitroom import POLKITD, Polkit, polkit_room
from tests.integration.host.test_connections import FOUR

pytestmark = [
    pytest.mark.needs(*COMMANDS, "NetworkManager", "ip", "/usr/bin/python3", str(POLKITD)),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]
INDI = next(account for account in STRANGERS if account.user == "nightjar-indi")


@pytest.fixture(scope="module")
def polkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polkit]:
    """polkit says nothing of the unit, as it does of every process that NetworkManager names to it."""
    with polkit_room(tmp_path_factory.mktemp("rights") / "logs", is_unit_known=False) as polkit:
        start_networkmanager(polkit.room, is_polkit_asked=True)
        yield polkit


def as_account(polkit: Polkit, account: Account) -> Connections:
    return Connections(bus_as(polkit.room, account), cables=CABLES)


def test_the_panels_user_changes_the_network_and_goes_back(polkit: Polkit) -> None:
    connections = as_account(polkit, PANEL)
    [card] = connections.survey().cards
    mark = connections.mark(600)
    attempt = connections.begin(cable_profile(str(uuid4()), CARD, FOUR, AUTOMATIC), card.path)
    wait_for(lambda: connections.is_up(attempt), "the connection")
    connections.save(attempt.saved)
    again = connections.readdress(attempt.saved, card.path, AUTOMATIC, AUTOMATIC)
    assert again.saved == attempt.saved
    connections.prolong(mark, 600)
    connections.switch_wifi_on()
    connections.restore(mark)
    wait_for(lambda: connections.survey().saved == (), "everything to be as before")


@pytest.mark.parametrize("account", [INDI, VISITOR], ids=lambda account: account.user)
def test_others_change_nothing_and_read(polkit: Polkit, account: Account) -> None:
    ours, others = as_account(polkit, PANEL), as_account(polkit, account)
    [card] = others.survey().cards
    attempt = ours.begin(cable_profile(str(uuid4()), CARD, FOUR, AUTOMATIC), card.path)
    tries: tuple[Callable[[], object], ...] = (
        lambda: others.mark(600),
        lambda: others.begin(cable_profile(str(uuid4()), CARD, FOUR, AUTOMATIC), card.path),
        lambda: others.readdress(attempt.saved, card.path, AUTOMATIC, AUTOMATIC),
        lambda: others.save(attempt.saved),
        lambda: others.forget(attempt.saved),
        others.switch_wifi_on,
    )
    for number, attempted in enumerate(tries):
        with pytest.raises(DeniedError):
            print(number, attempted())
    [saved] = others.survey().saved
    assert saved.ipv4 == FOUR
    ours.forget(attempt.saved)
