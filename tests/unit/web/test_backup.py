"""Backups: what one device saved is what another has afterwards; whatever does not fit is refused and changes nothing."""

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pyotp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.domain.access import Role, Scope
from appliance.domain.errors import InputError, RefusedError, StoreError
from appliance.domain.night import NightId
from appliance.domain.peer import Announced, Key, PeerLimits, ThingKind
from appliance.domain.secret import Secret
from appliance.domain.stick import Stick, StickState
from appliance.domain.syncv1 import parse_network
from appliance.security.bound import open_for, seal_for
from appliance.security.sealedfile import lock, unlock
from appliance.security.signing import key_id
from appliance.security.tokens import hash_token, new_token
from appliance.settings.migrate import migrate
from appliance.settings.parse import parse
from appliance.settings.schema import Settings
from appliance.settings.targets import SftpTarget, credential_name
from appliance.store import belongings as belongings_module
from appliance.store.outgoing import outgoing_path
from appliance.store.received import Form
from appliance.web import backupcontent
from appliance.web.app import Panel
from appliance.web.backupcontent import backup_of, to_content
from appliance.web.backupdoor import leave_for
from appliance.web.backups import ADMITTED_S, AT_THE_CLAIM, LARGEST_UPLOAD, OFFER_S, BackupKeeper, file_name
from appliance.web.head import HeadError, parse_head
from appliance.web.limits import Limits
from tests.unit.web.world import ADMIN, PASSWORD, STAFF, Caller, Reply, World

PHRASE = "four words under stars"
BOUNDARY = "----WebKitFormBoundaryAbCd0123"
STICK = "1234-ABCD"

pytestmark = pytest.mark.usefixtures("_cheap_backups")


@pytest.fixture
def old(world: World) -> World:
    """Return a device in use: accounts, a second factor, a target with its secret, other cameras, a stick, a token."""
    world.claim()
    parts = world.parts
    session, _ = world.login(STAFF)
    offered = parts.people.offer_totp(session, "TESTTEST")
    parts.people.enrol_totp(session, offered.ticket, pyotp.TOTP(offered.secret.reveal()).now(), "127.0.0.1")
    target = SftpTarget(id="attic001", title="Attic", host="attic.example", user="ada", host_key="ssh-ed25519 AAAA")
    settings_now = parts.settings.published.value
    site = settings_now.site.model_copy(update={"name": "Old roof", "timezone": "Europe/Vienna"})
    parts.settings.save(settings_now.model_copy(update={"site": site, "targets": (target,)}), ADMIN)
    parts.credentials.set(credential_name(target.id, "password"), seal_for(parts.vault(), target.place, Secret("stars-in-it")))
    parts.credentials.set("network.point", parts.vault().seal(Secret("THE0DEVICES0OWN")))
    parts.peer_gate.make("Hilltop", PeerLimits(7, 500))
    parts.v1_gate.make("Garden", "attic", parse_network("192.168.1.20"), PeerLimits())
    parts.stick_store.confirm(STICK, "NIGHTJAR 1", ADMIN)
    world.api_token(Scope.READ)
    return world


def made_on(world: World) -> bytes:
    return BackupKeeper(world.parts).make(Secret(PHRASE), ADMIN, "roof", datetime.now(UTC))


def restore(world: World, file: bytes, *, is_first: bool = False) -> None:
    keeper = BackupKeeper(world.parts)
    keeper.restore(keeper.open("test", file, Secret(PHRASE)), ADMIN, "127.0.0.1", is_first=is_first)


def tree_of(file: bytes) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(unlock(file, Secret(PHRASE)).reveal())
    return tree


def file_of(tree: object) -> bytes:
    return lock(Secret(json.dumps(tree).encode()), Secret(PHRASE))


def state(world: World) -> tuple[object, ...]:
    """Return what a restore that is refused must leave as it was."""
    parts = world.parts
    return (
        parts.accounts.list(), parts.settings.newest_id(), parts.settings.published.value, parts.credentials.all(),
        parts.peers.all(), parts.peers.all_keys(), parts.stick_store.confirmed(), parts.sessions.list(),
        [token.id for token in parts.tokens.list()],
    )  # fmt: skip


# --- there and back ------------------------------------------------------------------------------------------------


