"""Pages as a browser gets them: whole HTML, the headers, and what their forms do."""

import re
from datetime import UTC, datetime, timedelta

import html5lib
import pyotp
import pytest

from appliance.domain.access import Role
from appliance.domain.commands import PauseCapture, ReconnectCamera, ResumeCapture
from appliance.domain.frame import CameraStatus
from appliance.domain.health import Severity
from appliance.domain.night import NightId
from appliance.settings.fields import fields
from appliance.web.app import Panel
from appliance.web.routes import Style, table
from tests.unit.web.world import ADMIN, PASSWORD, STAFF, Caller, Reply, World, callers


def pages() -> list[str]:
    names = {"/frames/<number>": "/frames/1", "/settings/revisions/<number>": "/settings/revisions/1"}
    found = [names.get(entry.path, entry.path) for entry in table() if entry.style is Style.PAGE and entry.method == "GET"]
    return [*found, "/audit?verify", "/nothing-here", "/settings/revisions/999", *(f"/help/{n}" for n in ("live", "settings"))]


def whole(reply: Reply) -> None:
    """Parse strictly; every mistake in the markup is an error."""
    html5lib.HTMLParser(strict=True).parse(reply.text)
    assert not re.search(r"<[^>]+\s(style|on\w+)=", reply.text), "inline style or script"
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style", reply.text), "inline style or script"
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", reply.text), "something from another host"


@pytest.mark.parametrize("who", ["anonymous", "staff", "admin"])
def test_every_page_is_whole_html_without_inline_script_or_style(world: World, visitors: dict[str, Caller], who: str) -> None:
    world.set_public(True)
    world.parts.board.raise_issue("x", Severity.WARNING, "A <title>", "An & advice")
    night = world.parts.frames.nights()[0].night
    world.parts.products.write(night, "keogram.jpg", b"x")
    world.parts.products.write(night, "startrail.jpg", b"x")
    for target in pages():
        reply = visitors[who].get(target.replace("<night>", str(night)).replace("<name>", "live"))
        if reply.status != 303 and target != "/audit/export":
            whole(reply)


def test_pages_without_any_frame_are_whole_too(world: World) -> None:
    world.claim()
    admin = callers(Panel(world.parts), world)["admin"]
    for target in ("/", "/nights", "/nights/2026-01-31", "/system", "/latest.jpg", "/api/v1/latest", "/api/v1/frames"):
        reply = admin.get(target)
        assert reply.status == (404 if target == "/latest.jpg" else 200), target
        if reply.header("content-type").startswith("text/html"):
            whole(reply)


def test_forms_that_were_refused_are_whole_html_and_hold_nothing_secret(visitors: dict[str, Caller]) -> None:
    secret = "never-show-this-again"
    refused = [
        visitors["admin"].post("/accounts/create", {"name": "x y", "password": secret, "role": "staff"}),
        visitors["admin"].post("/tokens/create", {"name": "", "scope": "read", "days": "1"}),
        visitors["admin"].post("/me/password", {"old": secret, "new": secret, "again": secret}),
        visitors["admin"].post("/certificate/import", {"chain": "x", "key": secret}),
        visitors["admin"].post("/settings/review", {"site.latitude_deg": '"><script>', "camera.gain": "many"}),
        visitors["admin"].post("/me/totp", {"ticket": "x", "code": "1"}),
        visitors["admin"].post("/backup/download", {"passphrase": secret, "again": secret, "password": secret}),
        visitors["admin"].post("/backup/stick", {"passphrase": secret, "again": secret, "password": secret, "stick": "x"}),
        visitors["admin"].post("/backup/stick/look", {"stick": "x"}),
        visitors["admin"].post("/backup/stick/open", {"backup": "x", "passphrase": secret}),
        visitors["admin"].post("/backup/restore", {"ticket": "x", "password": secret}),
    ]
    for reply in refused:
        assert reply.status in (400, 403, 422)
        whole(reply)
        assert secret not in reply.text


