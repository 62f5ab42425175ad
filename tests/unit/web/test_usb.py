"""The page of USB sticks, the jobs of the API, and what an admin does there; the sticks themselves are made up."""

import json
import re
from urllib.parse import quote

import pytest

from appliance.domain.job import JobState
from appliance.domain.stick import JOB_KIND, EjectStick, ExportKind, ExportRequest, Stick, StickState, export_request
from appliance.web.app import Panel
from appliance.web.usbacts import NOT_THERE
from tests.unit.web.world import ADMIN, Caller, World, callers, fill

EVIL = "<script>alert(1)</script>"
EARLIER = {"claimed", "logged in", "account created", "token created", "settings saved"}


def a_stick(fs_id: str = "1A2B-3C4D", **values: object) -> Stick:
    known = {
        "label": "HOLIDAY",
        "fs_type": "exfat",
        "model": "Maker Model",
        "size_bytes": 64_000_000_000,
        "free_bytes": None,
        "state": StickState.OFFERED,
        "reason": "",
        "is_confirmed": False,
        "is_safe_to_remove": True,
        **values,
    }
    return Stick(fs_id=fs_id, **known)  # type: ignore[arg-type]


class Bench:
    """A claimed panel with a night and a stick."""

    def __init__(self, world: World) -> None:
        world.claim()
        self.parts = world.parts
        self.night = fill(world)[0].night
        self.panel = Panel(world.parts)
        found = callers(self.panel, world)
        self.admin, self.staff, self.token = found["admin"], found["staff"], found["token admin"]
        self.plug(a_stick())

    def plug(self, *sticks: Stick) -> None:
        self.parts.sticks.publish(sticks)

    def acts(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.detail) for entry in self.parts.audit.page() if entry.action not in EARLIER]

    def requests(self) -> list[ExportRequest]:
        return [export_request(text) for _, text in self.parts.jobs.waiting(JOB_KIND)]

    def api(self, caller: Caller, path: str, body: object) -> tuple[int, dict[str, object]]:
        headers = {"x_csrf_token": caller.csrf} if caller.csrf else {}
        reply = caller.call("POST", path, json.dumps(body).encode(), headers, "application/json")
        return reply.status, json.loads(reply.text)


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


# Looking


def test_without_a_stick_the_page_says_what_to_do(bench: Bench) -> None:
    bench.plug()
    assert "No stick is plugged in" in bench.staff.get("/usb").text


def test_staff_sees_sticks_and_jobs_and_is_offered_nothing(bench: Bench) -> None:
    bench.parts.stick_store.confirm("1A2B-3C4D", "HOLIDAY", ADMIN)
    bench.parts.jobs.queue(JOB_KIND, "{}", "It waits.")
    page = bench.staff.get("/usb").text
    for words in ("HOLIDAY", "64.0 GB", "exfat", "Maker Model", "1A2B-3C4D", "It waits."):
        assert words in page
    assert not re.findall(r'<form|href="/usb/', page)


def test_an_admin_is_offered_everything(bench: Bench) -> None:
    bench.parts.stick_store.confirm("AAAA-BBBB", "OTHER", ADMIN)
    job = bench.parts.jobs.queue(JOB_KIND, "{}")
    bench.parts.jobs.start(job.id, "Night 2026-01-31")
    bench.plug(a_stick(state=StickState.EXPORTING, job_id=job.id, is_safe_to_remove=False))
    page = bench.admin.get("/usb").text
    for target in ('href="/usb/use?stick=1A2B-3C4D"', 'action="/usb/let-go"', 'action="/usb/stop"', 'action="/usb/forget"'):
        assert target in page
    assert f'<option value="{bench.night}"' in page
    assert 'href="/usb"' in bench.staff.get("/system").text
    assert f'href="/usb?night={bench.night}"' in bench.admin.get(f"/nights/{bench.night}").text
    assert "/usb?night=" not in bench.staff.get(f"/nights/{bench.night}").text


