"""The audit log of the whole program: every act is one entry, and whoever goes around the program is found out."""

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyotp
import pytest

import appliance.web.app  # noqa: F401 - fills the table of routes
from appliance.domain.clock import SystemClock
from appliance.settings.fields import fields, text_of, value_of
from appliance.settings.parse import parse
from appliance.store.audit import START_HASH, AuditStore
from appliance.store.database import Database
from appliance.web.routes import SAFE_METHODS, table
from tests.integration.gate.person import Person, admin_of
from tests.integration.gate.test_canary import own_certificate
from tests.integration.host.madeupnm import CABLE_UUID, made_up_networkmanager
from tests.integration.host.madeuprauc import made_up_rauc
from tests.integration.host.madeupudisks import STICK as OBJECT
from tests.integration.host.madeupudisks import MadeUpUdisks, made_up_udisks
from tests.integration.host.mockbus import mock_bus
from tests.integration.host.standin import Refusal
from tests.integration.process.appliance import NAME, PASSWORD, Appliance, wait_until

pytestmark = pytest.mark.needs("indiserver", "dbus-daemon")

STICK = "1234-ABCD"
BY_ITSELF = {"stick.export", "update checked", "update not installed"}
"""What services write down by themselves, beside the order."""
BUNDLE = bytes(range(256)) * 64
BUNDLE_SHA256 = hashlib.sha256(BUNDLE).hexdigest()

ELSEWHERE = {
    "PUT /indi-allsky/sync/v1/<kind>": "brings pictures of another program: tests/integration/web/test_indiallsky.py",
    "POST /settings/review": "shows what would change and saves nothing",
    "POST /camera/driver": "needs the appliance's own INDI server: tests/unit/web/test_camera.py",
    "POST /backup/stick": "its job would keep the stick from being let go: tests/unit/web/test_backup.py",
    "POST /backup/stick/look": "its job would keep the stick from being let go: tests/unit/web/test_stickbackups.py",
    "POST /backup/stick/open": "shows what would change and changes nothing",
    "POST /backup/open": "shows what would change and changes nothing",
    "POST /backup/restore": "would end everything else: tests/integration/process/test_backup.py",
    "POST /claim/backup": "takes the place of the claim: tests/integration/process/test_backup.py",
    "POST /claim/backup/stick/look": "takes the place of the claim: tests/unit/web/test_stickbackups.py",
    "POST /claim/backup/stick/open": "shows what would change and changes nothing",
    "POST /claim/backup/open": "shows what would change and changes nothing",
    "POST /claim/backup/restore": "takes the place of the claim: tests/integration/process/test_backup.py",
    "POST /claim": "comes before all others and is the first entry",
    "POST /network/country": "needs root's reader of it: tests/unit/web/test_network.py",
    "POST /machine/reset": "would end everything else: tests/unit/web/test_reset.py",
    "PUT /api/v1/sync/<kind>/<night>/<name>": "takes what a peer sends, which is counted with the peer",
    "POST /api/v1/update/check": "needs a channel: tests/unit/web/test_update.py",
    "POST /api/v1/update/download": "needs a channel: tests/unit/web/test_update.py",
    "POST /update/check": "needs a channel: tests/unit/web/test_update.py",
    "POST /update/download": "needs a channel: tests/unit/web/test_update.py",
    "POST /api/v1/update/stick": "needs a stick that answers: tests/unit/web/test_update.py",
    "POST /update/stop": "needs a stick that answers: tests/unit/web/test_update.py",
    "POST /update/stick": "needs a stick that answers: tests/unit/web/test_update.py",
    "POST /targets/<target>/trust": "needs a server that shows its key: tests/unit/web/test_targets.py",
}


TARGET = {"kind": "sftp", "id": "", "target.title": "Attic", "target.host": "127.0.0.1", "target.port": "1", "target.user": "ada"}