def test_every_answer_carries_the_security_headers(visitors: dict[str, Caller]) -> None:
    for target in (
        "/",
        "/nothing",
        "/static/logo.svg",
        "/latest.jpg",
        "/api/v1/latest",
        "/healthz",
        "/certificate/nightjar-ca.pem",
    ):
        reply = visitors["admin"].get(target)
        policy = reply.header("content-security-policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("x-frame-options") == "DENY"
        assert reply.header("referrer-policy") == "same-origin"
        assert reply.header("cross-origin-opener-policy") == "same-origin"
        assert reply.header("cross-origin-resource-policy") == "same-origin"
        assert "camera=()" in reply.header("permissions-policy")
        assert reply.header("strict-transport-security") == "max-age=86400"


def test_private_answers_are_not_kept_and_media_are_asked_for_again(visitors: dict[str, Caller]) -> None:
    admin = visitors["admin"]
    for target in ("/", "/system", "/settings", "/api/v1/system", "/audit/export"):
        assert admin.get(target).header("cache-control") == "no-store"
    assert admin.get("/latest.jpg").header("cache-control") == "private, no-cache"
    assert admin.get("/media/frames/1.jpg").header("cache-control") == "private, max-age=300"


def claimed_with(world: World, form: dict[str, str]) -> Reply:
    stranger = Caller(Panel(world.parts))
    page = stranger.get("/claim")
    cookie = page.header("set-cookie").partition(";")[0]
    stranger.cookie, stranger.csrf = cookie, cookie.partition("=")[2]
    return stranger.post("/claim", form)


def test_the_setup_code_claims_once(world: World) -> None:
    code = world.parts.gate.setup_code() or ""
    form = {"code": code.lower().replace("-", " "), "name": "Ada", "password": PASSWORD, "again": PASSWORD}
    assert claimed_with(world, {**form, "code": "0000-0000-0000"}).status == 403
    weak = claimed_with(world, {**form, "password": "short", "again": "short"})
    assert (weak.status, 'value="Ada"' in weak.text) == (400, True)
    different = claimed_with(world, {**form, "again": "something else"})
    assert "not the same" in different.text
    done = claimed_with(world, form)
    assert (done.status, done.header("location")) == (303, "/login?done=claimed")
    assert Caller(Panel(world.parts)).get("/claim").header("location") == "/login"


def test_login_sets_a_cookie_that_only_this_host_gets_and_logout_ends_it(world: World) -> None:
    world.claim()
    guest = Caller(Panel(world.parts))
    page = guest.get("/login?next=/nights")
    guest.cookie = page.header("set-cookie").partition(";")[0]
    guest.csrf = guest.cookie.partition("=")[2]
    wrong = guest.post("/login", {"name": ADMIN, "password": "not this one"})
    assert (wrong.status, PASSWORD in wrong.text) == (403, False)
    entered = guest.post("/login", {"name": ADMIN, "password": PASSWORD, "next": "/nights"})
    assert (entered.status, entered.header("location")) == (303, "/nights")
    cookies = [value for name, value in entered.headers if name.lower() == "set-cookie"]
    session = next(cookie for cookie in cookies if cookie.startswith("__Host-nightjar="))
    assert session.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000")
    guest.cookie = session.partition(";")[0]
    guest.csrf = re.findall(r'name="csrf" value="([^"]+)"', guest.get("/me").text)[0]
    left = guest.post("/logout")
    assert left.header("clear-site-data") == '"cache"'
    assert guest.get("/me").status == 303


def test_a_session_cookie_that_was_planted_before_the_login_is_not_taken_over(world: World) -> None:
    world.claim()
    guest = Caller(Panel(world.parts))
    form_cookie = guest.get("/login").header("set-cookie").partition(";")[0]
    planted = "A" * 43
    guest.cookie, guest.csrf = f"__Host-nightjar={planted}; {form_cookie}", form_cookie.partition("=")[2]
    entered = guest.post("/login", {"name": ADMIN, "password": PASSWORD})
    assert entered.status == 303
    assert planted not in str(entered.headers)


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a\r\nX: y"]
)
def test_after_the_login_nobody_is_sent_to_another_site(world: World, target: str) -> None:
    world.claim()
    guest = Caller(Panel(world.parts))
    guest.cookie = guest.get("/login").header("set-cookie").partition(";")[0]
    guest.csrf = guest.cookie.partition("=")[2]
    assert guest.post("/login", {"name": ADMIN, "password": PASSWORD, "next": target}).header("location") == "/"


