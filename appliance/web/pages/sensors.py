"""The machine's sensors: heat, supply, load, memory, disk and network now, and their charts of a day and a month."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from appliance.domain.access import Access, Scope
from appliance.domain.errors import InputError
from appliance.web.answers import Answer, Content, NotFoundError, Page
from appliance.web.charts import MACHINE_CHARTS, draw
from appliance.web.pages.readingwords import interfaces_of, told
from appliance.web.routes import Style, route
from appliance.web.series import Series, machine_series
from appliance.web.visit import Visit

PERIODS = {"24h": timedelta(hours=24), "30d": timedelta(days=30)}
PERIOD_TITLES = {"24h": "24 hours", "30d": "30 days"}


@route("GET", "/sensors", access=Access.STAFF)
def sensors(visit: Visit) -> Answer:
    """Show what the machine's sensors say."""
    name, start, end = _period(visit)
    series = _series(visit, start, end)
    reading = visit.parts.readings.value
    values = {
        "reading": reading,
        "details": told(reading) if reading else (),
        "interfaces": interfaces_of(reading) if reading else (),
        "charts": tuple(spec for spec in MACHINE_CHARTS.values() if np.isfinite(series.column(spec.column)).any()),
        "period": name,
        "periods": PERIOD_TITLES,
        "zone": _zone(visit),
        "active": "system",
    }
    return Page("sensors", values)


@route("GET", "/sensors/charts/<name>", access=Access.STAFF, style=Style.MEDIA, scope=Scope.READ)
def sensor_chart(visit: Visit) -> Answer:
    """Draw one chart of the machine."""
    spec = MACHINE_CHARTS.get(visit.args["name"].removesuffix(".svg"))
    if spec is None:
        raise NotFoundError("There is no such chart.")
    name, start, end = _period(visit)
    zone = _zone(visit)
    body = draw(_series(visit, start, end), spec, zone, period=(start, end)).encode()
    tag = f'"{visit.parts.reading_store.newest_id()}-{name}-{zone.key}"'
    return Content(body, "image/svg+xml", etag=tag, cache_control="private, no-cache")


def _period(visit: Visit) -> tuple[str, datetime, datetime]:
    """Return the name of the period that is asked for, its begin and its end."""
    name = visit.query.get("period", "24h")
    if name not in PERIODS:
        raise InputError(f"period is one of {', '.join(PERIODS)}.")
    end = visit.parts.clock.now()
    return name, end - PERIODS[name], end


def _series(visit: Visit, start: datetime, end: datetime) -> Series:
    return machine_series(visit.parts.reading_store.between(start, end))


def _zone(visit: Visit) -> ZoneInfo:
    return ZoneInfo(visit.settings.site.timezone)