class Acts:
    """Does everything that changes something, once, as the route's own page would."""

    def __init__(self, running: Appliance) -> None:
        self.running, self.admin, self.ticks = running, admin_of(running), 0

    def form(self) -> dict[str, str]:
        """Return the settings' form with one change in it, new each time, as a browser sends it."""
        page = self.admin.get("/settings").body.decode()
        settings = parse(self.admin.settings())
        every = [field for section in fields() for field in section.fields]
        texts = {field.path: text_of(value_of(settings, field.path)) for field in every}
        sent = {field.path: texts[field.path] for field in every if field.kind.value != "bool" or texts[field.path]}
        self.ticks += 1
        return {**sent, "site.name": f"Sky {self.ticks}", "base": re.findall(r'name="base" value="(\d+)"', page)[0]}

    def post(self, path: str, **fields: str) -> int:
        return self.admin.post(path, **fields).status

    def second(self) -> int:
        """Return the number of the second account."""
        return self.admin.number_of("eve")

    def api(self, method: str, path: str, body: bytes = b"") -> int:
        headers = {"X-CSRF-Token": self.admin.csrf(), "Origin": self.admin.origin, "Content-Type": "application/json"}
        return self.admin.send(method, path, body, headers).status

    def backup(self) -> int:
        phrase = "four words under stars"
        return self.post("/backup/download", passphrase=phrase, again=phrase, password=PASSWORD)

    def totp_offer(self) -> tuple[str, str]:
        page = self.admin.get("/me/totp").body.decode()
        secret = re.sub(r"\s", "", re.findall(r'<code class="secret">([^<]+)<', page)[0])
        return secret, re.findall(r'name="ticket" value="([^"]+)"', page)[0]

    def totp_on(self) -> int:
        secret, ticket = self.totp_offer()
        return self.post("/me/totp", ticket=ticket, code=pyotp.TOTP(secret).now())

    def token_number(self) -> int:
        return int(re.findall(r"/tokens/(\d+)/revoke", self.admin.get("/tokens").body.decode())[0])

    def newest_session(self) -> int:
        return max(int(number) for number in re.findall(r"/sessions/(\d+)/revoke", self.admin.get("/accounts").body.decode()))

    def newest_job(self) -> int:
        return int(self.admin.get("/api/v1/jobs").json()["jobs"][0]["id"])

    def target(self) -> str:
        """Return the id of the one target."""
        return str(self.admin.get("/api/v1/settings").json()["targets"][0]["id"])

    def network(self, path: str, phase: str, **fields: str) -> int:
        """Send a form of the network's page as soon as a change stands there."""

        def stands() -> bool:
            told = self.admin.get("/api/v1/network").json()
            return (told["phase"], told["unavailable"]) == (phase, "")

        wait_until(stands, 60, f"the network to be {phase}")
        return self.post(f"/network/{path}", **fields)

    def wifi(self) -> str:
        """Return the id of the one Wi-Fi connection that is kept."""
        [found] = set(re.findall(r"/network/forget\?connection=([0-9a-f-]+)", self.admin.get("/network").body.decode())) - {
            CABLE_UUID
        }
        return str(found)

    def peer(self) -> str:
        """Return the id of the one peer."""
        return str(re.findall(r'data-peer="([a-z0-9]{8})"', self.admin.get("/peers").body.decode())[0])

    def v1_peer(self) -> str:
        """Return the id of the one indi-allsky that may send."""
        return str(re.findall(r'data-peer="([a-z0-9]{8})"', self.admin.get("/peers/indi-allsky").body.decode())[0])

    def update(self) -> dict[str, Any]:
        """Return what is told of updates once the updater rests."""
        wait_until(lambda: self._rests(self.admin.get("/api/v1/update").json()), 60, "the updater to rest")
        told: dict[str, Any] = self.admin.get("/api/v1/update").json()
        return told

    @staticmethod
    def _rests(told: dict[str, Any]) -> bool:
        is_at_work = (told["bundle"] or {}).get("state") == "new" or (told["job"] or {}).get("state") in ("waiting", "running")
        return told["unavailable"] == "" and len(told["halves"]) == 2 and not is_at_work

    def at_rest(self, act: Callable[[], int]) -> int:
        """Do something about updates, once nothing else is done about them."""
        self.update()
        return act()

    def announce(self) -> int:
        body = json.dumps({"size": len(BUNDLE), "sha256": BUNDLE_SHA256}).encode()
        return self.at_rest(lambda: self.api("PUT", "/api/v1/update/upload", body))

    def leave_bundle(self) -> None:
        """Leave a bundle on its way behind, as another start of the program does."""
        told = {"size": 9000, "sha256": "0" * 64, "source": "upload", "by": "", "at": "2026-11-29T20:00:00+00:00"}
        (self.running.data / "updates/arriving.json").write_text(json.dumps(told))

    def give_up_by_program(self) -> int:
        self.leave_bundle()
        return self.at_rest(lambda: self.api("POST", "/api/v1/update/give-up"))

    def import_own(self) -> int:
        chain, key = own_certificate()
        return self.post("/certificate/import", chain=chain, key=key)