def test_a_running_export_shows_how_far_it_is(bench: Bench) -> None:
    job = bench.parts.jobs.queue(JOB_KIND, "{}")
    bench.parts.jobs.start(job.id, "Looking at the stick")
    bench.parts.jobs.update(job.id, done=250_000_000, total=1_000_000_000, eta_s=130.0, message="Night 2026-01-31")
    bench.plug(a_stick(state=StickState.EXPORTING, job_id=job.id, is_safe_to_remove=False, free_bytes=9_000_000_000))
    page = bench.staff.get("/usb").text
    assert '<progress max="1" value="0.2500"' in page
    assert "250 MB of 1.0 GB, about 2 min 10 s left" in page
    assert "9.0 GB" in page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    assert "safe to remove" not in page


def test_a_refused_stick_says_why_and_nothing_can_be_done_with_it(bench: Bench) -> None:
    bench.plug(a_stick("", state=StickState.REFUSED, reason="It is encrypted."), a_stick("5555-5555", state=StickState.REFUSED))
    page = bench.admin.get("/usb").text
    assert "It is encrypted." in page
    assert "safe to remove" not in page
    assert "/usb/use" not in page
    assert 'action="/usb/export"' not in page


def test_what_is_done_is_safe_to_remove(bench: Bench) -> None:
    bench.plug(a_stick(state=StickState.DONE, reason="12 pictures were copied."))
    page = bench.staff.get("/usb").text
    assert "safe to remove" in page
    assert "12 pictures were copied." in page


def test_what_a_stick_calls_itself_is_text(bench: Bench) -> None:
    bench.plug(a_stick(label=EVIL, model=EVIL, fs_type=EVIL, reason=EVIL))
    bench.parts.stick_store.confirm("1A2B-3C4D", EVIL, ADMIN)
    for path in ("/usb", "/usb/use?stick=1A2B-3C4D"):
        page = bench.admin.get(path)
        assert page.status == 200
        assert EVIL not in page.text
        assert "&lt;script&gt;" in page.text


def test_sticks_without_confirmation_are_warned_of(bench: Bench) -> None:
    assert "Sticks without confirmation are on" not in bench.staff.get("/usb").text
    now = bench.parts.settings.published.value
    export = now.export.model_copy(update={"any_labelled_stick": True})
    bench.parts.settings.save(now.model_copy(update={"export": export}), "test")
    assert "Sticks without confirmation are on" in bench.staff.get("/usb").text


# Doing


def test_a_stick_is_confirmed_after_a_question_and_written_down(bench: Bench) -> None:
    question = bench.admin.get("/usb/use?stick=1A2B-3C4D").text
    assert "Use this stick?" in question
    assert not bench.parts.stick_store.is_confirmed("1A2B-3C4D"), "asking is not doing"
    reply = bench.admin.post("/usb/use", {"stick": "1A2B-3C4D"})
    assert (reply.status, reply.header("location")) == (303, "/usb?done=stick-used")
    [known] = bench.parts.stick_store.confirmed()
    assert (known.fs_id, known.name, known.by) == ("1A2B-3C4D", "HOLIDAY", ADMIN)
    assert bench.acts() == [("usb stick confirmed", "HOLIDAY (1A2B-3C4D)")]


@pytest.mark.parametrize("fs_id", ["", "9999-9999", "../etc", "0000-0000", EVIL, "x" * 2000])
def test_what_is_not_plugged_in_is_not_confirmed(bench: Bench, fs_id: str) -> None:
    bench.plug(a_stick(), a_stick("", label="no id"))
    assert NOT_THERE in bench.admin.get(f"/usb/use?stick={quote(fs_id)}").text
    assert bench.admin.get("/usb/use").header("location") == "/usb"
    for path in ("/usb/use", "/usb/let-go"):
        reply = bench.admin.post(path, {"stick": fs_id})
        assert reply.status == 400
        assert NOT_THERE in reply.text
        assert EVIL not in reply.text
    assert bench.parts.stick_store.confirmed() == []
    assert bench.parts.stick_commands.take(0) is None
    assert bench.acts() == []


def test_a_refused_stick_is_not_confirmed(bench: Bench) -> None:
    bench.plug(a_stick(state=StickState.REFUSED))
    assert bench.admin.post("/usb/use", {"stick": "1A2B-3C4D"}).status == 400
    assert bench.parts.stick_store.confirmed() == []


