"""The public page, the newest picture and the feeds: what they show, to whom, for how long, and what they never tell."""

import dataclasses
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from xml.etree import ElementTree as ET

import html5lib
import pytest

from appliance.domain.frame import CameraStatus, StoredFrame
from appliance.domain.night import NightId
from appliance.store.database import Database
from appliance.store.products import NAMES
from appliance.web.app import Panel
from appliance.web.publication import KEPT_S, MOST_NIGHTS, PRODUCT_TITLES, PRODUCT_TYPES
from tests.unit.web.gatehouse import SettableClock
from tests.unit.web.test_pages import whole
from tests.unit.web.world import Caller, Reply, World, callers

ATOM = "{http://www.w3.org/2005/Atom}"
TONIGHT = NightId("2026-01-31")  # of the settable clock
HOSTILE = "<b>&\"x'</title><script>"
FEEDS = ("/feed.json", "/feed.atom")
EVERYTHING = ("/public", "/latest.jpg", "/latest-small.jpg", *FEEDS)


@dataclasses.dataclass
class Site:
    """A claimed appliance whose public page is on, and somebody who is not logged in."""

    world: World
    clock: SettableClock
    guest: Caller

    def night(self, night: NightId, *names: str, changed_at: datetime | None = None) -> StoredFrame:
        """Store a frame of a night at its midnight, and products that last changed at a moment."""
        at = datetime.fromisoformat(f"{night}T22:00:00+00:00")
        frame = self.world.add_frame(at, night=night, side=64)
        for name in names:
            path = self.world.parts.products.write(night, name, f"{name} of {night}".encode())
            when = (changed_at or at).timestamp()
            os.utime(path, (when, when))
        return frame

    def set_name(self, name: str, zone: str = "Europe/Vienna") -> None:
        settings = self.world.parts.settings.published.value
        place = {"name": name, "timezone": zone, "latitude_deg": 47.7217, "longitude_deg": 14.9181}
        site = settings.site.model_copy(update=place)
        self.world.parts.settings.save(settings.model_copy(update={"site": site}), "test")

    def expect(self, in_s: float | None) -> None:
        due = None if in_s is None else self.clock.now() + timedelta(seconds=in_s)
        self.world.camera.publish(CameraStatus("waiting", "ZWO ASI676MC", "a message", next_expected_at=due))

    def json(self) -> dict[str, list[dict[str, object]]]:
        reply = self.guest.get("/feed.json")
        assert (reply.status, reply.header("content-type")) == (200, "application/feed+json")
        found: dict[str, list[dict[str, object]]] = json.loads(reply.body)
        return found

    def atom(self, **headers: str) -> ET.Element:
        reply = self.guest.get("/feed.atom", **headers)
        assert (reply.status, reply.header("content-type")) == (200, "application/atom+xml")
        return ET.fromstring(reply.body)  # noqa: S314 - made by ourselves a moment ago


@pytest.fixture
def site(world: World) -> Site:
    world.claim()
    world.set_public(False, page=True)
    clock = SettableClock()
    world = dataclasses.replace(world, parts=dataclasses.replace(world.parts, clock=clock))
    return Site(world, clock, Caller(Panel(world.parts)))


def nights_back(count: int) -> list[NightId]:
    last = date.fromisoformat(TONIGHT.text)
    return [NightId((last - timedelta(days=back)).isoformat()) for back in range(1, count + 1)]


# --- the switch ----------------------------------------------------------------------------------------------------


def test_switched_off_everything_asks_for_a_login_and_nothing_may_be_kept_or_shown_elsewhere(site: Site) -> None:
    site.night(TONIGHT, "keogram.jpg")
    site.world.set_public(False)
    found = {target: site.guest.get(target) for target in (*EVERYTHING, f"/public/nights/{TONIGHT}/keogram.jpg")}
    assert {target: reply.status for target, reply in found.items() if reply.status != 401} == {"/public": 303}
    assert found["/public"].header("location") == "/login?next=/public"
    for reply in found.values():
        assert reply.header("cache-control") == "no-store"
        assert reply.header("access-control-allow-origin") == ""
        assert reply.header("cross-origin-resource-policy") == "same-origin"


def test_what_public_pictures_alone_opens_stays_on_this_site(site: Site) -> None:
    site.night(TONIGHT, "keogram.jpg")
    site.world.set_public(True)
    for target in ("/latest.jpg", "/latest-small.jpg", *FEEDS, f"/public/nights/{TONIGHT}/keogram.jpg"):
        reply = site.guest.get(target)
        assert (reply.status, reply.header("cache-control")) == (200, "private, no-cache")
        assert reply.header("access-control-allow-origin") == ""
        assert reply.header("cross-origin-resource-policy") == "same-origin"


