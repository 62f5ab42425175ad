"""Updates in the panel and its API: who may, in which order, and what each act leaves."""

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from appliance.domain.channel import Release
from appliance.domain.commands import Reboot
from appliance.domain.errors import SettingsError
from appliance.domain.job import JobState
from appliance.domain.stick import Stick, StickState
from appliance.domain.update import (
    FETCH_JOB,
    INSTALL_JOB,
    OTHER_JOB,
    STICK_JOB,
    CheckChannel,
    Manifest,
    Outcome,
    Past,
    Records,
    Refused,
    Signer,
    Source,
    Trial,
    Updater,
)
from appliance.settings.fields import from_form
from appliance.store.channelstate import ChannelState
from appliance.web.app import Panel
from tests.unit.web.machinery import FakeUpdateRecords
from tests.unit.web.world import Caller, Reply, World, callers

DATA = os.urandom(200_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
NOW = datetime(2026, 11, 29, 20, tzinfo=UTC)


@pytest.fixture
def panel(world: World) -> Panel:
    world.claim()
    made = Panel(world.parts)
    for _ in range(4):
        made.step()  # reads the machine
    return made


@pytest.fixture
def admin(panel: Panel, world: World) -> Caller:
    return callers(panel, world)["admin"]


def api(caller: Caller, method: str, path: str, body: object = None, data: bytes | None = None) -> Reply:
    sent = data if data is not None else json.dumps(body).encode()
    kind = "application/json" if data is None else "application/octet-stream"
    return caller.call(method, path, sent, {"x_csrf_token": caller.csrf}, kind)


def announce(caller: Caller, data: bytes = DATA) -> Reply:
    return api(caller, "PUT", "/api/v1/update/upload", {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()})


def chunk(caller: Caller, at: int, to: int) -> Reply:
    return api(caller, "PUT", f"/api/v1/update/upload/{DIGEST}?offset={at}", data=DATA[at:to])


def bring(caller: Caller, world: World, version: str = "0.2.0") -> None:
    """Bring a bundle, and have it looked at as the service does."""
    announce(caller)
    chunk(caller, 0, 60_000)
    assert chunk(caller, 60_000, len(DATA)).status == 200
    bundles = world.parts.update.bundles
    bundle = bundles.bundle()
    assert bundle is not None
    bundles.keep_checked(
        bundle, Manifest(version, "nightjar-test", "Quieter\nnights", "verity"), Signer("Our signer", "AB:CD", NOW)
    )


def acts(world: World) -> list[str]:
    return [
        one.action
        for one in reversed(world.parts.audit.page())
        if "update" in one.action or "restart" in one.action or "half" in one.action
    ]


def place(world: World, *, latitude_deg: float = 48.2, longitude_deg: float = 16.4) -> None:
    settings = world.parts.settings.published.value
    site = settings.site.model_copy(update={"latitude_deg": latitude_deg, "longitude_deg": longitude_deg})
    world.parts.settings.save(settings.model_copy(update={"site": site}), "test")


def test_a_bundle_comes_in_chunks_and_says_where_to_go_on(world: World, admin: Caller) -> None:
    told = json.loads(announce(admin).body)
    assert (told["have"], told["is_whole"], told["chunk_bytes"]) == (0, False, 8 << 20)
    assert json.loads(chunk(admin, 0, 50_000).body)["have"] == 50_000
    off = chunk(admin, 70_000, 90_000)
    assert (off.status, json.loads(off.body)["have"]) == (409, 50_000)
    assert json.loads(announce(admin).body)["have"] == 50_000
    page = admin.get("/update").text
    assert "An upload has stopped at 25 %" in page
    last = json.loads(chunk(admin, 50_000, len(DATA)).body)
    assert (last["have"], last["is_whole"]) == (len(DATA), True)
    assert world.parts.update.bundles.path.read_bytes() == DATA
    assert world.parts.update.commands.take(0) is not None, "it is looked at at once"
    assert json.loads(announce(admin).body)["is_whole"], "an answer that was lost does not begin it anew"
    assert acts(world) == ["update announced", "update announced", "update uploaded", "update announced"]
    assert "The bundle is looked at" in admin.get("/update").text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"size": 100, "sha256": DIGEST}, "This is another file"),
        ({"size": 2 << 30, "sha256": DIGEST}, "This is another file"),
        ({"size": 9000, "sha256": "abc"}, "64 hexadecimal digits"),
        ({"size": "9000", "sha256": DIGEST}, "an object with size and sha256"),
        ({"size": 9000}, "an object with size and sha256"),
        ([], "an object with size and sha256"),
    ],
)
def test_what_cannot_be_a_bundle_is_not_begun(world: World, admin: Caller, body: object, words: str) -> None:
    reply = api(admin, "PUT", "/api/v1/update/upload", body)
    assert (reply.status, words in reply.text) == (400, True), reply.text
    assert world.parts.update.bundles.arriving() is None