def test_a_page_that_needs_a_login_is_found_again_after_it(visitors: dict[str, Caller]) -> None:
    assert visitors["anonymous"].get("/nights?page=2").header("location") == "/login?next=/nights%3Fpage%3D2"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": "https://nightjar.local", "sec_fetch_site": "same-origin"}, 303),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://nightjar.local"}, 403),
        ({"origin": "https://nightjar.local:8443"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
    ],
)
def test_requests_of_other_sites_are_refused(visitors: dict[str, Caller], headers: dict[str, str], status: int) -> None:
    assert visitors["admin"].post("/system/pause", None, **headers).status == status


def test_a_token_beside_a_cookie_does_not_excuse_from_the_csrf_check(visitors: dict[str, Caller]) -> None:
    admin, token = visitors["admin"], visitors["token write"]
    assert token.call("POST", "/api/v1/camera/pause", b"", {}).status == 202
    token.cookie = admin.cookie
    assert token.call("POST", "/api/v1/camera/pause", b"", {}).status == 403
    token.cookie = "anything=1"
    assert token.call("POST", "/api/v1/camera/pause", b"", {}).status == 401


def test_a_token_is_taken_from_the_header_only(visitors: dict[str, Caller]) -> None:
    text = visitors["token read"].bearer
    guest = visitors["anonymous"]
    assert guest.get(f"/api/v1/system?access_token={text}&token={text}").status == 401
    guest.cookie = f"__Host-nightjar={text}"
    assert guest.get("/api/v1/system").status == 401


def test_commands_reach_the_camera_and_the_audit_log(world: World, visitors: dict[str, Caller]) -> None:
    for name in ("pause", "resume", "reconnect"):
        assert visitors["admin"].post(f"/system/{name}").status == 303
    assert [type(world.commands.take(0)) for _ in range(3)] == [PauseCapture, ResumeCapture, ReconnectCamera]
    assert [entry.action for entry in world.parts.audit.page(limit=3)] == [
        "camera reconnected",
        "capture resumed",
        "capture paused",
    ]


def every_field(world: World, admin: Caller) -> dict[str, str]:
    """Return what a browser would send back from the settings page, unchanged."""
    text = admin.get("/settings").text
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    form = tree.find(".//form[@action='/settings/review']")
    sent: dict[str, str] = {}
    for place in (one for one in form.iter() if one.tag in ("input", "select", "textarea")):
        name = place.get("name")
        if place.tag == "select":
            sent[name] = next(option.get("value") for option in place.iter("option") if "selected" in option.attrib)
        elif place.tag == "textarea":
            sent[name] = place.text or ""
        elif place.get("type") != "checkbox" or "checked" in place.attrib:
            sent[name] = place.get("value")
    return sent


def test_the_settings_page_sent_back_unchanged_changes_nothing(world: World, visitors: dict[str, Caller]) -> None:
    reply = visitors["admin"].post("/settings/review", every_field(world, visitors["admin"]))
    assert reply.header("location") == "/settings?done=unchanged"


def test_the_settings_page_shows_every_field_with_its_help(world: World, visitors: dict[str, Caller]) -> None:
    sent = every_field(world, visitors["admin"])
    text = html5lib.parse(visitors["admin"].get("/settings").text, namespaceHTMLElements=False)
    words = " ".join("".join(text.itertext()).split())
    for section in fields():
        for field in section.fields:
            assert " ".join(field.help.split()) in words
            assert field.path in sent or field.kind.value == "bool"


def test_a_change_is_shown_then_saved_then_taken_back(world: World, visitors: dict[str, Caller]) -> None:
    admin = visitors["admin"]
    world.set_public(False)
    before = world.parts.settings.published.value
    form = every_field(world, admin) | {"camera.duration_max_s": "20", "image.label": "first\r\nsecond"}
    form.pop("image.stretch")
    review = admin.post("/settings/review", form)
    assert review.status == 200
    for words in ("Camera: Longest exposure", "14 s", "20 s", "Image: Stretch"):
        assert words in review.text
    assert world.parts.settings.published.value == before
    tree = html5lib.parse(review.text, namespaceHTMLElements=False)
    hidden = {one.get("name"): one.get("value") or one.text or "" for one in tree.iter() if one.tag in ("input", "textarea")}
    assert admin.post("/settings/save", hidden).header("location") == "/settings?done=saved"
    saved = world.parts.settings.published.value
    assert (saved.camera.duration_max_s, saved.image.label, saved.image.stretch) == (20.0, "first\nsecond", False)
    assert "camera.duration_max_s" in world.parts.audit.page(limit=1)[0].detail
    assert admin.post("/settings/revisions/1/restore").header("location") == "/settings?done=restored"
    assert world.parts.settings.published.value == before