def test_only_the_picture_and_the_feeds_may_be_read_by_other_sites_and_products_only_shown(site: Site) -> None:
    site.night(TONIGHT, "keogram.jpg")
    found = {target: site.guest.get(target) for target in (*EVERYTHING, f"/public/nights/{TONIGHT}/keogram.jpg", "/login")}
    shared = {target for target, reply in found.items() if reply.header("cross-origin-resource-policy") == "cross-origin"}
    assert shared == {"/latest.jpg", "/latest-small.jpg", *FEEDS, f"/public/nights/{TONIGHT}/keogram.jpg"}
    readable = {target for target, reply in found.items() if reply.header("access-control-allow-origin") == "*"}
    assert readable == {"/latest.jpg", "/latest-small.jpg", *FEEDS}
    assert not [reply for reply in found.values() if reply.header("access-control-allow-credentials")]
    for reply in found.values():
        assert reply.header("x-frame-options") == "DENY"
        assert "frame-ancestors 'none'" in reply.header("content-security-policy")


def test_nobodys_login_changes_what_caches_may_keep(site: Site) -> None:
    site.set_name("Hochkar")
    site.night(nights_back(1)[0], "keogram.jpg")
    admin = callers(Panel(site.world.parts), site.world)["admin"]
    for target in ("/latest.jpg", "/latest-small.jpg", *FEEDS):
        mine, theirs = admin.get(target), site.guest.get(target)
        assert mine.body == theirs.body
        assert not mine.header("set-cookie")
        assert not theirs.header("set-cookie")


def test_nothing_tells_place_or_machine(site: Site) -> None:
    site.set_name("Hochkar")
    site.expect(9)
    site.night(nights_back(1)[0], *NAMES)
    site.night(TONIGHT, "keogram.jpg")
    parts = site.world.parts
    told = [site.guest.get(target) for target in ("/public", f"/public?night={TONIGHT}", *FEEDS)]
    for reply in told:
        for words in ("47.7", "14.9", "ZWO", "a message", parts.device_id, parts.version, "waiting", '/nights/2026-01-31"'):
            assert words not in reply.text, words


# --- the newest picture --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due_in_s", "max_age"), [(None, 10), (-30.0, 1), (0.0, 1), (0.2, 1), (12.3, 13), (60.0, 60), (900.0, 60)]
)
def test_the_newest_picture_may_be_kept_until_the_next_is_due(site: Site, due_in_s: float | None, max_age: int) -> None:
    site.night(TONIGHT)
    site.expect(due_in_s)
    for target in ("/latest.jpg", "/latest-small.jpg"):
        assert site.guest.get(target).header("cache-control") == f"public, max-age={max_age}"


def test_with_a_faster_clock_it_is_kept_for_real_seconds(site: Site) -> None:
    site.night(TONIGHT)
    site.expect(600)
    site.clock.rate = 60.0
    assert site.guest.get("/latest.jpg").header("cache-control") == "public, max-age=10"


def test_the_newest_picture_is_sent_once_and_then_only_confirmed(site: Site) -> None:
    frame = site.night(TONIGHT)
    path = site.world.parts.frames.picture_path(frame)
    changed_at = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    first = site.guest.get("/latest.jpg")
    assert (first.status, first.header("content-type"), first.body) == (200, "image/jpeg", path.read_bytes())
    assert first.header("last-modified") == format_datetime(changed_at, usegmt=True)
    etag = first.header("etag")
    for known in ({"if_none_match": etag}, {"if_modified_since": first.header("last-modified")}):
        again = site.guest.get("/latest.jpg", **known)
        assert (again.status, again.body, again.header("etag")) == (304, b"", etag)
        assert again.header("access-control-allow-origin") == "*"
        assert again.header("cache-control") == first.header("cache-control")
    head = site.guest.call("HEAD", "/latest.jpg", b"", {})
    assert (head.status, head.body, head.header("etag")) == (200, b"", etag)
    assert head.header("content-length") == str(len(first.body))
    small = site.guest.get("/latest-small.jpg")
    assert small.body == site.world.parts.frames.thumb_path(frame).read_bytes()

    newer = site.world.add_frame(datetime(2026, 1, 31, 22, 1, tzinfo=UTC), night=TONIGHT, number=5, side=64)
    fresh = site.guest.get("/latest.jpg?t=12345", if_none_match=etag)
    assert (fresh.status, fresh.body) == (200, site.world.parts.frames.picture_path(newer).read_bytes())


