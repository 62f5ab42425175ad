"""What an admin does to the network: each act is ordered and then written into the audit log."""

from appliance.domain.errors import InputError, UnavailableError
from appliance.domain.network import (
    Addressing,
    ChangePhase,
    ClosePoint,
    ForgetConnection,
    JoinWifi,
    KeepChange,
    LookForNetworks,
    NetworkCommand,
    NetworkSituation,
    OpenPoint,
    SetAddresses,
    UndoChange,
    shown_name,
)
from appliance.web.visit import Visit

UNDER_WAY = "A change of the network is under way. Keep it or undo it first."


def phase(visit: Visit) -> ChangePhase:
    """Return where a change stands; one that nobody has taken yet counts as begun."""
    now = visit.parts.network_situation.value.phase
    return ChangePhase.BEGINNING if now is ChangePhase.REST and len(visit.parts.network_commands) > 0 else now


def look(visit: Visit) -> None:
    """Listen for Wi-Fi networks."""
    _order(visit, LookForNetworks())
    visit.note("wi-fi networks looked for")


def join(visit: Visit, wish: JoinWifi) -> None:
    """Join a Wi-Fi network, on trial."""
    if not any(card.is_wifi for card in _situation(visit).cards):
        raise InputError("This machine has no Wi-Fi.")
    _order(visit, wish)
    kind = "open" if wish.key is None else "WPA3" if wish.key.is_passphrase else "WPA2"
    visit.note("wi-fi network ordered", f"{shown_name(wish.ssid)} ({kind}{', hidden' if wish.is_hidden else ''})")


def set_addresses(visit: Visit, card: str, ipv4: Addressing, ipv6: Addressing) -> None:
    """Give a card other addresses, on trial."""
    if not can_have_addresses(_situation(visit), card):
        raise InputError("This network card is not there, or not connected: join a network first.")
    _order(visit, SetAddresses(card, ipv4, ipv6))
    visit.note("addresses ordered", f"{card}: {words_of(ipv4, 4)}; {words_of(ipv6, 6)}")


def can_have_addresses(situation: NetworkSituation, card: str) -> bool:
    """Return whether a card's addresses can be changed: a socket's always, Wi-Fi's while it is connected."""
    return any(one.name == card and not one.is_point and (one.connection or not one.is_wifi) for one in situation.cards)


def forget(visit: Visit, uuid: str) -> None:
    """Keep a saved connection no longer."""
    situation = _situation(visit)
    saved = next((one for one in situation.saved if one.uuid == uuid), None)
    if saved is None:
        raise InputError("This connection is not kept any more.")
    if (saved.path,) == tuple(card.connection for card in situation.cards if card.is_connected):
        raise InputError("The panel is reached by this connection alone. Join another network or put in a cable first.")
    _order(visit, ForgetConnection(uuid))
    visit.note("network connection forgotten", saved.name)


def open_point(visit: Visit) -> None:
    """Open the machine's own access point, on trial."""
    if not any(card.can_be_point for card in _situation(visit).cards):
        raise InputError("This machine has no Wi-Fi that can be an access point.")
    _order(visit, OpenPoint())
    visit.note("own wi-fi network opened")


def close_point(visit: Visit) -> None:
    """Close it."""
    _order(visit, ClosePoint())
    visit.note("own wi-fi network closed")


def set_country(visit: Visit, untrusted_code: str) -> None:
    """Have the radios follow the rules of another country."""
    code = visit.parts.radio_country.order(untrusted_code)
    visit.note("wi-fi country set", code)


def keep(visit: Visit) -> None:
    """Keep the change on trial."""
    situation = _situation(visit)
    if situation.phase is not ChangePhase.ON_TRIAL:
        raise InputError("There is no change to keep: it was kept or undone already, or it is not connected yet.")
    visit.parts.network_commands.put(KeepChange())
    visit.note("network change kept", situation.change)


def undo(visit: Visit) -> None:
    """Go back to what was before the change."""
    situation = _situation(visit)
    if phase(visit) is ChangePhase.REST:
        raise InputError("There is no change to undo: it was kept or undone already.")
    visit.parts.network_commands.put(UndoChange())
    visit.note("network change undone", situation.change)


def words_of(addressing: Addressing, version: int) -> str:
    """Return addresses in words."""
    if addressing.address is None:
        return f"IPv{version} from the network"
    gateway = f", gateway {addressing.gateway}" if addressing.gateway else ""
    dns = f", DNS {' '.join(map(str, addressing.dns))}" if addressing.dns else ""
    return f"IPv{version} {addressing.address}{gateway}{dns}"


def _situation(visit: Visit) -> NetworkSituation:
    situation = visit.parts.network_situation.value
    if situation.unavailable:
        raise UnavailableError(situation.unavailable)
    return situation


def _order(visit: Visit, command: NetworkCommand) -> None:
    _situation(visit)
    if phase(visit) is not ChangePhase.REST:
        raise InputError(UNDER_WAY)
    visit.parts.network_commands.put(command)
