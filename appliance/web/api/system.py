"""The state of everything for programs."""

import shutil

from appliance.domain.access import Access, Scope
from appliance.web.answers import Answer, Json
from appliance.web.api.latest import camera_view
from appliance.web.api.views import IssueView, QueueView, SystemView, WorkerView
from appliance.web.parts import WebParts
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


@route("GET", "/api/v1/system", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=SystemView)
def system(visit: Visit) -> Answer:
    """Tell the state of threads, queues, disk, memory and camera."""
    return Json(system_view(visit.parts))


def system_view(parts: WebParts) -> SystemView:
    """Return the state of everything now."""
    board = parts.board
    disk = shutil.disk_usage(parts.folder.root)
    return SystemView(
        status=board.status,
        version=parts.version,
        now=parts.clock.now(),
        camera=camera_view(parts),
        issues=tuple(IssueView(i.key, i.severity.value, i.title, i.advice, i.since) for i in board.issues),
        workers=tuple(WorkerView(w.name, w.state.value, w.restarts, round(w.beat_age_s, 1), w.last_error) for w in board.workers),
        queues=tuple(QueueView(q.name, q.depth, q.capacity, q.dropped) for q in board.queues),
        memory_bytes=parts.used_memory_bytes(),
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        frames=parts.frames.count(),
    )