def test_another_device_has_everything_afterwards(old: World, fresh: World) -> None:
    restore(fresh, made_on(old), is_first=True)
    one, other = old.parts, fresh.parts
    assert [(a.name, a.role, a.disabled, a.created_at, a.has_totp) for a in other.accounts.list()] == [
        (a.name, a.role, a.disabled, a.created_at, a.has_totp) for a in one.accounts.list()
    ]
    assert other.gate.is_claimed
    assert other.settings.published.value == one.settings.published.value
    assert other.peers.all() == one.peers.all()
    assert other.peers.all_keys() == one.peers.all_keys()
    assert other.v1_gate.peers.all() == one.v1_gate.peers.all()
    assert [(s.fs_id, s.name, s.by, s.at) for s in other.stick_store.confirmed()] == [
        (s.fs_id, s.name, s.by, s.at) for s in one.stick_store.confirmed()
    ]


def test_the_secrets_are_sealed_by_the_vault_of_the_device_that_restores(old: World, fresh: World) -> None:
    restore(fresh, made_on(old), is_first=True)
    target = fresh.parts.settings.published.value.targets[0]
    name = credential_name(target.id, "password")
    sealed = fresh.parts.credentials.get(name)
    assert sealed is not None
    assert open_for(fresh.parts.vault(), target.place, sealed).reveal() == "stars-in-it"
    assert sealed != old.parts.credentials.get(name)
    found = old.parts.accounts.by_name(STAFF)
    there = fresh.parts.accounts.by_name(STAFF)
    assert found is not None
    assert there is not None
    totp = [
        world.parts.vault().open(world.parts.accounts.totp_sealed(number) or b"").reveal()
        for world, number in ((old, found[0].id), (fresh, there[0].id))
    ]
    assert totp[0] == totp[1]


def test_the_old_accounts_log_in_with_password_second_factor_and_recovery_codes(old: World, fresh: World) -> None:
    restore(fresh, made_on(old), is_first=True)
    assert fresh.login(ADMIN)[0].account.role is Role.ADMIN
    with pytest.raises(RefusedError):
        fresh.parts.gate.login(STAFF, Secret(PASSWORD), "", "127.0.0.1", "test")
    there = fresh.parts.accounts.by_name(STAFF)
    assert there is not None
    secret = fresh.parts.vault().open(fresh.parts.accounts.totp_sealed(there[0].id) or b"").reveal()
    used = pyotp.TOTP(secret).now()
    with pytest.raises(RefusedError):  # the code that turned the factor on there was used
        fresh.parts.gate.login(STAFF, Secret(PASSWORD), used, "127.0.0.1", "test")
    assert fresh.parts.accounts.recovery_codes_left(there[0].id) == 10


def test_what_belongs_to_the_device_does_not_travel(old: World, fresh: World) -> None:
    file = made_on(old)
    assert sorted(tree_of(file)) == [
        "accounts", "credentials", "origin", "peers", "settings", "settings_version", "sticks",
    ]  # fmt: skip
    assert all(name.startswith(("target.", "peer.")) for name in tree_of(file)["credentials"])
    before = fresh.parts.vault().seal(Secret("of this one"))
    fresh.parts.credentials.set("network.point", before)
    restore(fresh, file, is_first=True)
    assert fresh.parts.credentials.get("network.point") == before
    assert (fresh.parts.sessions.list(), fresh.parts.tokens.list()) == ([], [])
    assert [entry.action for entry in fresh.parts.audit.page()] == ["backup restored"]
    content = unlock(file, Secret(PHRASE)).reveal()
    assert b"THE0DEVICES0OWN" not in content
    assert (old.parts.folder.root / "keys" / "vault.key").read_bytes().strip() not in content


def test_the_audit_log_says_who_what_and_when_and_no_secret(old: World, fresh: World) -> None:
    keeper = BackupKeeper(fresh.parts)
    keeper.restore(keeper.open("claim", made_on(old), Secret(PHRASE)), AT_THE_CLAIM, "10.0.0.9", is_first=True)
    [entry] = fresh.parts.audit.page()
    assert (entry.who, entry.address, entry.action) == (AT_THE_CLAIM, "10.0.0.9", "backup restored")
    assert re.match(
        rf"made \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC by {ADMIN} on roof \(7Q2M9KD4\), version 0.1.0; "
        rf"accounts: {ADMIN}, {STAFF}; targets: 1; other cameras: 2\Z",
        entry.detail,
    )
    assert fresh.parts.settings.revisions()[0].saved_by == AT_THE_CLAIM


