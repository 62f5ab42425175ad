"""A backup of one appliance makes another one of it: accounts, second factor, targets with their secrets; real processes."""

import html
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyotp
import pytest

from tests.integration.gate.person import Person, admin_of, bearer
from tests.integration.process.appliance import NAME, PASSWORD, ROOT, Answer, Appliance, wait_until
from tests.integration.process.test_uploads import add_target, outcome, pictures
from tests.integration.uploads.sshd import Sshd, make_keys, sshd

pytestmark = [pytest.mark.needs("/usr/sbin/sshd", "ssh-keygen", "indiserver"), pytest.mark.timeout(500)]

PHRASE = "four words under stars"
OTHER, OTHER_PASSWORD = "tycho", "a-cloudy-summer-day"


def made(folder: Path) -> Path:
    """Return the data folder of an appliance, with room for its log beside it."""
    folder.mkdir()
    return folder / "data"


def csrf_of(page: Answer) -> str:
    found = re.search(rb'name="csrf" value="([^"]+)"', page.body)
    assert found, page.body
    return found[1].decode()


def download(appliance: Appliance) -> bytes:
    answer = appliance.post("/backup/download", passphrase=PHRASE, again=PHRASE, password=PASSWORD)
    assert answer.status == 200, answer.body
    assert re.fullmatch(
        r'attachment; filename="nightjar-[a-z0-9-]+-\d{4}-\d\d-\d\d-\d{6}\.nightjar-backup"',
        answer.headers["Content-Disposition"],
    )
    return answer.body


def second_factor_of(person: Person) -> str:
    page = person.get("/me/totp").body.decode()
    secret = re.sub(r"\s", "", re.findall(r'<code class="secret">([^<]+)<', page)[0])
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page)[0]
    assert person.post("/me/totp", ticket=ticket, code=pyotp.TOTP(secret).now()).status == 200
    return secret


def set_up(appliance: Appliance, server: Sshd, there: Path) -> tuple[str, str]:
    """Use an appliance as people do; return the secret of a second factor and an API token."""
    appliance.set("site", name='"Old roof"', timezone='"Europe/Vienna"')
    appliance.set("camera", period_s="1.0", duration_max_s="0.5")
    appliance.set("web", public_page="true")
    target = add_target(appliance, server, there)
    assert appliance.post(f"/targets/{target}/test").status == 303
    assert outcome(appliance, target) == "key"
    shown = re.search(r'name="shown" value="([^"]+)"', appliance.get(f"/targets/{target}").body.decode())
    assert shown
    assert appliance.post(f"/targets/{target}/trust", shown=html.unescape(shown[1])).status == 303
    assert outcome(appliance, target) == ""
    admin = admin_of(appliance)
    assert admin.post("/accounts/create", name=OTHER, password=OTHER_PASSWORD, role="staff").status == 303
    return second_factor_of(Person(appliance, OTHER, OTHER_PASSWORD)), admin.make_token("home", "read")


