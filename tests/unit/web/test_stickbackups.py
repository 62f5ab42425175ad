"""Backups on a stick in the panel: looked for when an admin says so, listed, opened like a file; the stick itself is made up."""

import hashlib
import re
from datetime import UTC, datetime

import pytest

from appliance.domain.foundbackup import FIND_JOB, FoundBackup, FoundBackups
from appliance.domain.job import JobState
from appliance.domain.stick import StickState
from appliance.domain.update import order_of
from appliance.store.incoming import Incoming
from appliance.web.app import Panel
from appliance.web.stickbackups import BUSY, CHOOSE, GONE
from appliance.web.usbacts import NOT_THERE
from tests.unit.web.test_backup import PHRASE, made_on
from tests.unit.web.test_pages import whole
from tests.unit.web.test_usb import a_stick
from tests.unit.web.world import ADMIN, PASSWORD, Caller, Reply, World

STICK = "1234-ABCD"
NAME = "nightjar-roof-2026-01-31-221500.nightjar-backup"
FOLDER = "roof-7K3M9QXD"
AT = datetime(2026, 1, 31, 21, 15, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("_cheap_backups")


@pytest.fixture
def old(world: World) -> World:
    """Return a device in use with a stick plugged in."""
    world.claim()
    world.parts.sticks.publish((a_stick(STICK),))
    return world


@pytest.fixture
def fresh(fresh: World) -> World:
    """Return the other device with the stick plugged in."""
    fresh.parts.sticks.publish((a_stick(STICK),))
    return fresh


@pytest.fixture
def admin(old: World) -> Caller:
    session, token = old.login(ADMIN)
    return Caller(Panel(old.parts), cookie=f"__Host-nightjar={token}", csrf=session.csrf_token)


def found(world: World, *files: bytes) -> list[str]:
    """Let the look at a stick end with these files; return what chooses each."""
    incoming = Incoming(world.parts.folder)
    incoming.empty()
    backups = []
    for number, data in enumerate(files):
        incoming.path(number).write_bytes(data)
        backups.append(FoundBackup(number, NAME, FOLDER if number else "", len(data), AT, hashlib.sha256(data).hexdigest()))
    world.parts.found_backups.publish(FoundBackups("So it is told.", backups=tuple(backups)))
    return [backup.sha256 for backup in backups]


def opened(caller: Caller, backup: str, phrase: str = PHRASE, path: str = "/backup") -> Reply:
    reply = caller.post(f"{path}/stick/open", {"backup": backup, "passphrase": phrase})
    assert phrase not in reply.text
    whole(reply)
    return reply


def changes(world: World) -> tuple[object, ...]:
    parts = world.parts
    return parts.accounts.list(), parts.settings.newest_id(), parts.audit.head()


def test_a_stick_is_looked_at_when_an_admin_says_so_and_the_log_says_it(old: World, admin: Caller) -> None:
    page = admin.get("/backup").text
    assert "Look for backups on HOLIDAY" in page
    assert old.parts.jobs.recent() == []
    before = old.parts.audit.head()[0]
    assert admin.post("/backup/stick/look", {"stick": STICK}).header("location") == "/backup#stick-backups"
    [(job, text)] = old.parts.jobs.waiting(FIND_JOB)
    assert (order_of(text).fs_id, order_of(text).by) == (STICK, ADMIN)
    assert old.parts.audit.head()[0] == before + 1
    entry = old.parts.audit.page()[0]
    assert (entry.who, entry.action, entry.detail) == (
        ADMIN, "backups on a stick looked for", f"job {job.id}: HOLIDAY ({STICK})",
    )  # fmt: skip
    page = admin.get("/backup").text
    assert ('data-again="2"' in page, "It waits for its turn." in page, "Look for backups" in page) == (True, True, False)
    old.parts.jobs.start(job.id, "The stick is looked at")
    assert "The stick is looked at" in admin.get("/backup").text
    old.parts.jobs.finish(job.id, JobState.DONE, "")
    assert "data-again" not in admin.get("/backup").text


@pytest.mark.parametrize("fs_id", ["", "0000-1111", "../..", "refused1"])
def test_only_a_stick_that_is_there_and_usable_is_looked_at(old: World, admin: Caller, fs_id: str) -> None:
    old.parts.sticks.publish((a_stick(STICK), a_stick("refused1", state=StickState.REFUSED), a_stick("")))
    before = changes(old)
    reply = admin.post("/backup/stick/look", {"stick": fs_id})
    assert (reply.status, NOT_THERE in reply.text) == (400, True)
    assert (changes(old), old.parts.jobs.recent()) == (before, [])


def test_one_look_at_a_time(old: World, admin: Caller) -> None:
    admin.post("/backup/stick/look", {"stick": STICK})
    reply = admin.post("/backup/stick/look", {"stick": STICK})
    assert (reply.status, BUSY in reply.text, "data-again" in reply.text) == (400, True, False)
    assert len(old.parts.jobs.recent()) == 1


def test_what_was_found_is_listed_with_name_size_and_date(old: World, admin: Caller) -> None:
    found(old, b"x" * 8_400, b"y" * 2_000_000)
    page = admin.get("/backup")
    whole(page)
    for words in (
        "So it is told.",
        NAME,
        "8.4 kB, 2026-01-31 21:15:00, at the top of the stick",
        f"2.0 MB, 2026-01-31 21:15:00, in the folder {FOLDER}",
    ):
        assert words in page.text, words
    assert page.text.count('name="backup"') == 2
    assert " checked" not in page.text
    found(old, b"x")
    assert " checked" in admin.get("/backup").text


def test_a_look_that_failed_says_why(old: World, admin: Caller) -> None:
    old.parts.found_backups.publish(FoundBackups("The stick was pulled out.", is_failed=True))
    page = admin.get("/backup").text
    assert '<div class="note bad"><div><strong>The stick was pulled out.' in page
    assert "Look for backups on HOLIDAY" in page


def test_from_there_on_it_is_like_a_file(old: World, admin: Caller) -> None:
    _, chosen = found(old, b"another", made_on(old))
    old.set_public(True)
    before = changes(old)
    review = opened(admin, chosen)
    assert (review.status, "Restore this backup?" in review.text, "Public pictures" in review.text) == (200, True, True)
    assert changes(old) == before
    ticket = re.findall(r'name="ticket" value="([^"]+)"', review.text)[0]
    assert admin.post("/backup/restore", {"ticket": ticket, "password": "a wrong password"}).status == 403
    done = admin.post("/backup/restore", {"ticket": ticket, "password": PASSWORD})
    assert (done.status, done.header("location")) == (303, "/login?done=backup-restored")
    assert old.parts.settings.published.value.web.public_pictures is False


def test_what_cannot_be_opened_is_told_beside_the_list_and_changes_nothing(old: World, admin: Caller) -> None:
    file = made_on(old)
    flipped = bytearray(file)
    flipped[len(file) // 2] ^= 4
    choices = found(old, file, bytes(flipped), file[:-10], b"GIF89a")
    before = changes(old)
    for chosen, phrase, words in (
        (choices[0], "another pass-phrase", "This pass-phrase does not open the backup"),
        (choices[1], PHRASE, "This backup is damaged"),
        (choices[2], PHRASE, "its end is missing"),
        (choices[3], PHRASE, "This is no backup of a Nightjar"),
        ("", PHRASE, CHOOSE),
        ("0" * 64, PHRASE, GONE),
    ):
        reply = opened(admin, chosen, phrase)
        assert (reply.status, words in reply.text) == (400, True), words
    assert f'value="{choices[0]}" required checked' in opened(admin, choices[0], "another pass-phrase").text
    assert changes(old) == before


def test_a_file_that_was_changed_here_or_is_gone_is_not_opened(old: World, admin: Caller) -> None:
    incoming = Incoming(old.parts.folder)
    (chosen,) = found(old, made_on(old))
    incoming.path(0).write_bytes(made_on(old))
    reply = opened(admin, chosen)
    assert (reply.status, GONE in reply.text) == (400, True)
    incoming.path(0).unlink()
    assert opened(admin, chosen).status == 400
    (chosen,) = found(old, made_on(old))
    old.parts.found_backups.publish(None)
    assert GONE in opened(admin, chosen).text


def admitted(world: World) -> Caller:
    """Return a browser that has shown the setup code of a device that nobody has claimed."""
    caller = stranger(world)
    assert caller.post("/claim/backup", {"code": world.parts.gate.setup_code() or ""}).status == 200
    return caller


def stranger(world: World) -> Caller:
    caller = Caller(Panel(world.parts))
    caller.csrf = re.findall(r'name="csrf" value="([^"]+)"', caller.get("/claim/backup").text)[0]
    caller.cookie = f"__Host-nightjar-form={caller.csrf}"
    return caller


def test_a_fresh_device_is_claimed_with_a_backup_on_a_stick(old: World, fresh: World) -> None:
    nobody = admitted(fresh)
    page = nobody.get("/claim/backup")
    whole(page)
    assert ("Look for backups on HOLIDAY" in page.text, 'http-equiv="refresh"' in page.text) == (True, False)
    assert nobody.post("/claim/backup/stick/look", {"stick": STICK}).header("location") == "/claim/backup#stick-backups"
    [(job, text)] = fresh.parts.jobs.waiting(FIND_JOB)
    assert (order_of(text).by, [entry.who for entry in fresh.parts.audit.page()]) == ("setup code", ["setup code"])
    page = nobody.get("/claim/backup")
    whole(page)
    assert '<meta http-equiv="refresh" content="2; url=/claim/backup">' in page.text
    fresh.parts.jobs.finish(job.id, JobState.DONE, "")
    (chosen,) = found(fresh, made_on(old))
    assert NAME in nobody.get("/claim/backup").text
    wrong = opened(nobody, chosen, "another pass-phrase", "/claim/backup")
    assert (wrong.status, "This pass-phrase does not open the backup" in wrong.text) == (400, True)
    review = opened(nobody, chosen, path="/claim/backup")
    assert (review.status, "ada, admin" in review.text, fresh.parts.gate.is_claimed) == (200, True, False)
    ticket = re.findall(r'name="ticket" value="([^"]+)"', review.text)[0]
    assert nobody.post("/claim/backup/restore", {"ticket": ticket}).header("location") == "/login?done=backup-restored"
    assert fresh.login(ADMIN)[0].account.name == ADMIN


def test_before_the_setup_code_nobody_sees_or_reaches_a_stick(old: World, fresh: World) -> None:
    nobody = stranger(fresh)
    (chosen,) = found(fresh, made_on(old))
    page = nobody.get("/claim/backup").text
    assert ("HOLIDAY" in page, NAME in page) == (False, False)
    for reply in (nobody.post("/claim/backup/stick/look", {"stick": STICK}), opened(nobody, chosen, path="/claim/backup")):
        assert (reply.status, "Enter the setup code first" in reply.text, "HOLIDAY" in reply.text) == (400, True, False)
    assert (fresh.parts.jobs.recent(), fresh.parts.audit.page()) == ([], [])


def test_after_the_claim_its_way_is_shut(old: World) -> None:
    (chosen,) = found(old, made_on(old))
    nobody = Caller(Panel(old.parts), cookie=f"__Host-nightjar-form={'b' * 43}", csrf="b" * 43)
    assert nobody.post("/claim/backup/stick/look", {"stick": STICK}).status == 403
    assert opened(nobody, chosen, path="/claim/backup").status == 403
    assert old.parts.jobs.recent() == []