def test_on_a_device_in_use_everybody_is_logged_out_and_tokens_end(old: World) -> None:
    file = made_on(old)
    session, token = old.login(ADMIN)
    old.parts.people.create(session, "eve", Secret("another-long-night"), Role.ADMIN, "127.0.0.1")
    assert old.parts.gate.session_of(token) is not None
    restore(old, file)
    assert old.parts.gate.session_of(token) is None
    assert old.parts.tokens.list() == []
    assert old.parts.accounts.by_name("eve") is None
    assert old.parts.audit.verify() == []


def test_a_backup_has_the_settings_of_then_as_a_new_revision(old: World) -> None:
    file, before = made_on(old), old.parts.settings.newest_id()
    old.set_public(True)
    restore(old, file)
    assert old.parts.settings.published.value.web.public_pictures is False
    assert old.parts.settings.newest_id() == before + 2


def test_a_code_of_the_second_factor_that_was_used_since_stays_used(old: World) -> None:
    file = made_on(old)
    found = old.parts.accounts.by_name(STAFF)
    assert found is not None
    assert old.parts.accounts.use_totp_step(found[0].id, 99_999_999_999)
    restore(old, file)
    again = old.parts.accounts.by_name(STAFF)
    assert again is not None
    assert not old.parts.accounts.use_totp_step(again[0].id, 99_999_999_998)


def test_other_cameras_sign_with_their_keys_but_no_request_from_before_is_taken(old: World) -> None:
    peer, secret = old.parts.peer_gate.make("Valley", PeerLimits())
    file = made_on(old)
    old.parts.peer_gate.revoke(peer.id)
    now_s = int(datetime.now(UTC).timestamp())
    restore(old, file)
    [key] = [key for key in old.parts.peers.all_keys() if key.peer == peer.id]
    assert key.id == key_id(secret)
    with pytest.raises(RefusedError, match="taken long ago"):
        old.parts.peers.spend(key, "0" * 32, now_s - 1, "10.0.0.1")
    old.parts.peers.spend(key, "0" * 32, now_s + 60, "10.0.0.1")


def test_other_cameras_that_are_not_in_the_backup_are_shut_out_and_their_pictures_stay(old: World) -> None:
    file = made_on(old)
    with_pictures, _ = old.parts.peer_gate.make("Newcomer", PeerLimits())
    without, _ = old.parts.peer_gate.make("Nobody", PeerLimits())
    announced = Announced(Key(ThingKind.PRODUCT, NightId("2026-01-31"), "keogram"), 3, "0" * 64, None)
    old.parts.received.keep(with_pictures.id, announced, Form(1, 1), b"sky")
    restore(old, file)
    kept = old.parts.peers.get(with_pictures.id)
    assert kept is not None
    assert (kept.name, kept.is_open) == ("Newcomer", False)
    assert old.parts.peers.get(without.id) is None
    assert old.parts.received.bytes_of(with_pictures.id) == 3
    assert {key.peer for key in old.parts.peers.all_keys()} == {
        peer.id for peer in old.parts.peers.all() if peer.name == "Hilltop"
    }


def test_a_name_that_another_camera_took_meanwhile_is_given_back(old: World) -> None:
    file = made_on(old)
    [hilltop] = [peer for peer in old.parts.peers.all() if peer.name == "Hilltop"]
    old.parts.peer_gate.remove(hilltop.id)
    newer, _ = old.parts.peer_gate.make("Hilltop", PeerLimits())
    announced = Announced(Key(ThingKind.PRODUCT, NightId("2026-01-31"), "keogram"), 3, "0" * 64, None)
    old.parts.received.keep(newer.id, announced, Form(1, 1), b"sky")
    restore(old, file)
    assert {peer.id: peer.name for peer in old.parts.peers.all() if peer.name.startswith("Hilltop")} == {
        hilltop.id: "Hilltop",
        newer.id: f"Hilltop {newer.id}",
    }


def test_a_backup_with_everything_in_it_is_small(old: World) -> None:
    assert len(made_on(old)) < 64 << 10


