"""Accounts, sessions, tokens and second factors on real stores: who may do what, what ends, what is audited."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest

from appliance.domain.access import Role, Scope, Session
from appliance.domain.errors import InputError, RefusedError
from appliance.domain.secret import Secret
from tests.unit.web.gatehouse import HOME, PASSWORD, WRONG, House, open_house

NEW = Secret("another zebra umbrella")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as house:
        house.claim()
        yield house


@pytest.fixture
def anna(house: House) -> Session:
    return house.login()[0]


@pytest.fixture
def bob(house: House, anna: Session) -> Session:
    house.people.create(anna, "bob", PASSWORD, Role.STAFF, HOME)
    return house.login("bob")[0]


ADMIN_ACTS: dict[str, Callable[[House, Session, int], object]] = {
    "create": lambda house, by, _: house.people.create(by, "carl", PASSWORD, Role.ADMIN, HOME),
    "reset_password": lambda house, by, other: house.people.reset_password(by, other, NEW, HOME),
    "set_role": lambda house, by, other: house.people.set_role(by, other, Role.ADMIN, HOME),
    "set_disabled": lambda house, by, other: house.people.set_disabled(by, other, True, HOME),
    "delete": lambda house, by, other: house.people.delete(by, other, HOME),
    "create_token": lambda house, by, _: house.people.create_token(by, "backup", Scope.ADMIN, 30, HOME),
    "revoke_token": lambda house, by, _: house.people.revoke_token(by, 1, HOME),
    "clear_totp": lambda house, by, other: house.people.clear_totp(by, other, HOME),
}


@pytest.mark.parametrize("act", list(ADMIN_ACTS))
def test_staff_may_do_none_of_what_admins_do(house: House, anna: Session, bob: Session, act: str) -> None:
    before = house.stores.accounts.list()
    with pytest.raises(RefusedError, match="only an admin"):
        ADMIN_ACTS[act](house, bob, anna.account.id)
    assert house.stores.accounts.list() == before
    assert house.stores.tokens.list() == []


@pytest.mark.parametrize("act", [act for act in ADMIN_ACTS if act != "revoke_token"])
def test_an_admin_may_and_each_act_is_one_entry_of_the_audit_log(house: House, anna: Session, bob: Session, act: str) -> None:
    before = house.stores.audit.head()[0]
    ADMIN_ACTS[act](house, anna, bob.account.id)
    assert house.stores.audit.head()[0] == before + 1
    entry = house.stores.audit.page(limit=1)[0]
    assert (entry.who, entry.address) == ("anna", HOME)
    assert house.stores.audit.verify() == []


def test_changing_the_password_ends_all_other_sessions(house: House, anna: Session) -> None:
    _, other = house.login()
    house.people.change_password(anna, PASSWORD, NEW, HOME)
    assert house.gate.session_of(other.reveal()) is None
    assert [session.id for session in house.stores.sessions.list(anna.account.id)] == [anna.id]
    house.gate.login("anna", NEW, "", HOME, "")
    with pytest.raises(RefusedError):
        house.login()


def test_changing_the_password_needs_the_old_one_and_a_good_new_one(house: House, anna: Session) -> None:
    with pytest.raises(RefusedError):
        house.people.change_password(anna, WRONG, NEW, HOME)
    with pytest.raises(InputError):
        house.people.change_password(anna, PASSWORD, Secret("password123"), HOME)
    house.login()


def test_a_reset_password_ends_that_accounts_sessions(house: House, anna: Session, bob: Session) -> None:
    _, cookie = house.login("bob")
    house.people.reset_password(anna, bob.account.id, NEW, HOME)
    assert house.gate.session_of(cookie.reveal()) is None
    house.gate.login("bob", NEW, "", HOME, "")


def test_ones_own_password_and_second_factor_are_not_reset_without_the_password(house: House, anna: Session) -> None:
    with pytest.raises(InputError, match="asks for the old one"):
        house.people.reset_password(anna, anna.account.id, NEW, HOME)
    with pytest.raises(InputError, match="asks for the password"):
        house.people.clear_totp(anna, anna.account.id, HOME)


@pytest.mark.parametrize("act", ["set_role", "set_disabled", "delete"])
def test_sessions_end_with_role_and_account(house: House, anna: Session, bob: Session, act: str) -> None:
    _, cookie = house.login("bob")
    ADMIN_ACTS[act](house, anna, bob.account.id)
    assert house.gate.session_of(cookie.reveal()) is None


@pytest.mark.parametrize("act", ["demote", "disable", "delete"])
def test_the_last_admin_cannot_be_lost(house: House, anna: Session, act: str) -> None:
    acts: dict[str, Callable[[], None]] = {
        "demote": lambda: house.people.set_role(anna, anna.account.id, Role.STAFF, HOME),
        "disable": lambda: house.people.set_disabled(anna, anna.account.id, True, HOME),
        "delete": lambda: house.people.delete(anna, anna.account.id, HOME),
    }
    with pytest.raises(InputError, match="last admin"):
        acts[act]()
    house.people.create(anna, "carl", PASSWORD, Role.ADMIN, HOME)
    acts[act]()


def test_acts_on_an_account_that_is_gone_are_refused(house: House, anna: Session) -> None:
    for act in ("reset_password", "set_role", "set_disabled", "delete", "clear_totp"):
        with pytest.raises(InputError, match="gone"):
            ADMIN_ACTS[act](house, anna, 999)


@pytest.mark.parametrize(("name", "password"), [("bob", PASSWORD), ("b", PASSWORD), ("carl", Secret("short"))])
def test_an_account_with_a_taken_or_poor_name_or_a_weak_password_is_not_made(
    house: House, anna: Session, bob: Session, name: str, password: Secret[str]
) -> None:
    with pytest.raises(InputError):
        house.people.create(anna, name, password, Role.STAFF, HOME)
    assert [account.name for account in house.stores.accounts.list()] == ["anna", "bob"]


def test_staff_end_their_own_sessions_and_nobody_elses(house: House, anna: Session, bob: Session) -> None:
    second, cookie = house.login("bob")
    with pytest.raises(InputError, match="ended already"):
        house.people.revoke_session(bob, anna.id, HOME)
    house.people.revoke_session(bob, second.id, HOME)
    assert house.gate.session_of(cookie.reveal()) is None
    house.people.revoke_session(anna, bob.id, HOME)
    with pytest.raises(InputError, match="ended already"):
        house.people.revoke_session(anna, bob.id, HOME)


def test_a_revoked_token_opens_nothing_any_more(house: House, anna: Session) -> None:
    token, text = house.people.create_token(anna, "backup", Scope.WRITE, 30, HOME)
    assert house.gate.token_of(text.reveal()) is not None
    house.people.revoke_token(anna, token.id, HOME)
    assert house.gate.token_of(text.reveal()) is None
    with pytest.raises(InputError, match="ended already"):
        house.people.revoke_token(anna, token.id, HOME)


@pytest.mark.parametrize(("name", "days"), [("", 30), ("x" * 61, 30), ("backup", 0), ("backup", 367)])
def test_a_token_without_name_or_end_is_not_made(house: House, anna: Session, name: str, days: int) -> None:
    with pytest.raises(InputError):
        house.people.create_token(anna, name, Scope.READ, days, HOME)


def test_an_offered_second_factor_changes_nothing_until_its_first_code(house: House, anna: Session) -> None:
    offer = house.people.offer_totp(anna, "My sky")
    house.login()
    with pytest.raises(InputError, match="does not fit"):
        house.people.enrol_totp(anna, offer.ticket, "000000", HOME)
    house.login()
    codes = house.people.enrol_totp(anna, offer.ticket, pyotp.TOTP(offer.secret.reveal()).at(house.clock.now()), HOME)
    assert len(codes) == 10
    with pytest.raises(RefusedError):
        house.login()


def test_the_second_factors_secret_is_sealed_in_the_database(house: House, anna: Session) -> None:
    offer = house.people.offer_totp(anna, "My sky")
    assert offer.secret.reveal() not in offer.ticket
    codes = house.people.enrol_totp(anna, offer.ticket, pyotp.TOTP(offer.secret.reveal()).at(house.clock.now()), HOME)
    sealed = house.stores.accounts.totp_sealed(anna.account.id)
    assert sealed is not None
    assert house.keeper.vault.open(sealed).reveal() == offer.secret.reveal()
    house.database.close()
    data = b"".join(path.read_bytes() for path in house.folder.root.iterdir() if path.name.startswith("nightjar.db"))
    assert offer.secret.reveal().encode() not in data
    assert not any(code.reveal().encode() in data for code in codes)


def test_an_offer_is_good_for_its_own_account_only(house: House, anna: Session, bob: Session) -> None:
    offer = house.people.offer_totp(bob, "My sky")
    code = pyotp.TOTP(offer.secret.reveal()).at(house.clock.now())
    with pytest.raises(InputError, match="another account"):
        house.people.enrol_totp(anna, offer.ticket, code, HOME)
    for ticket in ("", "x", offer.ticket[:-4], "ä" * 50, house.keeper.vault.seal(Secret("[]")).decode()):
        with pytest.raises(InputError, match="not valid any more"):
            house.people.enrol_totp(bob, ticket, code, HOME)


def test_a_second_factor_is_not_offered_twice_nor_without_a_clock(house: House, anna: Session) -> None:
    house.clock.is_set = False
    with pytest.raises(InputError, match="clock"):
        house.people.offer_totp(anna, "My sky")
    house.clock.is_set = True
    offer = house.people.offer_totp(anna, "My sky")
    house.people.enrol_totp(anna, offer.ticket, pyotp.TOTP(offer.secret.reveal()).at(house.clock.now()), HOME)
    house.clock.run(60)
    again, _ = house.login(second=pyotp.TOTP(offer.secret.reveal()).at(house.clock.now()))
    with pytest.raises(InputError, match="on already"):
        house.people.offer_totp(again, "My sky")


def test_ones_own_second_factor_goes_with_the_password_only(house: House, anna: Session) -> None:
    offer = house.people.offer_totp(anna, "My sky")
    house.people.enrol_totp(anna, offer.ticket, pyotp.TOTP(offer.secret.reveal()).at(house.clock.now()), HOME)
    with pytest.raises(RefusedError):
        house.people.clear_own_totp(anna, WRONG, HOME)
    house.people.clear_own_totp(anna, PASSWORD, HOME)
    house.login()


def test_nothing_secret_reaches_the_audit_log(house: House, anna: Session) -> None:
    offer = house.people.offer_totp(anna, "My sky")
    codes = house.people.enrol_totp(anna, offer.ticket, pyotp.TOTP(offer.secret.reveal()).at(house.clock.now()), HOME)
    _, token = house.people.create_token(anna, "backup", Scope.READ, 30, HOME)
    house.people.change_password(anna, PASSWORD, NEW, HOME)
    log = "".join(house.stores.audit.export())
    for secret in (offer.secret, token, PASSWORD, NEW, *codes):
        assert secret.reveal() not in log
