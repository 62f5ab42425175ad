"""The network: what is connected, heard and kept; each change is tried first, and kept when the panel is reached with it."""

from appliance.domain.access import Access
from appliance.domain.errors import InputError, MachineError
from appliance.domain.network import ChangePhase, Heard, Saved
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.networkacts import (
    can_have_addresses,
    close_point,
    forget,
    join,
    keep,
    look,
    open_point,
    phase,
    set_addresses,
    set_country,
    undo,
    words_of,
)
from appliance.web.networkforms import addressing_of_form, chosen, join_of_form, unusable
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.visit import Visit

HERE = "/network"
TRIAL = f"{HERE}/trial"


@route("GET", "/network", access=Access.STAFF)
def network(visit: Visit) -> Answer:
    """Show the network."""
    return _page(visit)


@route("POST", "/network/look", access=Access.ADMIN)
def look_for_networks(visit: Visit) -> Answer:
    """Listen for Wi-Fi networks."""
    try:
        look(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=network-looking")


# Wi-Fi


@route("GET", "/network/join", access=Access.ADMIN)
def ask_for_key(visit: Visit) -> Answer:
    """Ask for the passphrase of a network that is heard, or for the name of one that is not."""
    try:
        one = chosen(visit.parts.network_situation.value.heard, visit.query) if visit.query.get("network") else None
    except InputError as error:
        return _page(visit, error)
    return _join_page(visit, one)


@route("POST", "/network/join", access=Access.ADMIN)
def join_network(visit: Visit) -> Answer:
    """Join a network, on trial."""
    heard = visit.parts.network_situation.value.heard
    try:
        join(visit, join_of_form(visit.form, heard))
    except (InputError, MachineError) as error:
        one = next((one for one in heard if one.ssid.hex() == visit.form.get("network")), None)
        return _join_page(visit, one, error)
    return Redirect(TRIAL)


# Addresses


@route("GET", "/network/addresses", access=Access.ADMIN)
def ask_for_addresses(visit: Visit) -> Answer:
    """Ask for a card's addresses."""
    card = visit.query.get("card", "")
    if not can_have_addresses(visit.parts.network_situation.value, card):
        return Redirect(HERE)
    return _addresses_page(visit, card)


@route("POST", "/network/addresses", access=Access.ADMIN)
def give_addresses(visit: Visit) -> Answer:
    """Give a card other addresses, on trial."""
    card = visit.form.get("card", "")
    try:
        set_addresses(visit, card, addressing_of_form(visit.form, 4), addressing_of_form(visit.form, 6))
    except (InputError, MachineError) as error:
        if not can_have_addresses(visit.parts.network_situation.value, card):
            return _page(visit, error)
        return _addresses_page(visit, card, error)
    return Redirect(TRIAL)


# Saved connections


@route("GET", "/network/forget", access=Access.ADMIN)
def confirm_forget(visit: Visit) -> Answer:
    """Ask whether to forget a connection."""
    for saved in visit.parts.network_situation.value.saved:
        if saved.uuid == visit.query.get("connection"):
            return Page("network_forget", {"saved": saved, "active": "system"})
    return Redirect(HERE)


@route("POST", "/network/forget", access=Access.ADMIN)
def forget_connection(visit: Visit) -> Answer:
    """Forget a connection."""
    try:
        forget(visit, visit.form.get("connection", ""))
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=network-forgotten")


# The country


@route("POST", "/network/country", access=Access.ADMIN)
def choose_country(visit: Visit) -> Answer:
    """Have the radios follow the rules of another country."""
    try:
        set_country(visit, visit.form.get("country", ""))
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=network-country")


# The machine's own access point


@route("GET", "/network/point", access=Access.ADMIN)
def confirm_point(visit: Visit) -> Answer:
    """Tell what opening or closing the access point means, and ask whether to."""
    return Page("network_point", {"is_open": visit.parts.network_situation.value.point is not None, "active": "system"})


@route("POST", "/network/point", access=Access.ADMIN)
def switch_point(visit: Visit) -> Answer:
    """Open the access point, on trial, or close it."""
    wanted = visit.form.get("open", "")
    try:
        if wanted not in ("yes", "no"):
            raise InputError("Say whether the machine's own Wi-Fi network shall be open.")
        if wanted == "no":
            close_point(visit)
            return Redirect(f"{HERE}?done=network-closed")
        open_point(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(TRIAL)


# A change on trial


@route("GET", "/network/trial", access=Access.STAFF)
def trial(visit: Visit) -> Answer:
    """Show how far a change is; without a script the page loads itself again and again."""
    now = phase(visit)
    if now is ChangePhase.REST:
        return Redirect(HERE)
    values = {
        "phase": now.value,
        "situation": visit.parts.network_situation.value,
        "host_name": visit.machine.name.value,
        "refresh": "5" if now is ChangePhase.ON_TRIAL else "2",
        "active": "system",
    }
    return Page("network_trial", values)


@route("POST", "/network/keep", access=Access.ADMIN)
def keep_change(visit: Visit) -> Answer:
    """Keep the change: whoever sends this has reached the panel with it."""
    try:
        keep(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=network-kept")


@route("POST", "/network/undo", access=Access.ADMIN)
def undo_change(visit: Visit) -> Answer:
    """Undo the change at once."""
    try:
        undo(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=network-undone")


def _page(visit: Visit, error: InputError | MachineError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    situation = visit.parts.network_situation.value
    used = {card.connection: card.name for card in situation.cards if card.is_connected}
    joined = {card.ssid for card in situation.cards if card.is_connected and card.is_wifi}
    values = {
        "situation": situation,
        "phase": phase(visit).value,
        "network": visit.machine.network,
        "addressable": [card.name for card in situation.cards if can_have_addresses(situation, card.name)],
        "heard": [(one, one.ssid in joined, unusable(one.security)) for one in situation.heard],
        "saved": [(one, used.get(one.path, ""), _addresses_of(one)) for one in situation.saved],
        "has_wifi": any(card.is_wifi for card in situation.cards),
        "can_set_country": visit.parts.radio_country.is_available,
        "can_open": any(card.can_be_point for card in situation.cards),
        "is_looking": visit.query.get("done") == "network-looking",
        "problem": problem,
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("network", values, problem.status if problem else 200)


def _addresses_of(saved: Saved) -> str:
    return "; ".join(words_of(one, version) for one, version in ((saved.ipv4, 4), (saved.ipv6, 6)))


def _join_page(visit: Visit, one: Heard | None, error: InputError | MachineError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {
        "one": one,
        "unusable": unusable(one.security) if one else "",
        "entered": {name: visit.form.get(name, "") for name in ("name", "security", "open")},  # never the passphrase
        "problem": problem,
        "active": "system",
    }
    return Page("network_join", values, problem.status if problem else 200)


def _addresses_page(visit: Visit, card: str, error: InputError | MachineError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {"card": card, "entered": visit.form if problem else _known(visit, card), "problem": problem, "active": "system"}
    return Page("network_addresses", values, problem.status if problem else 200)


def _known(visit: Visit, card: str) -> dict[str, str]:
    """Return the form as the card's saved connection fills it in."""
    situation = visit.parts.network_situation.value
    path = next(one.connection for one in situation.cards if one.name == card)
    saved = next((one for one in situation.saved if one.path == path), None)
    filled: dict[str, str] = {}
    for version, known in ((4, saved and saved.ipv4), (6, saved and saved.ipv6)):
        filled[f"ipv{version}-method"] = "manual" if known and known.address else "auto"
        if known and known.address:
            filled[f"ipv{version}-address"] = str(known.address)
            filled[f"ipv{version}-gateway"] = str(known.gateway or "")
            filled[f"ipv{version}-dns"] = " ".join(map(str, known.dns))
    return filled