def test_hot_links_and_open_pages_ask_the_database_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.night(TONIGHT, "keogram.jpg")
    assert site.guest.get("/public").status == 200

    def refuse(*_: object) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(Database, "read", refuse)
    monkeypatch.setattr(Database, "write", refuse)
    for target in EVERYTHING:
        assert site.guest.get(target).status == 200, target
    site.clock.run(KEPT_S)
    assert site.guest.get("/latest.jpg").status == 200
    assert site.guest.get("/public").status == 500, "after some seconds it looks again"


def test_without_a_picture_each_says_so(site: Site) -> None:
    for target in ("/latest.jpg", "/latest-small.jpg"):
        reply = site.guest.get(target)
        assert (reply.status, reply.header("content-type")) == (404, "application/problem+json")
        assert "no picture yet" in reply.text
    page = site.guest.get("/public")
    whole(page)
    assert "No picture yet" in page.text
    assert site.json()["items"] == []
    assert [one.tag for one in site.atom()].count(f"{ATOM}entry") == 0


# --- the page ------------------------------------------------------------------------------------------------------


def addresses(reply: Reply) -> list[str]:
    """Return what a page shows or plays, without the versions."""
    tree = html5lib.parse(reply.text, namespaceHTMLElements=False)
    found = [one.get("src") for one in tree.iter() if one.tag in ("img", "video")]
    return [address.partition("?")[0] for address in found if not address.startswith("/static/")]


def test_the_page_shows_tonight_so_far_and_the_last_film(site: Site) -> None:
    before, last = nights_back(2)[1], nights_back(1)[0]
    site.set_name("Hochkar")
    site.night(before, "night.mp4", "startrail.jpg")
    site.night(last, "startrail.mp4", "night.mp4", "startrail.jpg")
    site.night(TONIGHT, "keogram.jpg")
    page = site.guest.get("/public")
    whole(page)
    assert addresses(page) == [
        "/latest.jpg",
        f"/public/nights/{last}/startrail.jpg",
        f"/public/nights/{TONIGHT}/keogram.jpg",
        f"/public/nights/{last}/night.mp4",
        f"/public/nights/{last}/startrail.mp4",
    ]
    assert {site.guest.get(address).status for address in addresses(page)} == {200}
    assert "23:00:00 CET" in page.text, "22:00 UTC, in the zone of the site"
    assert "Saturday, 31 January 2026" in page.text
    for kind, target in (("application/feed+json", "/feed.json"), ("application/atom+xml", "/feed.atom")):
        assert f'<link rel="alternate" type="{kind}" title="Nights of Hochkar" href="{target}">' in page.text


def test_the_page_asks_again_when_the_next_picture_is_due(site: Site) -> None:
    site.night(TONIGHT)
    for due_in_s, again in ((12.3, 14), (900.0, 60), (0.0, 10), (None, 10)):
        site.expect(due_in_s)
        assert f'id="fresh" data-again="{again}"' in site.guest.get("/public").text


def test_a_night_of_a_feed_has_its_page(site: Site) -> None:
    last = nights_back(1)[0]
    site.night(last, "keogram.jpg")
    site.night(TONIGHT, "keogram.jpg")
    page = site.guest.get(f"/public?night={last}")
    whole(page)
    assert addresses(page) == [f"/public/nights/{last}/keogram.jpg"]
    assert "Friday, 30 January 2026" in page.text
    for wrong in ("2025-01-01", "yesterday", "2026-02-30", "../../nightjar.db"):
        assert site.guest.get(f"/public?night={wrong}").status == 404


@pytest.mark.parametrize(
    ("page", "pictures", "words"),
    [(True, False, "This page is public"), (False, True, "This page is public"), (False, False, "This page is not public")],
)
def test_people_who_are_logged_in_are_told_whether_it_is_public(site: Site, page: bool, pictures: bool, words: str) -> None:
    site.night(TONIGHT)
    site.world.set_public(pictures, page=page)
    everybody = callers(Panel(site.world.parts), site.world)
    for who in ("staff", "admin"):
        reply = everybody[who].get("/public")
        whole(reply)
        assert words in reply.text
        assert ('href="/public"' in everybody[who].get("/").text) == page
    if page or pictures:
        assert words not in everybody["anonymous"].get("/public").text


@pytest.mark.parametrize("target", ["/public", "/public?night=2026-01-30", *FEEDS])
def test_a_hostile_name_stays_a_name(site: Site, target: str) -> None:
    site.night(nights_back(1)[0], "night.mp4")
    site.set_name(HOSTILE)
    reply = site.guest.get(target)
    if target == "/feed.json":
        assert site.json()["title"] == HOSTILE
        return
    assert "<b>" not in reply.text
    assert "<script>" not in reply.text
    if target == "/feed.atom":
        assert site.atom().findtext(f"{ATOM}title") == HOSTILE
    else:
        whole(reply)