# In this order: what one makes, another takes away.
ACTS: dict[str, tuple[str, Callable[[Acts], int]]] = {
    "POST /accounts/create": (
        "account created", lambda a: a.post("/accounts/create", name="eve", password=PASSWORD, role="staff")
    ),
    "POST /accounts/<number>/role": ("role changed", lambda a: a.post(f"/accounts/{a.second()}/role", role="admin")),
    "POST /accounts/<number>/disable": ("account disabled", lambda a: a.post(f"/accounts/{a.second()}/disable")),
    "POST /accounts/<number>/enable": ("account enabled", lambda a: a.post(f"/accounts/{a.second()}/enable")),
    "POST /accounts/<number>/reset": (
        "password reset", lambda a: a.post(f"/accounts/{a.second()}/reset", password="another-long-one")
    ),
    "POST /accounts/<number>/clear-totp": ("second factor turned off", lambda a: a.post(f"/accounts/{a.second()}/clear-totp")),
    "POST /accounts/<number>/delete": ("account deleted", lambda a: a.post(f"/accounts/{a.second()}/delete")),
    "POST /api/v1/camera/pause": ("capture paused", lambda a: a.api("POST", "/api/v1/camera/pause")),
    "POST /api/v1/camera/resume": ("capture resumed", lambda a: a.api("POST", "/api/v1/camera/resume")),
    "POST /api/v1/camera/reconnect": ("camera reconnected", lambda a: a.api("POST", "/api/v1/camera/reconnect")),
    "PUT /api/v1/settings": ("settings saved", lambda a: a.api("PUT", "/api/v1/settings", b'{"site": {"name": "By program"}}')),
    "POST /certificate/import": ("certificate imported", lambda a: a.import_own()),
    "POST /certificate/remove": ("imported certificate removed", lambda a: a.post("/certificate/remove")),
    "POST /settings/save": ("settings saved", lambda a: a.post("/settings/save", **a.form())),
    "POST /settings/revisions/<number>/restore": ("settings restored", lambda a: a.post("/settings/revisions/1/restore")),
    "POST /system/pause": ("capture paused", lambda a: a.post("/system/pause")),
    "POST /system/resume": ("capture resumed", lambda a: a.post("/system/resume")),
    "POST /system/reconnect": ("camera reconnected", lambda a: a.post("/system/reconnect")),
    "PUT /api/v1/machine/time": (
        "time set", lambda a: a.api("PUT", "/api/v1/machine/time", b'{"time": "2026-11-24T12:00:00Z"}')
    ),
    "PUT /api/v1/machine/zone": (
        "time zone set", lambda a: a.api("PUT", "/api/v1/machine/zone", b'{"zone": "Europe/Vienna"}')
    ),
    "PUT /api/v1/machine/network-time": (
        "network time switched on", lambda a: a.api("PUT", "/api/v1/machine/network-time", b'{"on": true}')
    ),
    "PUT /api/v1/machine/name": ("machine named", lambda a: a.api("PUT", "/api/v1/machine/name", b'{"name": "roof"}')),
    "POST /machine/time": ("time set", lambda a: a.post("/machine/time", browser_ms="1795494600123")),
    "POST /machine/zone": ("time zone set", lambda a: a.post("/machine/zone", zone="UTC")),
    "POST /machine/network-time": ("network time switched on", lambda a: a.post("/machine/network-time", on="yes")),
    "POST /machine/name": ("machine named", lambda a: a.post("/machine/name", name="dome")),
    "POST /network/look": ("wi-fi networks looked for", lambda a: a.network("look", "rest")),
    "POST /network/addresses": (
        "addresses ordered",
        lambda a: a.network("addresses", "rest", card="eth0", **{"ipv4-method": "auto", "ipv6-method": "auto"}),
    ),
    "POST /network/undo": ("network change undone", lambda a: a.network("undo", "on trial")),
    "POST /network/join": (
        "wi-fi network ordered", lambda a: a.network("join", "rest", name="Open", security="open", open="yes")
    ),
    "POST /network/keep": ("network change kept", lambda a: a.network("keep", "on trial")),
    "POST /network/point": ("own wi-fi network closed", lambda a: a.network("point", "rest", open="no")),
    "POST /network/forget": ("network connection forgotten", lambda a: a.network("forget", "rest", connection=a.wifi())),
    "POST /usb/export": (
        "usb export ordered", lambda a: a.post("/usb/export", stick=STICK, nights="all", pictures="on")
    ),
    "POST /usb/stop": ("job stopped", lambda a: a.post("/usb/stop", job=str(a.newest_job()))),
    "POST /api/v1/usb/export": (
        "usb export ordered", lambda a: a.api("POST", "/api/v1/usb/export", f'{{"fs_id": "{STICK}"}}'.encode())
    ),
    "POST /api/v1/jobs/<number>/stop": ("job stopped", lambda a: a.api("POST", f"/api/v1/jobs/{a.newest_job()}/stop")),
    "POST /usb/use": ("usb stick confirmed", lambda a: a.post("/usb/use", stick=STICK)),
    "POST /backup/download": ("backup downloaded", lambda a: a.backup()),
    "POST /usb/let-go": ("usb stick let go", lambda a: a.post("/usb/let-go", stick=STICK)),
    "POST /usb/forget": ("usb stick forgotten", lambda a: a.post("/usb/forget", stick=STICK)),
    "PUT /api/v1/update/upload": ("update announced", lambda a: a.announce()),
    "PUT /api/v1/update/upload/<sha256>": (
        "update uploaded", lambda a: a.api("PUT", f"/api/v1/update/upload/{BUNDLE_SHA256}", BUNDLE)
    ),
    "POST /update/install": (
        "update install ordered", lambda a: a.at_rest(lambda: a.post("/update/install", sha256=BUNDLE_SHA256))
    ),
    "POST /api/v1/update/install": (
        "update install ordered",
        lambda a: a.at_rest(lambda: a.api("POST", "/api/v1/update/install", f'{{"sha256": "{BUNDLE_SHA256}"}}'.encode())),
    ),
    "POST /update/give-up": ("update given up", lambda a: a.at_rest(lambda: a.post("/update/give-up"))),
    "POST /api/v1/update/give-up": ("update given up", lambda a: a.give_up_by_program()),
    "POST /update/other-half": (
        "start from the other half ordered", lambda a: a.at_rest(lambda: a.post("/update/other-half"))
    ),
    "POST /api/v1/update/other-half": (
        "start from the other half ordered", lambda a: a.at_rest(lambda: a.api("POST", "/api/v1/update/other-half"))
    ),
    "POST /update/restart": ("restart ordered", lambda a: a.at_rest(lambda: a.post("/update/restart", when="now"))),
    "POST /api/v1/update/restart": (
        "restart ordered", lambda a: a.api("POST", "/api/v1/update/restart", b'{"when": "now"}')
    ),
    "POST /machine/restart": ("restart ordered", lambda a: a.post("/machine/restart")),
    "POST /machine/off": ("switching off ordered", lambda a: a.post("/machine/off")),
    "POST /api/v1/machine/restart": ("restart ordered", lambda a: a.api("POST", "/api/v1/machine/restart")),
    "POST /api/v1/machine/off": ("switching off ordered", lambda a: a.api("POST", "/api/v1/machine/off")),
    "POST /tokens/create": ("token created", lambda a: a.post("/tokens/create", name="one", scope="read", days="7")),
    "POST /peers/create": ("peer added", lambda a: a.post("/peers/create", name="Hilltop", keep_days="30", most_mib="500")),
    "POST /peers/<peer>/limits": (
        "peer's limits changed", lambda a: a.post(f"/peers/{a.peer()}/limits", keep_days="3", most_mib="500")
    ),
    "POST /peers/<peer>/rotate": ("peer's key rotated", lambda a: a.post(f"/peers/{a.peer()}/rotate", at_once="on")),
    "POST /peers/<peer>/revoke": ("peer revoked", lambda a: a.post(f"/peers/{a.peer()}/revoke", pictures="remove")),
    "POST /targets/save": ("target added", lambda a: a.post("/targets/save", **TARGET)),
    "POST /targets/<target>/pause": ("target paused", lambda a: a.post(f"/targets/{a.target()}/pause")),
    "POST /targets/<target>/resume": ("target resumed", lambda a: a.post(f"/targets/{a.target()}/resume")),
    "POST /targets/<target>/retry": ("target retried", lambda a: a.post(f"/targets/{a.target()}/retry")),
    "POST /targets/<target>/clear": ("target's queue cleared", lambda a: a.post(f"/targets/{a.target()}/clear")),
    "POST /targets/<target>/test": ("target tested", lambda a: a.post(f"/targets/{a.target()}/test")),
    "POST /targets/<target>/remove": ("target removed", lambda a: a.post(f"/targets/{a.target()}/remove")),
    "POST /peers/indi-allsky/make": (
        "indi-allsky peer added",
        lambda a: a.post(
            "/peers/indi-allsky/make", name="Garden", user="attic", network="192.168.1.20", keep_days="7", most_mib="500"
        ),
    ),
    "POST /peers/indi-allsky/<peer>/key": (
        "indi-allsky peer's key changed", lambda a: a.post(f"/peers/indi-allsky/{a.v1_peer()}/key")
    ),
    "POST /tokens/<number>/revoke": ("token revoked", lambda a: a.post(f"/tokens/{a.token_number()}/revoke")),
    "POST /me/totp": ("second factor turned on", lambda a: a.totp_on()),
    "POST /me/totp/clear": ("second factor turned off", lambda a: a.post("/me/totp/clear", password=PASSWORD)),
    "POST /me/password": (
        "password changed", lambda a: a.post("/me/password", old=PASSWORD, new=PASSWORD + "!", again=PASSWORD + "!")
    ),
    "POST /login": ("logged in", lambda a: Person(a.running).login(NAME, PASSWORD + "!").status),
    "POST /sessions/<number>/revoke": ("session revoked", lambda a: a.post(f"/sessions/{a.newest_session()}/revoke")),
    "POST /logout": ("logged out", lambda a: a.post("/logout")),
}  # fmt: skip
"""What each route that changes something leaves in the log."""