def test_settings_saved_meanwhile_by_somebody_else_are_not_overwritten(world: World, visitors: dict[str, Caller]) -> None:
    admin = visitors["admin"]
    form = every_field(world, admin) | {"camera.duration_max_s": "20"}
    world.set_public(True)
    reply = admin.post("/settings/save", form)
    assert reply.status == 400
    assert "meanwhile" in reply.text
    assert world.parts.settings.published.value.camera.duration_max_s == 14.0


def test_every_problem_of_a_settings_form_stands_at_its_field(visitors: dict[str, Caller]) -> None:
    form = {"site.latitude_deg": "148.2", "camera.gain": "many", "camera.remote_port": "0"}
    reply = visitors["admin"].post("/settings/review", form)
    assert reply.status == 422
    for path, words in {"site-latitude_deg": "at most 90", "camera-gain": "number", "camera-remote_port": "at least 1"}.items():
        assert re.search(rf'id="{path}-problem">[^<]*{words}', reply.text), path
    assert 'value="many"' in reply.text


def test_staff_reads_settings_in_a_form_that_sends_nothing(visitors: dict[str, Caller]) -> None:
    text = visitors["staff"].get("/settings").text
    assert "disabled" in text
    assert "Review changes" not in text


def test_an_admin_makes_changes_and_deletes_accounts(world: World, visitors: dict[str, Caller]) -> None:
    admin = visitors["admin"]
    form = {"name": "galileo", "password": PASSWORD, "role": "staff"}
    assert admin.post("/accounts/create", form).status == 303
    assert "taken" in admin.post("/accounts/create", form).text or admin.post("/accounts/create", form).status == 400
    number = next(account.id for account in world.parts.accounts.list() if account.name == "galileo")
    session, cookie = world.login("galileo")
    guest = Caller(Panel(world.parts), cookie=f"__Host-nightjar={cookie}", csrf=session.csrf_token)
    assert guest.get("/me").status == 200
    assert admin.post(f"/accounts/{number}/role", {"role": "admin"}).status == 303
    assert guest.get("/me").status == 303
    found = world.parts.accounts.get(number)
    assert found is not None
    assert found.role is Role.ADMIN
    assert admin.post(f"/accounts/{number}/disable").status == 303
    assert admin.post(f"/accounts/{number}/enable").status == 303
    assert admin.post(f"/accounts/{number}/reset", {"password": "another long password"}).status == 303
    assert admin.post(f"/accounts/{number}/delete").status == 303
    assert world.parts.accounts.get(number) is None
    actions = [entry.action for entry in world.parts.audit.page(limit=6)]
    assert actions[0] == "account deleted"


def test_the_last_admin_stays(world: World, visitors: dict[str, Caller]) -> None:
    mine = next(account.id for account in world.parts.accounts.list() if account.name == ADMIN)
    for act in ("delete", "disable", "role"):
        assert visitors["admin"].post(f"/accounts/{mine}/{act}", {"role": "staff"}).status == 400
    assert world.parts.accounts.get(mine) is not None


def test_a_changed_password_ends_the_other_sessions(world: World, visitors: dict[str, Caller]) -> None:
    admin = visitors["admin"]
    _, other = world.login(ADMIN)
    new = "something else entirely"
    assert admin.post("/me/password", {"old": PASSWORD, "new": new, "again": new}).status == 303
    assert admin.get("/me").status == 200
    assert Caller(Panel(world.parts), cookie=f"__Host-nightjar={other}").get("/me").status == 303