def claim_with(appliance: Appliance, file: bytes) -> None:
    """Claim a fresh appliance with a backup, after everything that must not work."""
    page = appliance.get("/claim")
    assert b'href="/claim/backup"' in page.body
    page = appliance.get("/claim/backup")
    csrf = csrf_of(page)
    appliance.cookie = page.cookies[0].split(";")[0]
    form = {"Origin": appliance.origin, "Content-Type": "application/x-www-form-urlencoded"}

    def send(path: str, **fields: str) -> Answer:
        body = "&".join(f"{name}={value}" for name, value in {"csrf": csrf, **fields}.items()).encode()
        return appliance.request("POST", path, body, **form)

    def bring(sent: bytes, phrase: str = PHRASE) -> Answer:
        return appliance.upload("/claim/backup/open", sent, csrf, passphrase=phrase)

    early = bring(file)
    assert (early.status, b"Enter the setup code first" in early.body) == (400, True)
    assert bring(file + bytes(100_000)).status == 403, "what is large is not even read"
    assert send("/claim/backup", code="0000-0000-0000").status == 403
    assert b'type="file"' in send("/claim/backup", code=appliance.read_setup_code()).body
    damaged = bytearray(file)
    damaged[len(file) // 2] ^= 4
    for sent, phrase, words in (
        (file, "another pass-phrase", b"This pass-phrase does not open"),
        (bytes(damaged), PHRASE, b"is damaged"),
        (file[:-20], PHRASE, b"is not whole"),
        (b"PK\x03\x04" + bytes(100_000), PHRASE, b"no backup of a Nightjar"),
    ):
        answer = bring(sent, phrase)
        assert (answer.status, words in answer.body) == (400, True), answer.body
    review = bring(file)
    assert review.status == 200
    for told in (f"{NAME}, admin", f"{OTHER}, staff, second factor", "Attic, SFTP"):
        assert told.encode() in review.body, told
    assert appliance.get("/login").status == 303, "nothing is claimed by looking"
    ticket = re.findall(rb'name="ticket" value="([^"]+)"', review.body)[0].decode()
    done = send("/claim/backup/restore", ticket=ticket)
    assert (done.status, done.headers["Location"]) == (303, "/login?done=backup-restored")
    assert send("/claim/backup/restore", ticket=ticket).status == 403


def test_a_fresh_appliance_is_claimed_with_a_backup_and_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    ssh, there = tmp_path / "ssh", tmp_path / "there"
    ssh.mkdir()
    there.mkdir()
    make_keys(ssh)
    with sshd(ssh) as server:
        with Appliance(made(tmp_path / "old")) as old:
            old.claim()
            totp, token = set_up(old, server, there)
            file = download(old)
            settings, authority = old.get("/api/v1/settings").json(), (old.data / "tls" / "ca.pem").read_bytes()
        assert len(file) < 64 << 10, "as small as an ordinary form"
        for path in there.rglob("*.jpg"):
            path.unlink()
        with Appliance(made(tmp_path / "new")) as new:
            claim_with(new, file)
            new.login()
            assert new.get("/api/v1/settings").json() == settings
            assert (new.data / "tls" / "ca.pem").read_bytes() != authority
            other = Person(new)
            assert other.login(OTHER, OTHER_PASSWORD).status == 403
            wait_until(lambda: other.login(OTHER, OTHER_PASSWORD, pyotp.TOTP(totp).now()).status == 303, 90, "the next code")
            assert Person(new).send("GET", "/api/v1/system", headers=bearer(token)).status == 401
            assert new.get("/public", Cookie="").status == 200
            wait_until(lambda: len(pictures(there)) >= 2, 120, "pictures of the new one on the other side")
            entries = admin_of(new).audit()
            [restored] = [entry for entry in entries if entry["action"] == "backup restored"]
            assert (restored["who"], f"accounts: {NAME}, {OTHER}; targets: 1" in restored["detail"]) == ("setup code", True)
            assert admin_of(new).get("/audit?verify=1").status == 200
        secrets = [PHRASE.encode(), server.client_key.split("\n")[1].encode(), totp.encode()]
        kept = [path for folder in (old.data, new.data) for path in (*folder.rglob("*"), folder.parent / "log.txt")]
        for path in (path for path in kept if path.is_file()):
            assert not [one for one in secrets if one in path.read_bytes()], path
        assert not [one for one in secrets if one in file]


def test_on_an_appliance_in_use_a_restore_asks_for_the_password_and_logs_everybody_out(tmp_path: Path) -> None:
    with Appliance(tmp_path / "data") as appliance:
        appliance.claim()
        file = download(appliance)
        appliance.set("site", name='"Later"')
        csrf = csrf_of(appliance.get("/backup"))
        foreign = appliance.upload("/backup/open", bytes(2 << 20), csrf, passphrase=PHRASE)
        assert (foreign.status, b"no backup of a Nightjar" in foreign.body) == (400, True)
        assert appliance.upload("/backup/open", bytes(4 << 20), csrf, passphrase=PHRASE).status == 413
        nobody = Person(appliance)
        assert nobody.client.upload("/backup/open", bytes(2 << 20), csrf, passphrase=PHRASE).status == 403
        page = appliance.upload("/backup/open", file, csrf, passphrase=PHRASE)
        ticket = re.findall(rb'name="ticket" value="([^"]+)"', page.body)[0].decode()
        assert b"Later" in page.body
        assert appliance.post("/backup/restore", ticket=ticket, password="a wrong password").status == 403
        assert appliance.get("/api/v1/settings").json()["site"]["name"] == "Later"
        assert appliance.post("/backup/restore", ticket=ticket, password=PASSWORD).status == 303
        assert appliance.get("/api/v1/settings").status == 401
        appliance.login()
        assert appliance.get("/api/v1/settings").json()["site"]["name"] == "My sky"
        assert len(list((appliance.data / "backups").glob("nightjar-*.db"))) == 1


def rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return what a restore replaces, of the rows that do not tell of the restore itself."""
    queries = {
        "accounts": "select name, role, password_hash from account order by name",
        "settings": "select json from revision order by id desc limit 1",
        "audit": "select action from audit order by id",
    }
    with closing(sqlite3.connect(f"file:{data}/nightjar.db?mode=ro", uri=True)) as database:
        assert database.execute("pragma quick_check").fetchone() == ("ok",)
        return {name: database.execute(query).fetchall() for name, query in queries.items()}


def test_a_power_cut_at_any_statement_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    with Appliance(made(tmp_path / "one")) as appliance:
        appliance.claim()
        admin_of(appliance).post("/accounts/create", name=OTHER, password=OTHER_PASSWORD, role="staff")
        (tmp_path / "file").write_bytes(download(appliance))
        admin_of(appliance).post("/accounts/create", name="eve", password=OTHER_PASSWORD, role="admin")
        appliance.set("site", name='"Later"')
    old = rows(appliance.data)

    def restored(pulled_before: int) -> tuple[int, str, dict[str, list[tuple[object, ...]]]]:
        copy = tmp_path / f"copy {pulled_before}"
        shutil.copytree(appliance.data, copy)
        command = [sys.executable, "-P", "-m", "tests.integration.process.restorer", str(copy), str(tmp_path / "file"), PHRASE]
        ran = subprocess.run([*command, str(pulled_before)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return ran.returncode, ran.stdout, rows(copy)

    code, told, new = restored(0)
    assert (code, new["audit"]) == (0, [*old["audit"], ("backup restored",)])
    assert [name for name, *_ in new["accounts"]] == [NAME, OTHER]
    statements = int(told)
    assert statements > 10
    for pulled_before in (1, statements // 2, statements):
        code, _, found = restored(pulled_before)
        assert code == -9
        assert found == old, f"before statement {pulled_before} of {statements}"