def test_settings_of_an_older_release_are_brought_up_to_this_one(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tree_of(made_on(old))
    earlier = json.loads(tree["settings"])
    earlier["place"] = earlier.pop("site")
    tree |= {"settings": json.dumps(earlier), "settings_version": 1}
    with pytest.raises(InputError, match="place"):
        restore(old, file_of(tree))

    def next_release(text: str, version: int) -> Settings:
        steps = {1: lambda known: {name if name != "place" else "site": value for name, value in known.items()}}
        return parse(migrate(version, json.loads(text), steps=steps, target=2))

    monkeypatch.setattr(backupcontent, "from_json", next_release)
    monkeypatch.setattr(backupcontent, "VERSION", 2)
    restore(old, file_of(tree))
    assert old.parts.settings.published.value.site.name == "Old roof"


# --- refused, and nothing changed -----------------------------------------------------------------------------------


def _set(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        place: Any = tree
        for word in path[:-1]:
            place = place[word]
        place[path[-1]] = value

    return change


HOSTILE_HASH = "$argon2id$v=19$m=4194304,t=99,p=1$" + "A" * 22 + "$" + "A" * 43
BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing of it": lambda tree: tree.clear(),
    "no accounts": _set("accounts", value=[]),
    "an account twice": lambda tree: tree["accounts"].append(tree["accounts"][0]),
    "only disabled admins": _set("accounts", 0, "is_disabled", value=True),
    "only staff": _set("accounts", 0, "role", value="staff"),
    "a level that is none": _set("accounts", 0, "role", value="root"),
    "a name that is none": _set("accounts", 0, "name", value="../ada"),
    "a name in capitals": _set("accounts", 0, "name", value="Ada"),
    "a hash that would take all memory": _set("accounts", 0, "password_hash", value=HOSTILE_HASH),
    "a hash of another kind": _set("accounts", 0, "password_hash", value="$2b$12$abc"),
    "a recovery code in the clear": _set("accounts", 1, "recovery_hashes", value=["ABCD-EFGH-JKMN-PQRS"]),
    "a second factor that is none": _set("accounts", 1, "totp", value="not base 32!"),
    "a moment that is none": _set("accounts", 0, "created_at", value="yesterday"),
    "an unknown field": _set("accounts", 0, "is_root", value=True),
    "another type": _set("accounts", 0, "is_disabled", value=0),
    "settings that are refused": _set("settings", value='{"site": {"latitude_deg": 400}}'),
    "settings of halves of letters": _set("settings", value='{"site": {"name": "\ud800"}}'),
    "settings of a newer release": _set("settings_version", value=99),
    "settings of no release": _set("settings_version", value=0),
    "a peer twice": lambda tree: tree["peers"].append(tree["peers"][0]),
    "two peers of a name": lambda tree: tree["peers"].append({**tree["peers"][0], "id": "another1", "v1": None, "keys": []}),
    "a key of two peers": lambda tree: tree["peers"].append({**tree["peers"][1], "id": "another1", "name": "Other", "v1": None}),
    "a peer from everywhere": _set("peers", 0, "v1", value={"user": "x", "network": "0.0.0.0/0", "camera": ""}),
    "a peer of another form": _set("peers", 0, value=[]),
    "a stick without an id": _set("sticks", 0, "fs_id", value="0000-0000"),
    "a credential of the device": _set("credentials", "network.point", value="x"),
    "a credential with another name": _set("credentials", "target.../x", value="x"),
    "a credential that is too long": _set("credentials", "target.attic001.password", value="x" * 40_000),
    "a credential of halves of letters": _set("credentials", "target.attic001.password", value="\ud800"),
    "another device's audit log": _set("audit", value=[]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_in_words_and_changes_nothing(old: World, name: str) -> None:
    tree = tree_of(made_on(old))
    BAD[name](tree)
    before = state(old)
    with pytest.raises(InputError) as refused:
        restore(old, file_of(tree))
    assert str(refused.value).endswith(".")
    assert state(old) == before


def test_the_same_tree_unchanged_is_taken(old: World) -> None:
    restore(old, file_of(tree_of(made_on(old))))


@pytest.fixture
def whole(old: World) -> dict[str, Any]:
    return tree_of(made_on(old))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(["accounts", "peers", "sticks", "credentials", "origin", "settings", "settings_version", ""]),
)
def test_any_tree_is_refused_in_words(whole: dict[str, Any], odd: object, where: str) -> None:
    tree = {**whole, where: odd} if where else odd
    is_good = where in {"peers", "sticks", "credentials"} and odd == ({} if where == "credentials" else [])
    with nullcontext() if is_good else pytest.raises(InputError):
        backup_of(Secret(json.dumps(tree).encode()))


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"null", b"{}"])
def test_content_that_is_no_tree_is_refused(content: bytes) -> None:
    with pytest.raises(InputError):
        backup_of(Secret(content))