# --- products ------------------------------------------------------------------------------------------------------


def test_products_of_the_newest_nights_are_open_and_no_others(site: Site) -> None:
    for night in reversed(nights_back(MOST_NIGHTS + 1)):
        site.night(night, "keogram.jpg", "night.mp4")
    oldest, shown = nights_back(MOST_NIGHTS + 1)[-1], nights_back(MOST_NIGHTS)[-1]
    reply = site.guest.get(f"/public/nights/{shown}/night.mp4", range="bytes=0-4")
    size = len(f"night.mp4 of {shown}")
    assert (reply.status, reply.header("content-range"), reply.header("content-type")) == (206, f"bytes 0-4/{size}", "video/mp4")
    assert reply.header("cache-control") == "public, max-age=60"
    for target in (
        f"{oldest}/night.mp4", f"{shown}/day.mp4", f"{shown}/other.jpg", f"{shown}/..%2f..%2fnightjar.db",
        "2026-01-3/night.mp4", "x/night.mp4", "2020-01-01/night.mp4",
    ):  # fmt: skip
        assert site.guest.get(f"/public/nights/{target}").status == 404, target
    assert len(site.json()["items"]) == MOST_NIGHTS


def test_every_product_has_a_kind_and_a_title() -> None:
    assert set(PRODUCT_TYPES) == set(PRODUCT_TITLES) == NAMES


# --- feeds ---------------------------------------------------------------------------------------------------------


def test_the_json_feed_holds_what_version_1_1_demands(site: Site) -> None:
    last = nights_back(1)[0]
    site.set_name("Hochkar")
    site.night(last, "night.mp4", "keogram.jpg", "startrail.jpg", changed_at=datetime(2026, 1, 31, 6, 30, tzinfo=UTC))
    feed = site.json()
    item = feed.pop("items")[0]
    assert feed == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Hochkar",
        "home_page_url": "https://nightjar.local/public",
        "feed_url": "https://nightjar.local/feed.json",
        "icon": "https://nightjar.local/latest-small.jpg",
        "language": "en",
        "authors": [{"name": "Hochkar"}],
    }
    base = f"https://nightjar.local/public/nights/{last}"
    attachments = [
        ("keogram.jpg", "image/jpeg", "Keogram"),
        ("startrail.jpg", "image/jpeg", "Star trails"),
        ("night.mp4", "video/mp4", "Film of the night"),
    ]
    assert "<img" in str(item.pop("content_html"))
    assert item == {
        "id": item["id"],
        "url": f"https://nightjar.local/public?night={last}",
        "title": "Friday, 30 January 2026",
        "image": f"{base}/startrail.jpg",
        "date_published": "2026-01-30T22:00:00.000Z",
        "date_modified": "2026-01-31T06:30:00.000Z",
        "attachments": [
            {"url": f"{base}/{name}", "mime_type": kind, "title": title, "size_in_bytes": len(f"{name} of {last}")}
            for name, kind, title in attachments
        ],
    }
    assert str(item["id"]).startswith("urn:uuid:")


def test_the_atom_feed_holds_what_rfc_4287_demands(site: Site) -> None:
    before, last = nights_back(2)[1], nights_back(1)[0]
    site.set_name("Hochkar")
    site.night(before, "keogram.jpg", changed_at=datetime(2026, 1, 31, 9, tzinfo=UTC))  # made anew after the later night
    site.night(last, "night.mp4", "keogram.jpg", changed_at=datetime(2026, 1, 31, 6, 30, tzinfo=UTC))
    feed = site.atom()
    assert (feed.tag, feed.findtext(f"{ATOM}title")) == (f"{ATOM}feed", "Hochkar")
    assert feed.findtext(f"{ATOM}updated") == "2026-01-31T09:00:00.000Z"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Hochkar"
    links = {one.get("rel"): one.get("href") for one in feed.findall(f"{ATOM}link")}
    assert links == {"self": "https://nightjar.local/feed.atom", "alternate": "https://nightjar.local/public"}
    entries = feed.findall(f"{ATOM}entry")
    assert [one.findtext(f"{ATOM}title") for one in entries] == ["Friday, 30 January 2026", "Thursday, 29 January 2026"]
    assert [one.findtext(f"{ATOM}updated") for one in entries] == ["2026-01-31T06:30:00.000Z", "2026-01-31T09:00:00.000Z"]
    films = [[dict(link.attrib) for link in one.findall(f"{ATOM}link") if link.get("rel") == "enclosure"] for one in entries]
    film = {
        "rel": "enclosure",
        "type": "video/mp4",
        "title": "Film of the night",
        "length": str(len(f"night.mp4 of {last}")),
        "href": f"https://nightjar.local/public/nights/{last}/night.mp4",
    }
    assert films == [[film], []]
    content = entries[0].find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "html"
    pictures = [one.get("src") for one in html5lib.parseFragment(content.text or "", namespaceHTMLElements=False).iter("img")]
    assert pictures == [f"https://nightjar.local/public/nights/{last}/keogram.jpg"]