def entries(data: Path) -> list[tuple[int, str, str]]:
    with sqlite3.connect(f"file:{data}/nightjar.db?mode=ro", uri=True) as database:
        return [
            (number, who, action) for number, who, action in database.execute("select id, who, action from audit order by id")
        ]


def of_people(rows: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Leave out what services write by themselves."""
    return [row for row in rows if row[2] not in BY_ITSELF]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Appliance, dict[str, tuple[int, list[str]]]]]:
    """Do everything once; return the program and by route the status and the entries that it left."""
    folder = tmp_path_factory.mktemp("audit")
    with (
        mock_bus(folder / "bus") as bus,
        made_up_udisks(bus.address, folder) as udisks,
        made_up_networkmanager(bus.address),
        made_up_rauc(bus.address),
        pytest.MonkeyPatch.context() as environment,
    ):
        udisks.refusal = Refusal("NoReply")  # a stick that takes its time: no export ends between two acts
        udisks.plug()
        environment.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        yield from _all_done(folder / "data", udisks)


def _all_done(data: Path, udisks: MadeUpUdisks) -> Iterator[tuple[Appliance, dict[str, tuple[int, list[str]]]]]:
    with Appliance(data) as running:
        running.claim()
        acts = Acts(running)
        wait_until(lambda: STICK in acts.admin.get("/usb").body.decode(), 60, "the stick to be seen")
        wait_until(lambda: bool(acts.admin.get("/api/v1/machine").json()["host_name"]), 60, "the machine to be known")
        running.set("site", name='"First"')
        left: dict[str, tuple[int, list[str]]] = {}
        for name, (_, act) in ACTS.items():
            before = len(of_people(entries(running.data)))
            code = act(acts)
            left[name] = (code, [action for _, _, action in of_people(entries(running.data))[before:]])
        # No export goes on at the next start, beside the head of the log.
        wait_until(lambda: OBJECT not in udisks.objects, 90, "the stick that was let go to be switched off")
        yield running, left


def test_every_route_that_changes_something_is_tried_here() -> None:
    changing = {f"{entry.method} {entry.path}" for entry in table() if entry.method not in SAFE_METHODS}
    assert changing - ELSEWHERE.keys() == ACTS.keys()


def test_each_act_leaves_exactly_one_entry(done: tuple[Appliance, dict[str, tuple[int, list[str]]]]) -> None:
    running, left = done
    expected = {name: [action] for name, (action, _) in ACTS.items()}
    assert {name: actions for name, (_, actions) in left.items()} == expected
    assert {code for code, _ in left.values()} <= {200, 202, 303}
    told = of_people(entries(running.data))
    assert told[0][1:] == (NAME, "claimed")
    assert {who for _, who, _ in told} == {NAME}


def test_looking_leaves_no_entry(done: tuple[Appliance, object]) -> None:
    running, _ = done
    person = Person(running, NAME, PASSWORD + "!")
    before = len(of_people(entries(running.data)))
    for path in ("/", "/accounts", "/audit?verify=1", "/audit/export", "/settings", "/me/totp", "/tokens", "/api/v1/settings"):
        assert person.get(path).status == 200, path
    assert len(of_people(entries(running.data))) == before


# --- going around the program --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remembered(done: tuple[Appliance, object]) -> tuple[Path, tuple[int, str]]:
    """Stop the program, start it again, and read the head that it wrote into the journal; return it with the folder."""
    running, _ = done
    log = running.data.parent / "log.txt"
    running.stop()
    log.write_bytes(b"")
    running.start()
    running.stop()
    found = re.findall(r"audit log head: (\d+) ([0-9a-f]{64})", log.read_text())
    assert found, log.read_text()
    return running.data, (int(found[-1][0]), found[-1][1])


def findings(source: Path, tmp_path: Path, head: tuple[int, str] | None, *statements: str, rechain: bool = False) -> list[str]:
    """Return what the log's own check says of a copy of the real file on which SQL was run behind the program's back."""
    copy = tmp_path / "data"
    shutil.copytree(source, copy)
    with closing(sqlite3.connect(copy / "nightjar.db")) as behind:
        for trigger in ("audit_is_not_changed", "audit_is_not_cut"):
            behind.execute(f"drop trigger {trigger}")
        for statement in statements:
            behind.execute(statement)
        if rechain:
            _rechain(behind)
        behind.commit()
    database = Database(copy, SystemClock())
    database.open()
    try:
        return AuditStore(database, SystemClock()).verify(head)
    finally:
        database.close()


def _rechain(behind: sqlite3.Connection) -> None:
    """Number and bind every entry anew, as somebody does who knows how the chain is made."""
    last = START_HASH
    rows = behind.execute("select id, at, who, address, action, detail from audit order by id").fetchall()
    for number, (row, at, who, address, action, detail) in enumerate(rows, start=1):
        at = at.replace("Z", "+00:00")
        entry = {"id": number, "at": at, "who": who, "address": address, "action": action, "detail": detail}
        text = json.dumps(entry, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        last = hashlib.sha256(f"{last}\n{text}".encode("ascii")).hexdigest()
        behind.execute("update audit set id = ?, hash = ? where id = ?", (number, last, row))


def test_untouched_the_chain_agrees_with_the_journal(remembered: tuple[Path, tuple[int, str]], tmp_path: Path) -> None:
    data, head = remembered
    assert head[0] == len(entries(data)) > len(ACTS)
    assert findings(data, tmp_path, head) == []


def test_rebuilding_an_untouched_chain_gives_the_same(remembered: tuple[Path, tuple[int, str]], tmp_path: Path) -> None:
    """So that the next test's rewriting is as good as the program's own."""
    assert findings(remembered[0], tmp_path, remembered[1], rechain=True) == []


def test_a_cut_tail_shows_against_the_journal(remembered: tuple[Path, tuple[int, str]], tmp_path: Path) -> None:
    data, (number, digest) = remembered
    assert "the end is missing" in findings(data, tmp_path, (number, digest), f"delete from audit where id > {number - 3}")[0]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from audit where id between 5 and 7",
        "update audit set action = 'nothing' where id = 6",
        "delete from audit where id = 1",
    ],
)
def test_a_cut_or_changed_middle_shows_by_itself(
    remembered: tuple[Path, tuple[int, str]], tmp_path: Path, statement: str
) -> None:
    assert findings(remembered[0], tmp_path, None, statement) != []


@pytest.mark.parametrize("statement", ["update audit set who = 'mallory' where id = 4", "delete from audit where id = 4"])
def test_a_chain_that_was_rewritten_shows_against_the_journal(
    remembered: tuple[Path, tuple[int, str]], tmp_path: Path, statement: str
) -> None:
    assert findings(remembered[0], tmp_path, remembered[1], statement, rechain=True) != []


def test_the_database_itself_refuses_to_change_or_cut(remembered: tuple[Path, tuple[int, str]]) -> None:
    with closing(sqlite3.connect(remembered[0] / "nightjar.db")) as behind:
        for statement in ("update audit set who = 'x'", "delete from audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                behind.execute(statement)