def test_what_is_written_is_canonical(old: World) -> None:
    content = to_content(backup_of(unlock(made_on(old), Secret(PHRASE))))
    assert content.reveal() == json.dumps(json.loads(content.reveal()), sort_keys=True, separators=(",", ":")).encode()
    assert to_content(backup_of(content)).reveal() == content.reveal()


def test_a_fault_in_the_middle_leaves_everything_as_it_was(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file, before = made_on(old), state(old)

    def fail(*_: object) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(belongings_module, "write_revision", fail)
    with pytest.raises(StoreError):
        restore(old, file)
    assert state(old) == before


def test_the_database_is_saved_before_and_without_room_for_that_nothing_changes(
    old: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = old.parts.folder.root / "backups"
    file = made_on(old)
    assert list(folder.iterdir()) == []
    restore(old, file)
    assert len(list(folder.glob("nightjar-*.db"))) == 1
    before = state(old)

    def full(*_: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr("appliance.store.backups.Backups.make", full)
    with pytest.raises(StoreError):
        restore(old, file)
    assert state(old) == before


def test_who_claims_first_has_claimed(old: World, fresh: World) -> None:
    fresh.claim()
    before = state(fresh)
    with pytest.raises(RefusedError, match="claimed already"):
        restore(fresh, made_on(old), is_first=True)
    assert state(fresh) == before


def test_a_secret_that_cannot_be_opened_is_named_and_no_backup_is_made(old: World) -> None:
    old.parts.credentials.set("target.attic001.password", b"not sealed by this vault")
    with pytest.raises(InputError, match=r"No backup was made: the credential target\.attic001\.password cannot be opened"):
        made_on(old)


@pytest.mark.parametrize("weak", ["short", "password123", "aaaaaaaaaaaa", "ada-ada-ada"])
def test_a_weak_pass_phrase_is_refused(old: World, weak: str) -> None:
    with pytest.raises(InputError, match="pass-phrase"):
        BackupKeeper(old.parts).make(Secret(weak), ADMIN, "roof", datetime.now(UTC))


# --- offers and admission -------------------------------------------------------------------------------------------


def test_an_opened_backup_is_kept_for_its_holder_alone_and_for_a_while(old: World) -> None:
    now = [0.0]
    keeper = BackupKeeper(old.parts, lambda: now[0])
    offer = keeper.open("session 1", made_on(old), Secret(PHRASE))
    assert keeper.offer("session 1", offer.ticket) is offer
    for holder, ticket in (("session 2", offer.ticket), ("session 1", "x" * 43), ("session 1", "")):
        with pytest.raises(InputError, match="once more"):
            keeper.offer(holder, ticket)
    now[0] = OFFER_S
    with pytest.raises(InputError, match="once more"):
        keeper.offer("session 1", offer.ticket)


def test_a_second_file_takes_the_place_of_the_first_and_a_restore_ends_all(old: World) -> None:
    keeper = BackupKeeper(old.parts)
    first = keeper.open("session 1", made_on(old), Secret(PHRASE))
    second = keeper.open("session 1", made_on(old), Secret(PHRASE))
    other = keeper.open("session 2", made_on(old), Secret(PHRASE))
    with pytest.raises(InputError):
        keeper.offer("session 1", first.ticket)
    keeper.restore(second, ADMIN, "127.0.0.1")
    with pytest.raises(InputError):
        keeper.offer("session 2", other.ticket)


def test_nothing_is_opened_where_no_file_came(old: World) -> None:
    with pytest.raises(InputError, match="Choose the file"):
        BackupKeeper(old.parts).open("session 1", b"", Secret(PHRASE))


def test_the_setup_code_admits_one_browser_for_a_while(fresh: World) -> None:
    now = [0.0]
    keeper = BackupKeeper(fresh.parts, lambda: now[0])
    browser = "b" * 43
    assert not keeper.is_admitted(browser)
    assert not keeper.is_admitted("")
    with pytest.raises(RefusedError):
        keeper.admit("0000-0000-0000", browser, "127.0.0.1")
    assert not keeper.is_admitted(browser)
    keeper.admit(fresh.parts.gate.setup_code() or "", browser, "127.0.0.1")
    assert keeper.is_admitted(browser)
    assert not keeper.is_admitted("c" * 43)
    now[0] = ADMITTED_S
    assert not keeper.is_admitted(browser)


def test_after_the_claim_the_code_admits_nobody(fresh: World) -> None:
    keeper = BackupKeeper(fresh.parts)
    code = fresh.parts.gate.setup_code() or ""
    keeper.admit(code, "b" * 43, "127.0.0.1")
    fresh.claim()
    assert not keeper.is_admitted("b" * 43)
    with pytest.raises(RefusedError, match="claimed already"):
        keeper.admit(code, "b" * 43, "127.0.0.1")


def head_of(method: str, cookie: str) -> bytes:
    return (
        f"{method} /backup/open HTTP/1.1\r\nHost: nightjar.local\r\nContent-Length: 900000\r\n"
        f"{f'Cookie: {cookie}' if cookie else 'Accept: */*'}\r\n\r\n"
    ).encode()


def test_the_door_lets_large_files_of_admins_in_and_nobody_elses(old: World) -> None:
    ask = leave_for(old.parts.gate, BackupKeeper(old.parts))
    limits = Limits(body_bytes=8 << 20)
    admin, token = f"a=b; __Host-nightjar={old.login(ADMIN)[1]}", new_token()
    found = old.parts.accounts.by_name(STAFF)
    assert found is not None
    old.parts.sessions.create(found[0].id, hash_token(token.reveal()), "x" * 43, "127.0.0.1", "test")
    staff = f"__Host-nightjar={token.reveal()}"
    leave = ask(parse_head(head_of("POST", admin), limits), "127.0.0.1")
    assert (leave.size, leave.sink) == (LARGEST_UPLOAD, None)
    for method, cookie in (("PUT", admin), ("POST", staff), ("POST", ""), ("POST", "__Host-nightjar=" + "x" * 43)):
        with pytest.raises(HeadError) as refused:
            ask(parse_head(head_of(method, cookie), limits), "127.0.0.1")
        assert refused.value.status == 403


def test_before_the_claim_the_door_lets_in_who_has_shown_the_code(fresh: World) -> None:
    keeper = BackupKeeper(fresh.parts)
    ask, limits = leave_for(fresh.parts.gate, keeper), Limits(body_bytes=8 << 20)
    cookie = "__Host-nightjar-form=" + "b" * 43
    with pytest.raises(HeadError):
        ask(parse_head(head_of("POST", cookie), limits), "127.0.0.1")
    keeper.admit(fresh.parts.gate.setup_code() or "", "b" * 43, "127.0.0.1")
    assert ask(parse_head(head_of("POST", cookie), limits), "127.0.0.1").size == LARGEST_UPLOAD
    fresh.claim()
    with pytest.raises(HeadError):
        ask(parse_head(head_of("POST", cookie), limits), "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("roof", "nightjar-roof-2026-01-31-221500.nightjar-backup"),
        ("nightjar", "nightjar-7q2m9kd4-2026-01-31-221500.nightjar-backup"),
        ("", "nightjar-7q2m9kd4-2026-01-31-221500.nightjar-backup"),
        ("nightjar-attic", "nightjar-attic-2026-01-31-221500.nightjar-backup"),
        ("../Roof \u00e4 CON", "nightjar-roof-con-2026-01-31-221500.nightjar-backup"),
        ("x" * 200, f"nightjar-{'x' * 40}-2026-01-31-221500.nightjar-backup"),
    ],
)
def test_the_file_has_a_plain_name(host: str, expected: str) -> None:
    name = file_name(host, "7Q2M9KD4", datetime(2026, 1, 31, 22, 15, tzinfo=UTC))
    if host.startswith(".."):
        assert re.fullmatch(r"nightjar-[a-z0-9-]+\.nightjar-backup", name)
    else:
        assert name == expected
    outgoing_path(name)


# --- the pages ------------------------------------------------------------------------------------------------------


def upload(caller: Caller, target: str, file: bytes, phrase: str = PHRASE, *, csrf: str | None = None) -> Reply:
    """Send a form with a file as a browser does."""
    fields = {"csrf": caller.csrf if csrf is None else csrf, "passphrase": phrase}
    body = b""
    for name, value in fields.items():
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.nightjar-backup"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    body += file + f"\r\n--{BOUNDARY}--\r\n".encode()
    return caller.call("POST", target, body, {}, f"multipart/form-data; boundary={BOUNDARY}")


@pytest.fixture
def admin(old: World) -> Caller:
    return admin_at(Panel(old.parts), old)


def admin_at(panel: Panel, world: World) -> Caller:
    session, token = world.login(ADMIN)
    return Caller(panel, cookie=f"__Host-nightjar={token}", csrf=session.csrf_token)


def form(**changes: str) -> dict[str, str]:
    return {"passphrase": PHRASE, "again": PHRASE, "password": PASSWORD, **changes}


def test_an_admin_downloads_a_backup_and_the_log_says_so(old: World, admin: Caller) -> None:
    reply = admin.post("/backup/download", form())
    assert (reply.status, reply.header("content-type"), reply.header("cache-control")) == (
        200, "application/octet-stream", "no-store",
    )  # fmt: skip
    found = re.fullmatch(r'attachment; filename="(nightjar-[a-z0-9-]+\.nightjar-backup)"', reply.header("content-disposition"))
    assert found
    assert tree_of(reply.body)["origin"]["made_by"] == ADMIN
    assert (old.parts.audit.page()[0].action, old.parts.audit.page()[0].detail) == ("backup downloaded", found[1])


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"again": PHRASE + "!"}, 400, "The two pass-phrases are not the same"),
        ({"passphrase": "short", "again": "short"}, 400, "Choose a pass-phrase of 10 characters"),
        ({"password": "a wrong password"}, 403, "the password is wrong"),
    ],
)
def test_no_backup_leaves_without_a_good_pass_phrase_and_the_password(
    old: World, admin: Caller, changes: dict[str, str], status: int, words: str
) -> None:
    reply = admin.post("/backup/download", form(**changes))
    assert (reply.status, words in reply.text) == (status, True)
    assert "backup downloaded" not in [entry.action for entry in old.parts.audit.page()]


