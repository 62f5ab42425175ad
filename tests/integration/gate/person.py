"""Somebody at the panel of a running program: an account with its own session, or nobody in particular."""

import copy
import json
import re
from typing import Any

from tests.integration.process.appliance import NAME, PASSWORD, Answer, Appliance

STAFF, STAFF_PASSWORD = "bob", "a-cloudy-summer-day"
FORM = "application/x-www-form-urlencoded"


class Person:
    """Asks as one person; several can use the same program beside one another."""

    def __init__(self, appliance: Appliance, name: str = "", password: str = "") -> None:
        self.client = copy.copy(appliance)  # the process is shared, the cookie is not
        self.client.cookie = ""
        if name:
            self.login(name, password)

    @property
    def cookie(self) -> str:
        """The session cookie as it is sent, empty without a session."""
        return self.client.cookie

    @property
    def origin(self) -> str:
        """What a browser on a page of the panel names as the origin."""
        return f"https://127.0.0.1:{self.client.port}"

    def login(self, name: str, password: str, second: str = "") -> Answer:
        """Log in, and keep the session if there is one."""
        self.client.cookie = ""
        answer = self.client.post("/login", name=name, password=password, second=second)
        found = re.search(r"(__Host-nightjar=[^;]+)", "\n".join(answer.cookies))
        self.client.cookie = found[1] if found else ""
        return answer

    def csrf(self) -> str:
        """Return the token that forms of this session carry."""
        found = re.search(rb'name="csrf"\s+value="([^"]+)"', self.get("/me").body)
        assert found, "no form on /me"
        return found[1].decode()

    def get(self, path: str, **headers: str) -> Answer:
        return self.client.get(path, **headers)

    def post(self, path: str, **fields: str) -> Answer:
        return self.client.post(path, **fields)

    def send(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Send a request with exactly these headers and this person's cookie."""
        return self.client.request(method, path, body, **(headers or {}))

    def is_in(self) -> bool:
        """Whether the session is still good."""
        return self.get("/me").status == 200

    def number_of(self, name: str) -> int:
        """Return the id of somebody else's account from the page of accounts; for admins."""
        page = self.get("/accounts").body.decode()
        found = re.search(rf"<summary>Change {re.escape(name)}</summary>.*?/accounts/(\d+)/", page, re.DOTALL)
        assert found, f"no account {name} in {page}"
        return int(found[1])

    def make_token(self, name: str, scope: str, days: int = 7) -> str:
        """Make an API token and return its text; for admins."""
        page = self.post("/tokens/create", name=name, scope=scope, days=str(days))
        found = re.search(rb'id="token-text">([^<]+)<', page.body)
        assert found, page.body
        return found[1].decode()

    def settings(self) -> dict[str, Any]:
        """Return the settings as the API tells them."""
        tree: dict[str, Any] = self.get("/api/v1/settings").json()
        return tree

    def audit(self) -> list[dict[str, Any]]:
        """Return every entry of the audit log, oldest first; for admins."""
        return [json.loads(line) for line in self.get("/audit/export").body.splitlines()]


def admin_of(appliance: Appliance) -> Person:
    """Return the admin who claimed a program, with a session of their own."""
    return Person(appliance, NAME, PASSWORD)


def bearer(token: str) -> dict[str, str]:
    """Return the header that an API token travels in."""
    return {"Authorization": f"Bearer {token}"}
