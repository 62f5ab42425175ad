"""What somebody tries who means harm, against the whole program over its own TLS."""

import json
import socket
import ssl
import time
from urllib.parse import quote, urlencode

import pytest

from appliance.web.headers import EVERYWHERE
from tests.integration.gate.person import FORM, STAFF, STAFF_PASSWORD, Person, admin_of, bearer
from tests.integration.process.appliance import NAME, PASSWORD, Appliance
from tests.integration.web.client import Answer as RawAnswer
from tests.integration.web.client import Client, trusting_nothing

pytestmark = pytest.mark.needs("indiserver")

EVIL = "evil.example"


def raw(appliance: Appliance, data: bytes, *, timeout: float = 30.0) -> bytes:
    """Send bytes as they are and return everything that comes back until the connection ends or is quiet."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", appliance.port), timeout=timeout) as plain,
        trusting_nothing().wrap_socket(plain) as secure,
    ):
        secure.sendall(data)
        try:
            while piece := secure.recv(1 << 16):
                answer += piece
        except (ConnectionError, ssl.SSLError):  # cut off: what came before counts
            pass
    return answer


def head(appliance: Appliance, line: str, *headers: str, host: str | None = None) -> bytes:
    """Return a request head that asks for the connection's end."""
    lines = [line, f"Host: {host or f'127.0.0.1:{appliance.port}'}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# --- paths ---------------------------------------------------------------------------------------------------------

CLIMBS = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "..;/", ".%00./", "%c0%ae%c0%ae/", "....//")
PLACES = (
    "/static/", "/media/frames/", "/media/thumbs/", "/media/nights/2026-01-31/", "/media/nights/", "/nights/",
    "/nights/2026-01-31/charts/", "/help/", "/frames/", "/settings/revisions/", "/",
)  # fmt: skip
WANTED = ("etc/passwd", "keys/vault.key", "nightjar.db", "nightjar.db%00.jpg", "tls/ca-key.pem")


@pytest.mark.parametrize("place", PLACES)
def test_no_path_leads_to_a_file_that_is_not_offered(appliance: Appliance, place: str) -> None:
    cookie = f"Cookie: {admin_of(appliance).cookie}"
    signs = [b"root:", b"PRIVATE KEY", b"SQLite format", (appliance.data / "keys" / "vault.key").read_bytes().strip()]
    for climb in CLIMBS:
        for wanted in WANTED:
            target = f"{place}{climb * 4}{wanted}"
            answer = raw(appliance, head(appliance, f"GET {target} HTTP/1.1", cookie))
            assert status(answer) in (400, 404), (target, answer[:300])
            assert not [sign for sign in signs if sign in answer], target


@pytest.mark.parametrize(
    "target", ["//etc/passwd", "/static//etc/passwd", "/static/logo.svg%00", "/static/logo.svg/", "/latest.jpg%0a"]
)
def test_an_address_that_is_nearly_ours_is_not(appliance: Appliance, target: str) -> None:
    assert status(raw(appliance, head(appliance, f"GET {target} HTTP/1.1"))) in (400, 404)


# --- headers and redirects -----------------------------------------------------------------------------------------

INJECTION = "/me\r\nSet-Cookie: __Host-nightjar=evil\r\nX-Evil: 1"


@pytest.mark.parametrize("path", ["/login?next=", "/accounts?done=", "/nights?x=", "/frames/1?next=", "/me?"])
def test_a_line_break_in_an_address_makes_no_header(appliance: Appliance, path: str) -> None:
    for person in (Person(appliance), admin_of(appliance)):
        answer = person.get(path + quote(INJECTION, safe=""))
        assert "X-Evil" not in answer.headers
        assert not [cookie for cookie in answer.cookies if "evil" in cookie]


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "\\\\evil.example", "javascript:alert(1)",
     "https:evil.example", "/%0d%0aLocation:%20https://evil.example", INJECTION, "@evil.example", ".evil.example"],
)  # fmt: skip
def test_after_the_login_nobody_is_sent_elsewhere(appliance: Appliance, target: str) -> None:
    person = Person(appliance)
    answer = person.client.post("/login", name=NAME, password=PASSWORD, second="", next=target)
    assert answer.status == 303
    location = answer.headers["Location"]
    assert location == "/" or (location == target and location.startswith("/%0d")), location
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    "host", [EVIL, f"{EVIL}:443", f"127.0.0.1.{EVIL}", "127.0.0.1@evil.example", "127.0.0.2", "nightjar.local.evil.example"]
)
def test_a_foreign_host_is_refused_and_nothing_is_built_from_it(appliance: Appliance, host: str) -> None:
    answer = raw(appliance, head(appliance, "GET /login HTTP/1.1", host=host))
    assert status(answer) in (400, 421)
    assert host.encode() not in answer