def test_a_stick_is_forgotten_also_when_it_is_not_plugged_in(bench: Bench) -> None:
    bench.parts.stick_store.confirm("AAAA-BBBB", "OTHER", ADMIN)
    bench.plug()
    assert bench.admin.post("/usb/forget", {"stick": "AAAA-BBBB"}).status == 303
    assert bench.parts.stick_store.confirmed() == []
    assert bench.admin.post("/usb/forget", {"stick": "AAAA-BBBB"}).status == 400
    assert bench.acts() == [("usb stick forgotten", "OTHER (AAAA-BBBB)")]


def test_a_stick_is_let_go(bench: Bench) -> None:
    assert bench.admin.post("/usb/let-go", {"stick": "1A2B-3C4D"}).header("location") == "/usb?done=stick-let-go"
    assert bench.parts.stick_commands.take(0) == EjectStick("1A2B-3C4D")
    assert bench.acts() == [("usb stick let go", "HOLIDAY (1A2B-3C4D)")]


def test_a_chosen_night_is_ordered(bench: Bench) -> None:
    reply = bench.admin.post("/usb/export", {"stick": "1A2B-3C4D", "nights": str(bench.night), "pictures": "on", "films": "on"})
    assert reply.header("location") == "/usb?done=export-ordered"
    kinds = (ExportKind.PICTURES, ExportKind.FILMS)
    assert bench.requests() == [ExportRequest("1A2B-3C4D", ADMIN, (bench.night,), 0, kinds)]
    [(action, detail)] = bench.acts()
    assert (action, detail.endswith(": HOLIDAY (1A2B-3C4D)")) == ("usb export ordered", True)


