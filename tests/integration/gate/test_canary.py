"""A secret planted in every place that holds one: in no page, answer, log, export or file, and there where it must be."""

import base64
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import appliance.web.app  # noqa: F401 - fills the table of routes
from appliance.domain.clock import SystemClock
from appliance.domain.secret import Secret
from appliance.security.vault import Vault, keys_from_file
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.web.routes import table
from tests.integration.gate.person import STAFF, STAFF_PASSWORD, Person, admin_of, bearer
from tests.integration.process.appliance import PASSWORD, Answer, Appliance

pytestmark = pytest.mark.needs("indiserver")

CREDENTIAL = "canary-credential-5b1e77c0aa"
RESET_PASSWORD = "canary-reset-password-91c3"
PASSPHRASE = "canary-pass-phrase-4d0be6"
FAILED_PASSWORD = "canary-failed-password-27d8"


@dataclass(frozen=True)
class Planted:
    """What was planted, by where; and the name of the own certificate that was imported."""

    secrets: dict[str, str]
    totp: str
    recovery_code: str


def own_certificate() -> tuple[str, str]:
    """Return chain and key of a certificate as an admin might bring it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sky.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sky.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def turn_totp_on(person: Person) -> tuple[str, list[str]]:
    """Turn the second factor on; return its secret and the recovery codes."""
    page = person.get("/me/totp").body.decode()
    secret = re.sub(r"\s", "", re.findall(r'<code class="secret">([^<]+)<', page)[0])
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page)[0]
    answer = person.post("/me/totp", ticket=ticket, code=pyotp.TOTP(secret).now())
    assert answer.status == 200, answer.body
    return secret, re.findall(r"<li>([^<]+)</li>", answer.body.decode().split('id="codes"')[1])


@pytest.fixture(scope="module")
def planted(appliance: Appliance) -> Planted:
    """Plant a secret in every place that holds one, through the panel, and use each once."""
    admin = admin_of(appliance)
    other = Person(appliance, STAFF, STAFF_PASSWORD)
    totp, codes = turn_totp_on(other)
    token = admin.make_token("canary", "admin")
    assert Person(appliance).send("GET", "/api/v1/system", headers=bearer(token)).status == 200
    admin.post("/accounts/create", name="carol", password="a-first-password", role="staff")
    assert admin.post(f"/accounts/{admin.number_of('carol')}/reset", password=RESET_PASSWORD).status == 303
    Person(appliance).login("carol", FAILED_PASSWORD)
    chain, key = own_certificate()
    assert admin.post("/certificate/import", chain=chain, key=key).status == 303
    seal(appliance.data, CREDENTIAL)
    key_lines = key.splitlines()
    secrets = {
        "password of the admin": PASSWORD,
        "password of staff": STAFF_PASSWORD,
        "password that was reset": RESET_PASSWORD,
        "password that failed": FAILED_PASSWORD,
        "API token": token,
        "secret of the second factor": totp,
        "credential": CREDENTIAL,
        "key of the own certificate": key_lines[1],
        "cookie of the admin": admin.cookie.partition("=")[2],
        "cookie of staff": other.cookie.partition("=")[2],
        "setup code": appliance.setup_code or "",
        "vault key": (appliance.data / "keys" / "vault.key").read_text().split()[-1],
        **{f"recovery code {number}": code for number, code in enumerate(codes)},
    }
    assert all(len(secret) >= 8 for secret in secrets.values()), secrets
    return Planted(secrets, totp, codes[0])


def seal(data: Path, text: str) -> None:
    """Put a credential into the running program's vault, as a page for targets will."""
    database = Database(data, SystemClock())
    database.open()
    try:
        CredentialStore(database).set("canary", vault_of(data).seal(Secret(text)))
    finally:
        database.close()


def vault_of(data: Path) -> Vault:
    """Return the vault that the key file opens."""
    return Vault(keys_from_file((data / "keys" / "vault.key").read_bytes()))


def disguises(secret: str) -> set[bytes]:
    """Return a secret as it is and as it might slip through: without dashes, in base64, in hexadecimal."""
    plain = secret.encode()
    return {plain, secret.replace("-", "").encode() or plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode()}


def found_in(data: bytes, planted: Planted) -> list[str]:
    return [where for where, secret in planted.secrets.items() if any(form in data for form in disguises(secret))]