@pytest.mark.parametrize(
    "name", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X_Forwarded_Host"]
)
def test_headers_of_proxies_change_nothing(appliance: Appliance, name: str) -> None:
    value = f"host={EVIL}" if name == "Forwarded" else "/settings" if "URL" in name else EVIL
    answer = Person(appliance).get("/accounts?x=1", **{name: value})
    assert answer.status == 303
    assert answer.headers["Location"] == "/login?next=/accounts%3Fx%3D1"
    assert EVIL not in repr(answer.headers)


@pytest.mark.parametrize(
    "twice", ["Host: 127.0.0.1", "Content-Length: 0", "Content-Length: 5", "Authorization: Bearer x", "Origin: null"]
)
def test_a_header_that_must_be_single_is_refused_twice(appliance: Appliance, twice: str) -> None:
    first = () if twice.startswith("Host") else (twice if "5" not in twice else "Content-Length: 0",)
    assert status(raw(appliance, head(appliance, "GET / HTTP/1.1", *first, twice))) == 400


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n\r\n\r\n", 400),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX\x00: 1\r\n\r\n", 400),
    ],
    ids=["bare line feeds", "absolute", "connect", "chunked", "two lengths", "64 KiB and one", "long head", "many headers",
         "long address", "version", "folded", "zero byte"],
)  # fmt: skip
def test_what_is_malformed_or_too_large_is_refused_in_full_dress(appliance: Appliance, data: bytes, expected: int) -> None:
    answer = raw(appliance, data)
    assert status(answer) == expected
    assert dressed(answer) == []


def dressed(answer: bytes) -> list[str]:
    """Return the security headers that an answer lacks."""
    lines = answer.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
    lacks = [name for name, _ in EVERYWHERE if not headers.get(name.lower())]
    lacks += [name for name in ("strict-transport-security", "cache-control") if not headers.get(name)]
    if not headers.get("strict-transport-security", "max-age=86400").startswith("max-age=86400"):
        lacks.append("a short strict-transport-security")
    return lacks


def test_every_kind_of_answer_carries_every_security_header(appliance: Appliance) -> None:
    cookie = f"Cookie: {admin_of(appliance).cookie}"
    etag = raw(appliance, head(appliance, "GET /static/logo.svg HTTP/1.1")).lower().split(b"etag: ")[1].split(b"\r\n")[0].decode()
    asked = {
        200: ("GET / HTTP/1.1", cookie),
        303: ("GET / HTTP/1.1",),
        304: ("GET /static/logo.svg HTTP/1.1", f"If-None-Match: {etag}"),
        206: ("GET /latest.jpg HTTP/1.1", "Range: bytes=0-9", cookie),
        416: ("GET /latest.jpg HTTP/1.1", "Range: bytes=999999999-", cookie),
        400: ("GET /nights?page=x HTTP/1.1", cookie),
        401: ("GET /api/v1/system HTTP/1.1",),
        403: ("POST /system/pause HTTP/1.1", cookie, "Content-Length: 0"),
        404: ("GET /nothing HTTP/1.1", cookie),
        405: ("PUT / HTTP/1.1", cookie, "Content-Length: 0"),
        413: ("POST /login HTTP/1.1", "Content-Length: 70000"),
        417: ("POST /login HTTP/1.1", "Content-Length: 1", "Expect: a miracle"),
    }
    found = {}
    for expected, (line, *headers) in asked.items():
        answer = raw(appliance, head(appliance, line, *headers))
        assert status(answer) == expected, (line, answer[:300])
        found[expected] = dressed(answer)
    assert found == {one: [] for one in asked}