def test_a_session_is_revoked_from_the_list_but_not_by_staff_for_others(world: World, visitors: dict[str, Caller]) -> None:
    session, cookie = world.login(ADMIN)
    assert visitors["staff"].post(f"/sessions/{session.id}/revoke").status == 400
    assert (
        visitors["admin"].post(f"/sessions/{session.id}/revoke", {"back": "accounts"}).header("location").startswith("/accounts")
    )
    assert Caller(Panel(world.parts), cookie=f"__Host-nightjar={cookie}").get("/me").status == 303


def test_a_second_factor_is_set_up_with_its_first_code_and_asked_for_then(world: World, visitors: dict[str, Caller]) -> None:
    staff = visitors["staff"]
    page = staff.get("/me/totp")
    assert "<svg" in page.text
    assert 'viewBox="0 0' in page.text
    secret = re.findall(r'class="secret">([^<]+)<', page.text)[0].replace(" ", "")
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page.text)[0]
    assert staff.post("/me/totp", {"ticket": ticket, "code": "000000"}).status == 400
    on = staff.post("/me/totp", {"ticket": ticket, "code": pyotp.TOTP(secret).now()})
    assert on.status == 200
    assert len(re.findall(r"<li>(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}</li>", on.text)) == 10
    whole(on)
    account = world.parts.accounts.by_name(STAFF)
    assert account is not None
    assert account[0].has_totp
    assert staff.post("/me/totp/clear", {"password": PASSWORD}).status == 303


def test_a_token_is_shown_once(world: World, visitors: dict[str, Caller]) -> None:
    made = visitors["admin"].post("/tokens/create", {"name": "weather station", "scope": "read", "days": "30"})
    whole(made)
    text = re.findall(r'id="token-text">([^<]+)<', made.text)[0]
    assert Caller(Panel(world.parts), bearer=text).get("/api/v1/latest").status == 200
    listed = visitors["admin"].get("/tokens")
    assert "weather station" in listed.text
    assert text not in listed.text


def test_the_authority_is_downloaded_and_its_fingerprint_shown(world: World, visitors: dict[str, Caller]) -> None:
    pem = visitors["anonymous"].get("/certificate/nightjar-ca.pem")
    assert pem.body == world.parts.certificates.authority_pem
    assert pem.header("content-disposition") == 'attachment; filename="nightjar-ca.pem"'
    assert visitors["anonymous"].get("/certificate/nightjar-ca.crt").body == world.parts.certificates.authority_der
    shown = visitors["anonymous"].get("/certificate").text
    assert world.parts.certificates.fingerprint[:23] in shown


def test_a_night_is_shown_in_pages_of_sixty(world: World, visitors: dict[str, Caller]) -> None:
    start = datetime(2026, 1, 31, 18, tzinfo=UTC)
    night = NightId("2026-01-31")
    for number in range(61):
        world.add_frame(start + timedelta(minutes=number), night=night, number=number, side=96)
    first = visitors["admin"].get("/nights/2026-01-31").text
    assert first.count("/media/thumbs/") == 60
    following = re.findall(r'href="(/nights/2026-01-31\?before=\d+)"', first)[0]
    assert visitors["admin"].get(following).text.count("/media/thumbs/") == 1


def test_frames_lead_to_their_neighbours(visitors: dict[str, Caller]) -> None:
    text = visitors["admin"].get("/frames/3").text
    assert 'href="/frames/2" rel="prev"' in text
    assert 'href="/frames/4" rel="next"' in text
    assert 'rel="next"' not in visitors["admin"].get("/frames/6").text


def test_the_live_view_says_when_the_next_picture_is_due(world: World, visitors: dict[str, Caller]) -> None:
    due = datetime.now(UTC) + timedelta(seconds=30)
    world.camera.publish(CameraStatus("exposing", "Sky", next_expected_at=due))
    text = visitors["admin"].get("/").text
    (in_s,) = re.findall(r'data-next-in="([\d.]+)"', text)
    assert 25 < float(in_s) <= 30


@pytest.mark.parametrize(
    "target", ["/static/../app.py", "/static/%2e%2e/app.py", "/media/frames/../../nightjar.db", "/help/../../x", "/static/"]
)
def test_no_path_leads_out(visitors: dict[str, Caller], target: str) -> None:
    assert visitors["admin"].get(target).status == 404