def test_a_backup_goes_to_a_confirmed_stick_as_a_job(old: World, admin: Caller) -> None:
    assert "/backup/stick" not in admin.get("/backup").text
    assert admin.post("/backup/stick", form(stick=STICK)).status == 400
    stick = Stick(STICK, "NIGHTJAR", "exfat", "Model", 1 << 30, None, StickState.DONE, "", is_confirmed=True)
    old.parts.sticks.publish((stick,))
    assert "/backup/stick" in admin.get("/backup").text
    assert admin.post("/backup/stick", form(stick="0000-1111")).status == 400
    assert admin.post("/backup/stick", form(stick=STICK, password="a wrong password")).status == 403
    assert old.parts.jobs.recent() == []
    before = old.parts.audit.head()[0]
    assert admin.post("/backup/stick", form(stick=STICK)).header("location") == "/backup?done=backup-ordered"
    [(job, request)] = old.parts.jobs.waiting("export")
    name = json.loads(request)["backup"]
    kept = old.parts.folder.read(outgoing_path(name))
    assert kept is not None
    assert tree_of(kept)["origin"]["made_by"] == ADMIN
    assert old.parts.audit.head()[0] == before + 1
    assert old.parts.audit.page()[0].detail == f"job {job.id}: {name} to NIGHTJAR ({STICK})"