# --- methods and bodies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND", "DEBUG"])
@pytest.mark.parametrize("path", ["/", "/settings", "/login", "/api/v1/system"])
def test_other_methods_are_not_taken_and_echo_nothing(appliance: Appliance, method: str, path: str) -> None:
    answer = raw(
        appliance, head(appliance, f"{method} {path} HTTP/1.1", f"Cookie: {admin_of(appliance).cookie}", "X-Echo: canary")
    )
    assert status(answer) == 405
    assert b"canary" not in answer


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_makes_a_get_into_a_post(appliance: Appliance, name: str) -> None:
    admin = admin_of(appliance)
    before = len(admin.audit())
    assert admin.get("/system/pause?_method=POST", **{name: "POST"}).status == 405
    assert len(admin.audit()) == before


def put_settings(person: Person, body: bytes, **headers: str) -> int:
    kind = {"Content-Type": "application/json", "X-CSRF-Token": person.csrf(), "Origin": person.origin}
    return person.send("PUT", "/api/v1/settings", body, {**kind, **headers}).status


@pytest.mark.parametrize(
    "body",
    [b'{"site": {"latitude_deg": NaN}}', b'{"site": {"latitude_deg": Infinity}}', b'{"site": {"latitude_deg": 1e999}}',
     b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b"1" * 60_000, b"\xff\xfe{}", b"null", b"[]",
     b'"x"', b'{"__proto__": {}}', b'{"site": {"name": "\\ud800"}}', b'{"site": {"name": "' + b"x" * 60_000 + b'"}}', b""],
)  # fmt: skip
def test_strange_json_is_refused_and_changes_nothing(appliance: Appliance, body: bytes) -> None:
    admin = admin_of(appliance)
    before = admin.settings()
    assert put_settings(admin, body) in (400, 422)
    assert admin.settings() == before


def test_too_many_fields_a_field_twice_and_a_long_name_are_refused(appliance: Appliance) -> None:
    admin = admin_of(appliance)
    pairs: list[list[tuple[str, str]]] = [
        [(f"f{number}", "1") for number in range(300)],
        [("name", "a"), ("name", "b")],
        [("n" * 200, "1")],
    ]
    for fields in pairs:
        body = urlencode([("csrf", admin.csrf()), *fields]).encode()
        answer = admin.send("POST", "/accounts/create", body, {"Content-Type": FORM, "Origin": admin.origin})
        assert answer.status == 400, fields[:2]


def test_a_slow_body_ends_by_itself_and_delays_nobody(appliance: Appliance) -> None:
    with Client(appliance.port, timeout=60.0) as slow:
        slow.send(head(appliance, "POST /login HTTP/1.1", "Content-Length: 1000") + b"n")
        began = time.monotonic()
        assert Person(appliance).get("/healthz").status == 200
        answer: RawAnswer = slow.answer()
        assert answer.status == 408
        assert time.monotonic() - began < 45.0


# --- forged requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", "", FORM])
def test_no_kind_of_content_gets_around_the_token(appliance: Appliance, kind: str) -> None:
    admin = admin_of(appliance)
    before = len(admin.audit())
    body = json.dumps(admin.settings()).encode()
    for path, method in (("/api/v1/settings", "PUT"), ("/api/v1/camera/pause", "POST"), ("/system/pause", "POST")):
        for origin in ({}, {"Origin": admin.origin}):
            assert admin.send(method, path, body, {**({"Content-Type": kind} if kind else {}), **origin}).status in (400, 403)
    assert len(admin.audit()) == before


def test_a_token_with_a_cookie_beside_it_needs_the_csrf_token(appliance: Appliance) -> None:
    admin = admin_of(appliance)
    token = admin.make_token("both", "write")
    both = {**bearer(token), "Content-Type": "application/json"}
    body = json.dumps(admin.settings()).encode()
    assert admin.send("PUT", "/api/v1/settings", body, both).status == 403
    assert Person(appliance).send("PUT", "/api/v1/settings", body, {**both, "Cookie": "a=b"}).status in (401, 403)
    assert Person(appliance).send("PUT", "/api/v1/settings", body, both).status == 200


