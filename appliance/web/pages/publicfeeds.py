"""Feeds of the newest nights, for readers and other sites."""

import hashlib
from collections.abc import Callable
from datetime import datetime, time
from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Scope
from appliance.domain.night import night_of
from appliance.web.answers import Answer, Content, NotFoundError
from appliance.web.feeds import ATOM_TYPE, JSON_TYPE, Feed, atom_feed, entries, json_feed
from appliance.web.head import split_host
from appliance.web.headers import READ_ELSEWHERE
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


@route("GET", "/feed.json", access=Access.PUBLIC, style=Style.MEDIA, scope=Scope.READ)
def nights_as_json(visit: Visit) -> Answer:
    """Tell of the newest nights as a JSON Feed."""
    return _content(visit, JSON_TYPE, json_feed)


@route("GET", "/feed.atom", access=Access.PUBLIC, style=Style.MEDIA, scope=Scope.READ)
def nights_as_atom(visit: Visit) -> Answer:
    """Tell of the newest nights and their films as an Atom feed."""
    return _content(visit, ATOM_TYPE, atom_feed)


def _content(visit: Visit, content_type: str, made: Callable[[Feed], bytes]) -> Content:
    body = made(_feed(visit))
    is_public = visit.settings.web.public_page
    return Content(
        body,
        content_type,
        etag=f'"{hashlib.sha256(body).hexdigest()[:20]}"',
        cache_control="public, max-age=60" if is_public else "private, no-cache",
        headers=READ_ELSEWHERE if is_public else (),
    )


def _feed(visit: Visit) -> Feed:
    zone = ZoneInfo(visit.settings.site.timezone)
    tonight = night_of(visit.parts.clock.now(), zone)
    return Feed(
        title=visit.settings.site.name or "Nightjar",
        origin=_origin(visit.host),
        device_id=visit.parts.device_id,
        updated_at=datetime.combine(datetime.fromisoformat(tonight.text), time(12), zone),
        nights=entries(visit.public_nights.newest(), tonight),
    )


def _origin(host: str) -> str:
    """Return where we are reached, by the name that the client used; the TLS front lets only our own through."""
    parts = split_host(host)
    if parts is None:
        raise NotFoundError("A feed needs a name to be reached by.")
    name, port = parts
    return f"https://{f'[{name}]' if ':' in name else name}{'' if port in (None, 443) else f':{port}'}"