def test_one_comes_at_a_time_until_it_is_given_up(world: World, admin: Caller) -> None:
    announce(admin)
    chunk(admin, 0, 50_000)
    assert "Another bundle is on its way here" in announce(admin, b"other" * 2000).text
    assert admin.post("/update/give-up").status == 303
    assert "There is no bundle here" in admin.post("/update/give-up").text
    assert announce(admin, b"other" * 2000).status == 200
    assert acts(world) == ["update announced", "update given up", "update announced"]


def test_a_full_disk_is_said_before_a_byte_is_sent(world: World, admin: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(world.parts.folder), "free_bytes", lambda _: 10 << 20)
    assert announce(admin).status == 507
    assert world.parts.update.bundles.arriving() is None


def test_nothing_is_brought_or_installed_where_there_is_no_updater(world: World, admin: Caller) -> None:
    world.parts.update.updater.publish(Updater(unavailable="not available on this machine: RAUC (because)"))
    assert announce(admin).status == 409
    page = admin.get("/update").text
    assert "This computer cannot be updated from here: not available on this machine: RAUC (because)." in page
    assert "data-upload hidden" not in page
    assert admin.get("/update/other-half").status == 303
    assert api(admin, "POST", "/api/v1/update/other-half").status == 409


def test_it_is_installed_as_it_was_seen_and_by_nobody_twice(world: World, admin: Caller) -> None:
    assert admin.get("/update/install").status == 303
    bring(admin, world)
    page = admin.get("/update").text
    assert "Version 0.2.0 can be installed" in page
    shown = admin.get("/update/install").text
    assert all(words in shown for words in ("Quieter\nnights", "Our signer", "AB:CD", DIGEST))
    assert admin.post("/update/install", {"sha256": "0" * 64}).status == 400
    assert admin.post("/update/install", {"sha256": DIGEST}).status == 303
    [(job, request)] = world.parts.jobs.waiting(INSTALL_JOB)
    assert json.loads(request) == {"by": "ada", "sha256": DIGEST, "fs_id": "", "half": "A"}
    assert "The updater is at work" in admin.post("/update/install", {"sha256": DIGEST}).text
    assert "The updater is at work" in admin.post("/update/give-up").text
    assert "Nothing is on its way that could be stopped" in admin.post("/update/stop").text
    assert "The updater is at work" in announce(admin, b"other" * 2000).text
    assert "The other half is being written" in admin.get("/update").text
    assert json.loads(admin.get("/api/v1/update").body)["job"]["id"] == job.id
    assert acts(world)[-1] == "update install ordered"


def test_while_the_updater_tells_nothing_of_the_halves_nothing_is_ordered(world: World, admin: Caller) -> None:
    bring(admin, world)
    world.parts.update.updater.publish(Updater("nightjar-test", "", "", ""))
    for path, body in (("install", {"sha256": DIGEST}), ("other-half", None)):
        assert api(admin, "POST", f"/api/v1/update/{path}", body).status == 503
    assert world.parts.jobs.recent() == []