def test_ids_are_one_a_night_and_stay_over_restarts_names_and_new_films(site: Site) -> None:
    for night in reversed(nights_back(3)):
        site.night(night, "keogram.jpg")

    def ids(feed: ET.Element) -> list[str | None]:
        return [feed.findtext(f"{ATOM}id"), *(one.findtext(f"{ATOM}id") for one in feed.findall(f"{ATOM}entry"))]

    before = ids(site.atom())
    assert len(set(before)) == 4
    assert [one["id"] for one in site.json()["items"]] == before[1:]
    site.night(nights_back(1)[0], "night.mp4")
    site.set_name("another name")
    site.guest = Caller(Panel(site.world.parts))
    assert ids(site.atom(host="192.168.1.20:8443")) == before
    other = dataclasses.replace(site.world.parts, device_id="0123ABCD")
    site.guest = Caller(Panel(other))
    assert not set(ids(site.atom())) & set(before), "another device is another feed"


def test_a_night_comes_into_the_feeds_with_its_film_or_at_noon(site: Site) -> None:
    site.set_name("Hochkar", zone="UTC")
    site.night(TONIGHT, "keogram.jpg", "day.mp4")
    assert site.json()["items"] == []
    site.world.parts.products.write(TONIGHT, "night.mp4", b"film")
    site.clock.run(KEPT_S)
    assert len(site.json()["items"]) == 1
    site.world.parts.products.remove(TONIGHT, "night.mp4")
    site.clock.run(KEPT_S)
    assert site.json()["items"] == []
    site.clock.run(13.9 * 3600)
    assert site.json()["items"] == []
    site.clock.run(0.2 * 3600)
    assert len(site.json()["items"]) == 1, "noon is past"


def test_a_night_without_products_is_no_news(site: Site) -> None:
    site.night(nights_back(1)[0])
    assert site.json()["items"] == []


@pytest.mark.parametrize("target", FEEDS)
def test_a_feed_that_is_known_is_not_sent_again(site: Site, target: str) -> None:
    site.night(nights_back(1)[0], "keogram.jpg")
    first = site.guest.get(target)
    assert first.header("cache-control") == "public, max-age=60"
    again = site.guest.get(target, if_none_match=first.header("etag"))
    assert (again.status, again.body, again.header("access-control-allow-origin")) == (304, b"", "*")
    head = site.guest.call("HEAD", target, b"", {})
    assert (head.status, head.body, head.header("etag")) == (200, b"", first.header("etag"))
    site.world.parts.products.write(nights_back(1)[0], "night.mp4", b"film")
    site.clock.run(KEPT_S)
    assert site.guest.get(target, if_none_match=first.header("etag")).status == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("nightjar.local", "https://nightjar.local"),
        ("NIGHTJAR.local.:443", "https://nightjar.local"),
        ("192.168.1.20:8443", "https://192.168.1.20:8443"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443"),
    ],
)
def test_addresses_in_feeds_begin_with_the_name_that_was_called(site: Site, host: str, origin: str) -> None:
    site.night(nights_back(1)[0], "keogram.jpg")
    made: Callable[[str], Reply] = lambda target: site.guest.get(target, host=host)  # noqa: E731
    feed = json.loads(made("/feed.json").body)
    told = [feed["home_page_url"], feed["feed_url"], feed["items"][0]["url"], feed["items"][0]["attachments"][0]["url"]]
    assert [one.startswith(f"{origin}/") for one in told] == [True] * 4
    assert f'href="{origin}/public"' in made("/feed.atom").text


@pytest.mark.parametrize("host", ['x"><script>', "a b", "evil.example/x", ""])
def test_nothing_is_built_from_what_is_no_host(site: Site, host: str) -> None:
    for target in FEEDS:
        reply = site.guest.get(target, host=host)
        assert (reply.status, "script" in reply.text, "evil" in reply.text) == (404, False, False)