def test_no_program_can_have_a_file_copied_by_its_name(old: World, admin: Caller) -> None:
    old.parts.sticks.publish((Stick(STICK, "X", "exfat", "M", 1 << 30, None, StickState.DONE, "", is_confirmed=True),))
    body = json.dumps({"fs_id": STICK, "backup": "nightjar-roof.nightjar-backup"}).encode()
    reply = admin.call("POST", "/api/v1/usb/export", body, {"x_csrf_token": admin.csrf}, "application/json")
    assert reply.status == 400
    assert old.parts.jobs.recent() == []


def test_a_stick_that_nobody_confirmed_gets_no_backup(old: World, admin: Caller) -> None:
    old.parts.sticks.publish((Stick(STICK, "X", "exfat", "M", 1 << 30, None, StickState.OFFERED, "", is_confirmed=False),))
    assert admin.post("/backup/stick", form(stick=STICK)).status == 400
    assert old.parts.jobs.recent() == []


def test_a_restore_is_shown_before_it_is_done(old: World, admin: Caller) -> None:
    file = made_on(old)
    old.set_public(True)
    session, _ = old.login(ADMIN)
    old.parts.people.create(session, "eve", Secret("another-long-night"), Role.STAFF, "127.0.0.1")
    before = state(old)
    page = upload(admin, "/backup/open", file)
    assert page.status == 200
    for words in ("7Q2M9KD4 (this one)", "ada, admin", "tycho, staff, second factor", "Attic, SFTP", "Hilltop", "NIGHTJAR 1",
                  "These go: eve", "Public pictures"):  # fmt: skip
        assert words in page.text, words
    assert state(old) == before
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page.text)[0]
    refused = admin.post("/backup/restore", {"ticket": ticket, "password": "a wrong password"})
    assert (refused.status, "the password is wrong" in refused.text) == (403, True)
    assert state(old) == before
    done = admin.post("/backup/restore", {"ticket": ticket, "password": PASSWORD})
    assert (done.status, done.header("location")) == (303, "/login?done=backup-restored")
    assert old.parts.settings.published.value.web.public_pictures is False
    assert admin.get("/backup").status == 303