def test_it_restarts_now_or_at_dawn_once_something_waits_for_it(world: World, admin: Caller) -> None:
    assert "Nothing waits for a restart" in admin.post("/update/restart", {"when": "dawn"}).text
    world.parts.update.updater.publish(Updater("nightjar-test", "A", "B", ""))
    assert "set latitude and longitude" in admin.post("/update/restart", {"when": "dawn"}).text
    place(world)
    assert admin.post("/update/restart", {"when": "dawn"}).status == 303
    plan = world.parts.update.bundles.plan()
    assert plan is not None
    assert plan.due_at > datetime.now(UTC)
    assert "The machine restarts at dawn, on" in admin.get("/update").text
    assert admin.post("/update/restart", {"when": "not"}).status == 303
    assert "No restart is planned" in admin.post("/update/restart", {"when": "not"}).text
    assert "now, dawn or not" in admin.post("/update/restart", {"when": "never"}).text
    assert world.parts.power.take(0) is None
    reply = admin.post("/update/restart", {"when": "now"})
    assert (reply.status, reply.header("location")) == (303, "/machine/going?what=restart")
    assert world.parts.power.take(0) == Reboot()
    assert acts(world) == ["restart at dawn planned", "restart at dawn called off", "restart ordered"]


def test_the_other_half_is_started_after_a_question(world: World, admin: Caller) -> None:
    asked = admin.get("/update/other-half").text
    assert "Start from half B?" in asked
    assert "has not proved itself" in asked
    assert world.parts.jobs.waiting(OTHER_JOB) == []
    assert admin.post("/update/other-half").status == 303
    assert len(world.parts.jobs.waiting(OTHER_JOB)) == 1
    assert acts(world) == ["start from the other half ordered"]


def test_the_page_tells_of_the_past_of_a_trial_and_of_a_refusal(world: World, admin: Caller) -> None:
    records = world.parts.update.records
    assert isinstance(records, FakeUpdateRecords)
    records.now = Records(
        Trial("0.1.0", "0.0.9", NOW),
        (Past(NOW, "0.0.8", "0.0.7", Outcome.FELL_BACK, "the <b>panel</b> did not answer"),),
        ("0.0.8",),
    )
    world.parts.update.bundles.refuse(Refused(NOW, Source.UPLOAD, "0.0.1", "it is older than what runs"))
    page = admin.get("/update").text
    for words in (
        "on trial",
        "fell back",
        "the &lt;b&gt;panel&lt;/b&gt; did not answer",
        "It is older than what runs.",
        ": 0.0.8.",
    ):
        assert words in page, words
    told = json.loads(admin.get("/api/v1/update").body)
    assert (told["is_on_trial"], told["not_offered"], told["history"][0]["outcome"]) == (True, ["0.0.8"], "fell back")


def test_a_job_that_failed_says_why(world: World, admin: Caller) -> None:
    job = world.parts.jobs.queue(INSTALL_JOB, "{}")
    world.parts.jobs.finish(job.id, JobState.FAILED, "Version 0.2.0 was not installed: the power is not good enough.")
    assert "the power is not good enough" in admin.get("/update").text