def crawl(person: Person) -> dict[str, Answer]:
    """Ask for every GET of the table of routes, and for every address of ours that a page names."""
    assert len(table()) > 40
    names = {
        "<number>": "1",
        "<name>": "live",
        "<night>": "2026-01-31",
        "<target>": "canary01",
        "<peer>": "hilltop1",
        "<kind>": "frame",
    }
    todo = [re.sub("<[a-z]+>", lambda match: names[match[0]], entry.path) for entry in table() if entry.method == "GET"]
    answers: dict[str, Answer] = {}
    while todo:
        path = todo.pop()
        if path in answers or path == "/me/totp":  # a new secret is offered there each time, to whom it belongs
            continue
        answers[path] = answer = person.get(path)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            text = answer.body.decode()
            todo += [href.replace("&amp;", "&") for href in re.findall(r'(?:href|src)="(/[^"#]*)', text)]
        assert len(answers) < 2000
    return answers


def test_no_page_and_no_answer_shows_a_secret(appliance: Appliance, planted: Planted) -> None:
    admin = admin_of(appliance)
    answers = crawl(admin)
    assert len([one for one in answers.values() if one.status == 200]) > 40
    told = {path: found for path, answer in answers.items() if (found := found_in(answer.body, planted))}
    headers = {path: found for path, one in answers.items() if (found := found_in(repr(one.headers).encode(), planted))}
    assert (told, headers) == ({}, {})
    assert admin.cookie.partition("=")[2].encode() not in b"".join(answer.body for answer in answers.values())


def test_exports_of_settings_and_audit_log_hold_no_secret(appliance: Appliance, planted: Planted) -> None:
    admin = admin_of(appliance)
    settings, audit = admin.get("/api/v1/settings").body, admin.get("/audit/export").body
    assert b'"site"' in settings
    assert b"token created" in audit
    assert found_in(settings + audit, planted) == []


def test_the_log_holds_no_secret(appliance: Appliance, planted: Planted, log_file: Path) -> None:
    assert b"panel serves" in log_file.read_bytes()
    assert found_in(log_file.read_bytes(), planted) == []


def test_no_file_of_the_data_folder_holds_a_secret_but_the_key_files(appliance: Appliance, planted: Planted) -> None:
    files = {path for path in appliance.data.rglob("*") if path.is_file()}
    told = {path.relative_to(appliance.data).as_posix(): found_in(path.read_bytes(), planted) for path in files}
    assert any(name.endswith("nightjar.db-wal") for name in told)
    assert {name: found for name, found in told.items() if found} == {
        "keys/vault.key": ["vault key"],
        "keys/own.pem": ["key of the own certificate"],
    }


def test_a_backup_shows_no_secret_and_its_pass_phrase_is_kept_nowhere(
    appliance: Appliance, planted: Planted, log_file: Path
) -> None:
    form = {"passphrase": PASSPHRASE, "again": PASSPHRASE, "password": PASSWORD}
    file = admin_of(appliance).post("/backup/download", **form)
    assert file.status == 200, file.body
    assert file.body.startswith(b"nightjar-backup\n")
    assert found_in(file.body, planted) == []
    admin = admin_of(appliance)
    page = admin.client.upload("/backup/open", file.body, admin.csrf(), passphrase=PASSPHRASE)
    assert (page.status, found_in(page.body, planted)) == (200, [])
    kept = [log_file, *(path for path in appliance.data.rglob("*") if path.is_file())]
    forms = disguises(PASSPHRASE)
    assert not [path for path in kept if any(form in path.read_bytes() for form in forms)]
    assert not any(form in file.body + page.body for form in forms)


def test_a_secret_in_the_clear_would_be_found(planted: Planted) -> None:
    for where, secret in planted.secrets.items():
        assert where in found_in(b"x" + secret.encode() + b"y", planted)
        assert where in found_in(base64.b64encode(secret.encode()), planted)


def test_what_is_sealed_is_there_and_opens_with_its_key(appliance: Appliance, planted: Planted) -> None:
    with sqlite3.connect(f"file:{appliance.data}/nightjar.db?mode=ro", uri=True) as database:
        (credential,) = database.execute("select sealed from credential where name = 'canary'").fetchone()
        (totp,) = database.execute("select totp_sealed from account where name = ?", (STAFF,)).fetchone()
    vault = vault_of(appliance.data)
    assert vault.open(credential).reveal() == CREDENTIAL
    assert vault.open(totp).reveal() == planted.totp


def test_what_was_planted_works(appliance: Appliance, planted: Planted) -> None:
    person = Person(appliance)
    assert person.login(STAFF, STAFF_PASSWORD).status == 403
    assert person.login(STAFF, STAFF_PASSWORD, second=planted.recovery_code).status == 303
    token = planted.secrets["API token"]
    assert Person(appliance).send("GET", "/api/v1/system", headers=bearer(token)).status == 200
