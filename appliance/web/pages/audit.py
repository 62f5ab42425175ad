"""The audit log, for admins: who did what, from where, when, and whether the chain is whole."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.web.answers import Answer, Content, Page
from appliance.web.routes import route
from appliance.web.visit import Visit, whole_number

ENTRIES_A_PAGE = 100


@route("GET", "/audit", access=Access.ADMIN)
def audit(visit: Visit) -> Answer:
    """Show the log, newest first."""
    before = visit.query.get("before")
    before_id = None if before is None else whole_number(before, "before", 1, 10**18)
    entries = visit.parts.audit.page(before_id, ENTRIES_A_PAGE + 1)
    values = {
        "entries": entries[:ENTRIES_A_PAGE],
        "next_before": entries[ENTRIES_A_PAGE - 1].id if len(entries) > ENTRIES_A_PAGE else None,
        "is_first_page": before_id is None,
        "findings": visit.parts.audit.verify() if "verify" in visit.query else None,
        "head": visit.parts.audit.head(),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "accounts",
    }
    return Page("audit", values)


@route("GET", "/audit/export", access=Access.ADMIN)
def export(visit: Visit) -> Answer:
    """Send the whole log as lines of JSON."""
    name = f"nightjar-audit-{visit.parts.clock.now():%Y%m%d}.jsonl"
    return Content(_lines(visit.parts.audit.export()), "application/x-ndjson", name)


def _lines(texts: Iterator[str]) -> Iterator[bytes]:
    return (text.encode() for text in texts)