def test_a_scope_is_a_bound(appliance: Appliance) -> None:
    admin, program = admin_of(appliance), Person(appliance)
    body = json.dumps(admin.settings()).encode()
    tokens = {
        scope: {**bearer(admin.make_token(scope, scope)), "Content-Type": "application/json"}
        for scope in ("read", "write", "admin")
    }
    put = {scope: program.send("PUT", "/api/v1/settings", body, headers).status for scope, headers in tokens.items()}
    assert put == {"read": 403, "write": 200, "admin": 200}
    made = urlencode({"name": "mallory", "password": "a-long-password", "role": "admin"}).encode()
    form = {**tokens["admin"], "Content-Type": FORM}
    assert program.send("POST", "/accounts/create", made, form).status == 403
    assert program.send("GET", "/accounts", headers=tokens["admin"]).status == 403
    assert "mallory" not in admin.get("/accounts").body.decode()


# --- sessions ------------------------------------------------------------------------------------------------------


def test_a_cookie_from_before_the_login_is_not_adopted(appliance: Appliance) -> None:
    person = Person(appliance)
    planted = "__Host-nightjar=" + "A" * 43
    person.client.cookie = planted
    answer = person.client.post("/login", name=NAME, password=PASSWORD, second="")
    assert answer.status == 303
    issued = next(cookie for cookie in answer.cookies if cookie.startswith("__Host-nightjar="))
    assert not issued.startswith(planted)
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(issued.split("; "))
    assert "Domain" not in issued
    assert person.get("/me").status == 303, "the planted one opens nothing"


def test_a_login_over_a_session_ends_that_one(appliance: Appliance) -> None:
    person = admin_of(appliance)
    form = urlencode({"csrf": person.csrf(), "name": NAME, "password": PASSWORD, "second": ""}).encode()
    assert person.send("POST", "/login", form, {"Content-Type": FORM}).status == 303
    assert not person.is_in()


def test_logout_ends_the_session_in_the_database_too(appliance: Appliance) -> None:
    person = admin_of(appliance)
    assert person.post("/logout").status == 303
    assert not person.is_in()


def test_what_an_admin_does_to_an_account_ends_its_sessions_at_once(appliance: Appliance) -> None:
    admin = admin_of(appliance)
    admin.post("/accounts/create", name="dora", password="a-first-password", role="staff")
    number = admin.number_of("dora")
    password = "a-first-password"
    for act, fields in (
        ("disable", {}), ("enable", {}), ("role", {"role": "admin"}), ("reset", {"password": "another-password"}),
        ("delete", {}),
    ):  # fmt: skip
        dora = Person(appliance, "dora", password)
        assert dora.is_in() == (act != "enable")
        assert admin.post(f"/accounts/{number}/{act}", **fields).status == 303
        password = fields.get("password", password)
        assert not dora.is_in(), act
    assert Person(appliance).login("dora", password).status in (403, 429)


def test_a_changed_password_ends_the_other_sessions_and_not_this_one(appliance: Appliance) -> None:
    here, there = (Person(appliance, STAFF, STAFF_PASSWORD) for _ in range(2))
    new = "a-windy-autumn-night"
    assert here.post("/me/password", old=STAFF_PASSWORD, new=new, again=new).status == 303
    assert here.is_in()
    assert not there.is_in()
    assert here.post("/me/password", old=new, new=STAFF_PASSWORD, again=STAFF_PASSWORD).status == 303


def test_the_last_admin_stays_and_the_device_is_claimed_once(appliance: Appliance) -> None:
    admin = admin_of(appliance)
    number = next(n for n in range(1, 20) if admin.post(f"/accounts/{n}/role", role="staff").status == 400)
    for act in ("disable", "delete"):
        assert admin.post(f"/accounts/{number}/{act}").status == 400
    assert admin.is_in()
    form = {"code": appliance.setup_code or "", "name": "mallory", "password": PASSWORD, "again": PASSWORD}
    assert Person(appliance).get("/claim").status == 303
    page = Person(appliance).get("/login")
    token = page.cookies[0].partition("=")[2].split(";")[0]
    headers = {"Content-Type": FORM, "Cookie": f"__Host-nightjar-form={token}"}
    answer = Person(appliance).send("POST", "/claim", urlencode({"csrf": token, **form}).encode(), headers)
    assert (answer.status, b"claimed already" in answer.body) == (403, True)
    assert "mallory" not in admin.get("/accounts").body.decode()