def test_the_latest_and_every_night_are_ordered(bench: Bench) -> None:
    for words in ("latest", "all"):
        assert bench.admin.post("/usb/export", {"stick": "1A2B-3C4D", "nights": words, "products": "on"}).status == 303
    products = (ExportKind.PRODUCTS,)
    assert bench.requests() == [
        ExportRequest("1A2B-3C4D", ADMIN, newest=1, kinds=products),
        ExportRequest("1A2B-3C4D", ADMIN, kinds=products),
    ]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"stick": "9999-9999", "nights": "all", "pictures": "on"}, NOT_THERE),
        ({"nights": "all", "pictures": "on"}, NOT_THERE),
        ({"stick": "1A2B-3C4D", "nights": "all"}, "Choose what is copied"),
        ({"stick": "1A2B-3C4D", "nights": "yesterday", "pictures": "on"}, "A night is written like"),
        ({"stick": "1A2B-3C4D", "nights": "2026-02-30", "pictures": "on"}, "A night is written like"),
        ({"stick": "1A2B-3C4D", "nights": "1999-01-01", "pictures": "on"}, "Of the night 1999-01-01 nothing is kept."),
        ({"stick": "1A2B-3C4D", "pictures": "on"}, "A night is written like"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(bench: Bench, form: dict[str, str], words: str) -> None:
    reply = bench.admin.post("/usb/export", form)
    assert reply.status == 400
    assert words in reply.text
    assert bench.requests() == []
    assert bench.acts() == []


def test_an_export_is_stopped_once(bench: Bench) -> None:
    job = bench.parts.jobs.queue(JOB_KIND, "{}")
    bench.parts.jobs.start(job.id, "Night")
    assert bench.admin.post("/usb/stop", {"job": str(job.id)}).status == 303
    assert bench.parts.jobs.is_stop_requested(job.id)
    bench.parts.jobs.finish(job.id, JobState.STOPPED, "Stopped.")
    assert "has ended already" in bench.admin.post("/usb/stop", {"job": str(job.id)}).text
    assert bench.admin.post("/usb/stop", {"job": "999"}).status == 404
    assert bench.admin.post("/usb/stop", {"job": "x"}).status == 400
    assert bench.acts() == [("job stopped", f"job {job.id}")]


def test_staff_can_do_none_of_it(bench: Bench) -> None:
    job = bench.parts.jobs.queue(JOB_KIND, "{}")
    bench.parts.stick_store.confirm("AAAA-BBBB", "OTHER", ADMIN)
    for path, form in {
        "/usb/use": {"stick": "1A2B-3C4D"},
        "/usb/forget": {"stick": "AAAA-BBBB"},
        "/usb/let-go": {"stick": "1A2B-3C4D"},
        "/usb/stop": {"job": str(job.id)},
        "/usb/export": {"stick": "1A2B-3C4D", "nights": "all", "pictures": "on"},
    }.items():
        assert bench.staff.post(path, form).status == 403
    assert bench.staff.get("/usb/use?stick=1A2B-3C4D").status == 403
    assert [known.fs_id for known in bench.parts.stick_store.confirmed()] == ["AAAA-BBBB"]
    assert bench.parts.stick_commands.take(0) is None
    assert [waiting.id for waiting, _ in bench.parts.jobs.waiting(JOB_KIND)] == [job.id]
    assert not bench.parts.jobs.is_stop_requested(job.id)
    assert bench.acts() == []


# Programs


def test_programs_read_sticks_and_jobs(bench: Bench) -> None:
    job = bench.parts.jobs.queue(JOB_KIND, "{}", "It waits.")
    bench.plug(a_stick(job_id=job.id))
    sticks = json.loads(bench.staff.get("/api/v1/usb").text)["sticks"]
    assert sticks == [
        {
            "fs_id": "1A2B-3C4D", "label": "HOLIDAY", "fs_type": "exfat", "model": "Maker Model", "size_bytes": 64_000_000_000,
            "free_bytes": None, "state": "offered", "reason": "", "is_confirmed": False, "job_id": job.id,
            "is_safe_to_remove": True,
            "bundle_bytes": 0,
        }
    ]  # fmt: skip
    one = json.loads(bench.staff.get(f"/api/v1/jobs/{job.id}").text)
    assert one == {
        "id": job.id, "kind": "export", "state": "waiting", "done": 0, "total": 0, "unit": "bytes", "eta_s": None,
        "message": "It waits.",
    }  # fmt: skip
    assert json.loads(bench.staff.get("/api/v1/jobs").text) == {"jobs": [one]}
    assert bench.staff.get("/api/v1/jobs/999").status == 404
    assert bench.staff.get("/api/v1/jobs/x").status == 400


def test_programs_order_and_stop(bench: Bench) -> None:
    body = {"fs_id": "1A2B-3C4D", "nights": [str(bench.night)], "kinds": ["films"]}
    status, told = bench.api(bench.token, "/api/v1/usb/export", body)
    assert (status, told["state"]) == (202, "waiting")
    [request] = bench.requests()
    assert (request.nights, request.newest, request.kinds) == ((bench.night,), 0, (ExportKind.FILMS,))
    assert not request.is_automatic
    status, told = bench.api(bench.token, f"/api/v1/jobs/{told['id']}/stop", {})
    assert (status, told["state"]) == (202, "stopped")
    assert [action for action, _ in bench.acts()] == ["job stopped", "usb export ordered"]


@pytest.mark.parametrize(
    "body",
    [
        None, [], 7, {}, {"fs_id": 7}, {"fs_id": "9999-9999"}, {"fs_id": "1A2B-3C4D", "by": "usb stick"},
        {"fs_id": "1A2B-3C4D", "nights": "yesterday"}, {"fs_id": "1A2B-3C4D", "nights": ["1999-01-01"]},
        {"fs_id": "1A2B-3C4D", "newest": -1}, {"fs_id": "1A2B-3C4D", "newest": True}, {"fs_id": "1A2B-3C4D", "kinds": ["raw"]},
        {"fs_id": ["1A2B-3C4D"]},
    ],
)  # fmt: skip
def test_programs_are_refused_in_words(bench: Bench, body: object) -> None:
    status, told = bench.api(bench.token, "/api/v1/usb/export", body)
    assert status == 400
    assert str(told["detail"]).endswith((".", '"', "films."))
    assert bench.requests() == []
