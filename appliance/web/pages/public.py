"""The public page and its pictures: what an admin may show to everybody, and nothing besides."""

import math
from collections.abc import Callable
from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Scope
from appliance.domain.frame import StoredFrame
from appliance.web.answers import Answer, Media, NotFoundError, Page
from appliance.web.api.latest import next_expected_in_s
from appliance.web.feeds import product_path
from appliance.web.headers import READ_ELSEWHERE, SHOWN_ELSEWHERE
from appliance.web.pages.files import night_named
from appliance.web.parts import WebParts
from appliance.web.publication import PRODUCT_TITLES, PRODUCT_TYPES, PublicNight
from appliance.web.routes import Style, route
from appliance.web.visit import Visit

_UNKNOWN_S = 10
_LONGEST_S = 60
"""Also how long caches may show what was public after an admin has closed it."""


@route("GET", "/public", access=Access.PUBLIC)
def public(visit: Visit) -> Answer:
    """Show the newest picture, keogram, star trails and films; or, for readers of feeds, those of one night."""
    wanted = visit.query.get("night")
    nights = visit.public_nights.newest() if wanted is None else (_night(visit, wanted),)
    frame = visit.parts.latest.value if wanted is None else None
    values = {
        "site_name": visit.settings.site.name or "Nightjar",
        "night": wanted,
        "frame": frame,
        "keogram": _newest(nights, "keogram.jpg"),
        "startrail": _newest(nights, "startrail.jpg"),
        "filmed": next((one for one in nights if one.films), None),
        "titles": PRODUCT_TITLES,
        "path_of": product_path,
        "again": _again_s(visit.parts),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "web": visit.settings.web,
    }
    return Page("public", values)


@route("GET", "/latest.jpg", access=Access.PUBLIC, style=Style.MEDIA, scope=Scope.READ)
def latest_picture(visit: Visit) -> Answer:
    """Send the newest picture."""
    return _latest(visit, lambda frame: frame.picture_name)


@route("GET", "/latest-small.jpg", access=Access.PUBLIC, style=Style.MEDIA, scope=Scope.READ)
def latest_thumbnail(visit: Visit) -> Answer:
    """Send the thumbnail of the newest picture."""
    return _latest(visit, lambda frame: frame.thumb_name)


@route("GET", "/public/nights/<night>/<name>", access=Access.PUBLIC, style=Style.MEDIA, scope=Scope.READ)
def public_product(visit: Visit) -> Answer:
    """Send a product of one of the nights that the feeds may tell of."""
    found = _night(visit, visit.args["night"])
    file = found.product(visit.args["name"])
    if file is None:
        raise NotFoundError("The night has no such product.")
    is_public = visit.settings.web.public_page
    return Media(
        visit.parts.products.path(found.night, file.name),
        PRODUCT_TYPES[file.name],
        _LONGEST_S if is_public else 0,
        headers=SHOWN_ELSEWHERE if is_public else (),
        is_public=is_public,
    )


def _latest(visit: Visit, name_of: Callable[[StoredFrame], str]) -> Media:
    """Return a file of the newest frame; no query is made, since other sites may ask every few seconds."""
    frame = visit.parts.latest.value
    if frame is None:
        raise NotFoundError("There is no picture yet.")
    path = visit.parts.folder.path_of(name_of(frame))
    if not visit.settings.web.public_page:
        return Media(path, "image/jpeg", 0)
    return Media(path, "image/jpeg", _fresh_for_s(visit.parts), headers=READ_ELSEWHERE, is_public=True)


def _fresh_for_s(parts: WebParts) -> int:
    """Return for how many seconds the newest picture stays the newest, as far as anybody knows."""
    due_in_s = next_expected_in_s(parts)
    return _UNKNOWN_S if due_in_s is None else min(max(math.ceil(due_in_s), 1), _LONGEST_S)


def _again_s(parts: WebParts) -> int:
    """Return when the page looks again by itself: when the next picture should be there, but not every second for a late one."""
    due_in_s = next_expected_in_s(parts)
    return _UNKNOWN_S if not due_in_s else min(math.ceil(due_in_s) + 1, _LONGEST_S)


def _night(visit: Visit, untrusted: str) -> PublicNight:
    found = visit.public_nights.get(night_named(untrusted))
    if found is None:
        raise NotFoundError("This night is not shown, or not any more.")
    return found


def _newest(nights: tuple[PublicNight, ...], name: str) -> PublicNight | None:
    return next((one for one in nights if one.product(name) is not None), None)