def test_what_lies_on_a_stick_is_offered_and_copied_when_an_admin_says_so(world: World, admin: Caller) -> None:
    assert "not plugged in any more" in admin.post("/update/stick", {"stick": "1234-ABCD"}).text
    stick = Stick("1234-ABCD", "HOLIDAY", "exfat", "Maker", 64_000_000_000, None, StickState.DONE, "", is_confirmed=True)
    world.parts.sticks.publish((replace(stick, bundle_bytes=250_000_000),))
    page = admin.get("/update").text
    assert "An update lies on the stick HOLIDAY, 250 MB." in page
    assert world.parts.jobs.waiting(STICK_JOB) == []
    assert admin.post("/update/stick", {"stick": "1234-ABCD"}).status == 303
    [(_, request)] = world.parts.jobs.waiting(STICK_JOB)
    assert json.loads(request) == {"by": "ada", "sha256": "", "fs_id": "1234-ABCD", "half": ""}
    assert "The bundle is copied from the stick" in admin.get("/update").text
    assert "The updater is at work" in api(admin, "POST", "/api/v1/update/stick", {"fs_id": "1234-ABCD"}).text
    assert admin.post("/update/stop").status == 303
    assert world.parts.jobs.waiting(STICK_JOB) == []
    assert "Nothing is on its way that could be stopped" in admin.post("/update/stop").text
    assert acts(world) == ["update from a stick ordered"]
    assert world.parts.audit.page()[0].action == "job stopped"


def test_the_channel_is_asked_and_what_it_offers_downloaded_when_an_admin_says_so(world: World, admin: Caller) -> None:
    assert "None is set, so nobody is ever asked" in admin.get("/update").text
    assert "No channel is set" in admin.post("/update/check").text
    url, key = "https://example.org/channel.json", "A" * 43 + "="
    settings = world.parts.settings.published.value
    updates = settings.updates.model_copy(update={"channel_url": url, "channel_key": key})
    world.parts.settings.save(settings.model_copy(update={"updates": updates}), "test")
    assert admin.post("/update/check").status == 303
    assert world.parts.update.channel_commands.take(0) == CheckChannel()
    assert "does not offer this release any more" in admin.post("/update/download", {"sha256": DIGEST}).text
    release = Release("0.3.0", "nightjar-test", "https://example.org/b.raucb", 250_000_000, DIGEST, "New\nthings", 100.0)
    state = ChannelState(url, key, 7, DIGEST, NOW, NOW, "", release)
    world.parts.update.channel.write(state)
    page = admin.get("/update").text
    assert "version 0.3.0 is there" in page
    assert "New\nthings" in page
    assert world.parts.jobs.waiting(FETCH_JOB) == []
    assert admin.post("/update/download", {"sha256": DIGEST}).status == 303
    [(_, request)] = world.parts.jobs.waiting(FETCH_JOB)
    assert json.loads(request) == {"by": "ada", "sha256": DIGEST, "fs_id": "", "half": ""}
    assert "The bundle is downloaded" in admin.get("/update").text
    assert api(admin, "POST", "/api/v1/update/download", {"sha256": DIGEST}).status == 400
    assert api(admin, "POST", "/api/v1/update/check").status == 202
    records = world.parts.update.records
    assert isinstance(records, FakeUpdateRecords)
    records.now = Records(bad=("0.3.0",))
    assert "version 0.3.0 is there" not in admin.get("/update").text, "it has failed here since"
    world.parts.update.channel.failed(state, NOW, "the server <b>cannot</b> be reached")
    assert "The server &lt;b&gt;cannot&lt;/b&gt; be reached." in admin.get("/update").text
    assert acts(world) == ["update channel asked", "update download ordered", "update channel asked"]


@pytest.mark.parametrize(
    "sent",
    [
        {"updates.channel_url": "https://example.org/c", "updates.channel_key": ""},
        {"updates.channel_url": "", "updates.channel_key": "A" * 43 + "="},
        {"updates.channel_url": "http://example.org/c", "updates.channel_key": "A" * 43 + "="},
        {"updates.channel_url": "https://example.org/c", "updates.channel_key": "A" * 40},
    ],
)
def test_a_channel_without_key_or_tls_cannot_be_set(world: World, sent: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"updates\.channel"):
        from_form({**sent, "updates.action": "tell", "updates.quiet_hour": "11"}, world.parts.settings.published.value)


def test_staff_sees_and_changes_nothing(panel: Panel, world: World, admin: Caller) -> None:
    bring(admin, world)
    page = callers(panel, world)["staff"].get("/update").text
    assert "Version 0.2.0 can be installed" in page
    assert "<form" not in page
