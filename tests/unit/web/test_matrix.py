"""Every route for every visitor: an exact table, so that a new route or a new hole fails here."""

from itertools import count

import pytest

from appliance.domain.access import Access, Scope
from appliance.domain.peer import PeerLimits
from appliance.security.tokens import hash_token, new_token
from appliance.web.app import Panel
from appliance.web.routes import Route, Style, route, table
from tests.unit.web.world import ADMIN, STAFF, Caller, World, fill

VISITORS = ("anonymous", "anonymous while public", "read token", "write token", "admin token", "staff", "admin")

# One line a route: what it answers to a plain request without a useful form, by VISITORS, then to the admin with a wrong
# CSRF token, then to the admin from another origin.
# fmt: off
EXPECTED: dict[str, tuple[int, ...]] = {
    "GET /": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /accounts": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /accounts/<number>/clear-totp": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /accounts/<number>/delete": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /accounts/<number>/disable": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /accounts/<number>/enable": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /accounts/<number>/reset": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /accounts/<number>/role": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /accounts/create": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /api/v1/camera/pause": (401, 401, 403, 202, 202, 403, 202, 403, 403),
    "POST /api/v1/camera/reconnect": (401, 401, 403, 202, 202, 403, 202, 403, 403),
    "POST /api/v1/camera/resume": (401, 401, 403, 202, 202, 403, 202, 403, 403),
    "GET /api/v1/frames": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/jobs": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/jobs/<number>": (401, 401, 404, 404, 404, 404, 404, 404, 404),
    "POST /api/v1/jobs/<number>/stop": (401, 401, 403, 403, 404, 403, 404, 403, 403),
    "GET /api/v1/latest": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/machine": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "PUT /api/v1/machine/name": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "PUT /api/v1/machine/network-time": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "POST /api/v1/machine/off": (401, 401, 403, 403, 202, 403, 202, 403, 403),
    "POST /api/v1/machine/restart": (401, 401, 403, 403, 202, 403, 202, 403, 403),
    "PUT /api/v1/machine/time": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "PUT /api/v1/machine/zone": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "GET /api/v1/network": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/measurements": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/nights": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/openapi.json": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/sensors": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/sensors/readings": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/settings": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "PUT /api/v1/settings": (401, 401, 403, 400, 400, 403, 400, 403, 403),
    "GET /api/v1/sync": (401, 401, 401, 401, 401, 401, 401, 401, 401),
    "GET /api/v1/sync/<kind>/<night>/<name>": (401, 401, 401, 401, 401, 401, 401, 401, 401),
    "PUT /api/v1/sync/<kind>/<night>/<name>": (401, 401, 401, 401, 401, 401, 401, 401, 401),
    "GET /api/v1/system": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/update": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "POST /api/v1/update/check": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "POST /api/v1/update/download": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "POST /api/v1/update/give-up": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "POST /api/v1/update/install": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "POST /api/v1/update/other-half": (401, 401, 403, 403, 409, 403, 409, 403, 403),
    "POST /api/v1/update/restart": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "POST /api/v1/update/stick": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "PUT /api/v1/update/upload": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "PUT /api/v1/update/upload/<sha256>": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "GET /api/v1/usb": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "POST /api/v1/usb/export": (401, 401, 403, 403, 400, 403, 400, 403, 403),
    "GET /audit": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "GET /audit/export": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "GET /backup": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /backup/download": (401, 401, 403, 403, 403, 403, 403, 403, 403),
    "POST /backup/open": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /backup/restore": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /backup/stick": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /backup/stick/look": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /backup/stick/open": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /camera": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /camera/driver": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /certificate": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "POST /certificate/import": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /certificate/nightjar-ca.crt": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /certificate/nightjar-ca.pem": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "POST /certificate/remove": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /claim": (303, 303, 303, 303, 303, 303, 303, 303, 303),
    "GET /claim/backup": (303, 303, 303, 303, 303, 303, 303, 303, 303),
    "POST /claim/backup": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "POST /claim/backup/open": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "POST /claim/backup/restore": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "POST /claim/backup/stick/look": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "POST /claim/backup/stick/open": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "POST /claim": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "GET /feed.atom": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /feed.json": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /frames/<number>": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /healthz": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /help": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /help/<name>": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /latest-small.jpg": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "PUT /indi-allsky/sync/v1/<kind>": (404, 404, 404, 404, 404, 401, 401, 401, 401),
    "GET /latest.jpg": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /login": (200, 200, 200, 200, 200, 303, 303, 303, 303),
    "POST /login": (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "POST /logout": (401, 401, 403, 403, 403, 303, 303, 403, 403),
    "GET /machine": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /machine/going": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /machine/name": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /machine/name": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /machine/network-time": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /machine/network-time": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /machine/off": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /machine/off": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /machine/reset": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /machine/reset": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /machine/restart": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /machine/restart": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /machine/time": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /machine/time": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /machine/zone": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /machine/zone": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /me": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /me/password": (401, 401, 403, 403, 403, 403, 403, 403, 403),
    "GET /me/totp": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /me/totp": (401, 401, 403, 403, 403, 400, 400, 403, 403),
    "POST /me/totp/clear": (401, 401, 403, 403, 403, 403, 403, 403, 403),
    "GET /media/frames/<name>": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /media/nights/<night>/<name>": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /media/thumbs/<name>": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /media/peers/<name>": (401, 404, 404, 404, 404, 404, 404, 404, 404),
    "GET /media/peers/thumbs/<name>": (401, 404, 404, 404, 404, 404, 404, 404, 404),
    "GET /network": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /network/addresses": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /network/addresses": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /network/forget": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /network/forget": (401, 401, 403, 403, 403, 403, 409, 403, 403),
    "GET /network/join": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /network/join": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /network/keep": (401, 401, 403, 403, 403, 403, 409, 403, 403),
    "POST /network/country": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /network/look": (401, 401, 403, 403, 403, 403, 409, 403, 403),
    "GET /network/point": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /network/point": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /network/trial": (303, 303, 403, 403, 403, 303, 303, 303, 303),
    "POST /network/undo": (401, 401, 403, 403, 403, 403, 409, 403, 403),
    "GET /nights": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /nights/<night>": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /nights/<night>/night.zip": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /nights/<night>/charts/<name>": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /observatory": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /observatory/<peer>": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /observatory/<peer>/<night>": (303, 404, 403, 403, 403, 404, 404, 404, 404),
    "GET /observatory/<peer>/<night>/<number>": (303, 404, 403, 403, 403, 404, 404, 404, 404),
    "GET /peers": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /peers/<peer>": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /peers/<peer>/limits": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /peers/<peer>/revoke": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /peers/<peer>/rotate": (401, 401, 403, 403, 403, 403, 200, 403, 403),
    "POST /peers/create": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /peers/indi-allsky": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /peers/indi-allsky/<peer>/key": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "POST /peers/indi-allsky/make": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /public": (303, 200, 403, 403, 403, 200, 200, 200, 200),
    "GET /public/nights/<night>/<name>": (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "POST /sessions/<number>/revoke": (401, 401, 403, 403, 403, 400, 400, 403, 403),
    "GET /sensors": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /sensors/charts/<name>": (401, 401, 200, 200, 200, 200, 200, 200, 200),
    "GET /settings": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /settings/review": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /settings/revisions": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /settings/revisions/<number>": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /settings/revisions/<number>/restore": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "POST /settings/save": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /static/<name>": (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /system": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /system/pause": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "POST /system/reconnect": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "POST /system/resume": (401, 401, 403, 403, 403, 403, 303, 403, 403),
    "GET /targets": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "GET /targets/<target>": (303, 303, 403, 403, 403, 403, 404, 404, 404),
    "GET /targets/<target>/clear": (303, 303, 403, 403, 403, 403, 404, 404, 404),
    "POST /targets/<target>/clear": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "POST /targets/<target>/pause": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "GET /targets/<target>/remove": (303, 303, 403, 403, 403, 403, 404, 404, 404),
    "POST /targets/<target>/remove": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "POST /targets/<target>/resume": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "POST /targets/<target>/retry": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "POST /targets/<target>/test": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "POST /targets/<target>/trust": (401, 401, 403, 403, 403, 403, 404, 403, 403),
    "GET /targets/new": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /targets/save": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /update": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /update/check": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /update/download": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /update/give-up": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /update/install": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /update/install": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /update/other-half": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /update/other-half": (401, 401, 403, 403, 403, 403, 409, 403, 403),
    "POST /update/restart": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /update/stick": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /update/stop": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /usb": (303, 303, 403, 403, 403, 200, 200, 200, 200),
    "POST /usb/export": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /usb/forget": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /usb/let-go": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /usb/stop": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /usb/use": (303, 303, 403, 403, 403, 403, 303, 303, 303),
    "POST /usb/use": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /tokens": (303, 303, 403, 403, 403, 403, 200, 200, 200),
    "POST /tokens/<number>/revoke": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "POST /tokens/create": (401, 401, 403, 403, 403, 403, 400, 403, 403),
    "GET /tonight": (303, 303, 403, 403, 403, 303, 303, 303, 303),
}
# fmt: on


class Cast:
    """Makes a fresh caller for each try, since some tries end their own session."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.panel = Panel(world.parts)
        self.tries = count()
        self.tokens = {scope: world.api_token(scope) for scope in Scope}
        self.peer = world.parts.peer_gate.make("Hilltop", PeerLimits())[0].id

    def caller(self, who: str) -> Caller:
        if who.startswith("anonymous"):
            return Caller(self.panel)
        if who.endswith("token"):
            return Caller(self.panel, bearer=self.tokens[Scope(who.split(maxsplit=1)[0])])
        found = self.world.parts.accounts.by_name({"staff": STAFF, "admin": ADMIN}[who])
        assert found is not None
        token, csrf = new_token().reveal(), new_token().reveal()
        self.world.parts.sessions.create(found[0].id, hash_token(token), csrf, "127.0.0.1", "test")
        return Caller(self.panel, cookie=f"__Host-nightjar={token}", csrf=csrf)

    def status(self, entry: Route, who: str, *, csrf: str | None = None, **headers: str) -> int:
        wanted = (who == "anonymous while public", who == "anonymous at the public page")
        web = self.world.parts.settings.published.value.web
        if (web.public_pictures, web.public_page) != wanted:  # only so many revisions are kept
            self.world.set_public(wanted[0], page=wanted[1])
        caller = self.caller(who)
        caller.csrf = caller.csrf if csrf is None else csrf
        number = next(self.tries)
        caller.address = f"10.0.{number // 250}.{number % 250}"  # nobody's pause is another's
        target = self.target(entry)
        if entry.method == "GET":
            return caller.get(target, **headers).status
        if entry.style in {Style.API, Style.V1}:
            headers = {"x_csrf_token": caller.csrf, **headers} if caller.csrf else headers
            return caller.call(entry.method, target, b"", headers, "application/json").status
        return caller.post(target, {"name": f"guest{number}"}, **headers).status

    def target(self, entry: Route) -> str:
        latest = self.world.latest.value
        night = latest.night.text if latest else "2026-01-31"
        names = {
            "/static/": "logo.svg",
            "/media/nights/": "keogram.jpg",
            "/public/nights/": "keogram.jpg",
            "/nights/": "mean.svg",
            "/help/": "live",
            "/sensors/": "load.svg",
        }
        name = next((value for start, value in names.items() if entry.path.startswith(start)), "1.jpg")
        number = "1" if entry.path.startswith(("/frames/", "/settings/revisions/")) else "999"
        return (
            entry.path.replace("<night>", night)
            .replace("<name>", name)
            .replace("<number>", number)
            .replace("<target>", "nothing1")
            .replace("<kind>", "frame")
            .replace("<peer>", self.peer)
            .replace("<sha256>", "0" * 64)
        )


@pytest.fixture
def cast(world: World) -> Cast:
    world.claim()
    night = fill(world)[0].night
    world.parts.products.write(night, "keogram.jpg", b"a picture")
    return Cast(world)


def row(cast: Cast, entry: Route) -> tuple[int, ...]:
    statuses = [cast.status(entry, who) for who in VISITORS]
    statuses.append(cast.status(entry, "admin", csrf="x" * 43))
    statuses.append(cast.status(entry, "admin", origin="https://evil.example", sec_fetch_site="cross-site"))
    return tuple(statuses)


def test_every_route_answers_every_visitor_as_the_table_says(cast: Cast) -> None:
    found = {f"{entry.method} {entry.path}": row(cast, entry) for entry in table()}
    assert found == EXPECTED


def test_the_public_page_opens_exactly_itself_its_media_and_the_feeds(cast: Cast) -> None:
    found = {f"{entry.method} {entry.path}": cast.status(entry, "anonymous at the public page") for entry in table()}
    assert {name: status for name, status in found.items() if status != EXPECTED[name][0]} == {
        "GET /feed.atom": 200,
        "GET /feed.json": 200,
        "GET /latest-small.jpg": 200,
        "GET /latest.jpg": 200,
        "GET /public": 200,
        "GET /public/nights/<night>/<name>": 200,
    }


def test_before_the_claim_only_the_claim_page_its_files_and_the_health_answer(world: World) -> None:
    panel = Panel(world.parts)
    cast = Cast.__new__(Cast)
    cast.world = world
    cast.peer = "hilltop1"
    found = {}
    for entry in table():
        caller = Caller(panel)
        target = cast.target(entry)
        found[f"{entry.method} {entry.path}"] = caller.call(entry.method, target, b"", {}).status
    open_ones = {name: status for name, status in found.items() if status not in (303, 403)}
    assert open_ones == {"GET /claim": 200, "GET /claim/backup": 200, "GET /healthz": 200, "GET /static/<name>": 200}
    assert {status for name, status in found.items() if not name.startswith("GET")} == {403}


def test_a_route_without_declared_access_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        route("GET", "/hole")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("method", "path", "access", "error"),
    [("GET", "/hole", None, TypeError), ("DELETE", "/hole", Access.ADMIN, ValueError), ("GET", "/", Access.ADMIN, ValueError)],
)
def test_a_wrong_declaration_is_an_error_at_import(method: str, path: str, access: Access, error: type[Exception]) -> None:
    with pytest.raises(error):
        route(method, path, access=access)


def test_a_route_changes_things_only_with_post_or_put_and_never_for_everybody(cast: Cast) -> None:
    changing = {f"{entry.method} {entry.path}" for entry in table() if entry.method != "GET" and entry.access < Access.STAFF}
    claiming = {"open", "restore", "stick/look", "stick/open"}
    assert changing == {"POST /claim", "POST /login", "POST /claim/backup", *(f"POST /claim/backup/{one}" for one in claiming)}


def test_no_token_opens_accounts_tokens_sessions_or_the_audit_log() -> None:
    closed = {"accounts", "tokens", "sessions", "me", "audit", "certificate", "login", "logout", "claim", "backup"}
    assert not [entry for entry in table() if entry.scope is not None and entry.path.split("/")[1] in closed]


def test_an_unknown_address_and_an_unknown_method_are_told_in_words(cast: Cast) -> None:
    caller = cast.caller("admin")
    assert "There is nothing here" in caller.get("/nothing").text
    assert caller.get("/api/v1/nothing").header("content-type") == "application/problem+json"
    reply = caller.post("/nights")
    assert (reply.status, reply.header("allow")) == (405, "GET")


def test_a_fault_in_a_page_shows_nothing_of_itself(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr(cast.world.parts.board, "_workers", fail)
    reply = cast.caller("admin").get("/system")
    assert reply.status == 500
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