def test_another_admin_cannot_say_yes_to_what_one_has_opened(old: World) -> None:
    panel = Panel(old.parts)
    one, other = admin_at(panel, old), admin_at(panel, old)
    page = upload(one, "/backup/open", made_on(old))
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page.text)[0]
    reply = other.post("/backup/restore", {"ticket": ticket, "password": PASSWORD})
    assert (reply.status, "Choose the file once more" in reply.text) == (400, True)


def test_what_cannot_be_opened_is_told_on_the_page(old: World, admin: Caller) -> None:
    for file, phrase, words in (
        (made_on(old), "another pass-phrase", "This pass-phrase does not open the backup"),
        (made_on(old)[:-10], PHRASE, "its end is missing"),
        (b"GIF89a", PHRASE, "This is no backup of a Nightjar"),
        (b"", PHRASE, "Choose the file of the backup"),
    ):
        reply = upload(admin, "/backup/open", file, phrase)
        assert (reply.status, words in reply.text) == (400, True), words
        assert phrase not in reply.text


def test_a_file_from_another_site_is_refused_before_it_is_opened(admin: Caller, old: World) -> None:
    assert upload(admin, "/backup/open", made_on(old), csrf="x" * 43).status == 403
    assert upload(admin, "/backup/open", made_on(old), csrf="").status == 403


def test_a_fresh_device_is_claimed_with_a_backup(old: World, fresh: World) -> None:
    file = made_on(old)
    nobody = Caller(Panel(fresh.parts))
    page = nobody.get("/claim/backup")
    nobody.csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
    nobody.cookie = f"__Host-nightjar-form={nobody.csrf}"
    early = upload(nobody, "/claim/backup/open", file)
    assert (early.status, "Enter the setup code first" in early.text) == (400, True)
    assert nobody.post("/claim/backup/restore", {"ticket": "x" * 43}).status == 400
    assert nobody.post("/claim/backup", {"code": "0000-0000-0000"}).status == 403
    assert 'type="file"' in nobody.post("/claim/backup", {"code": fresh.parts.gate.setup_code() or ""}).text
    assert upload(nobody, "/claim/backup/open", file, "another pass-phrase").status == 400
    review = upload(nobody, "/claim/backup/open", file)
    assert (review.status, "ada, admin" in review.text) == (200, True)
    assert not fresh.parts.gate.is_claimed
    ticket = re.findall(r'name="ticket" value="([^"]+)"', review.text)[0]
    done = nobody.post("/claim/backup/restore", {"ticket": ticket})
    assert (done.status, done.header("location")) == (303, "/login?done=backup-restored")
    assert fresh.login(ADMIN)[0].account.name == ADMIN
    assert [entry.action for entry in fresh.parts.audit.page()][-2:] == ["backup restored", "claim refused"]


def test_after_the_claim_its_way_is_shut(old: World) -> None:
    nobody = Caller(Panel(old.parts))
    assert nobody.get("/claim/backup").header("location") == "/login"
    nobody.csrf = "b" * 43
    nobody.cookie = f"__Host-nightjar-form={nobody.csrf}"
    assert nobody.post("/claim/backup", {"code": "0000-0000-0000"}).status == 403
    assert upload(nobody, "/claim/backup/open", b"x").status == 403
    assert nobody.post("/claim/backup/restore", {"ticket": "x" * 43}).status == 403
