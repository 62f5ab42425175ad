"""A whole appliance as a process of its own, and a client that trusts its authority: what the tests of the process share."""

import http.client
import json
import os
import queue
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[3]
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
NAME, PASSWORD = "ada", "a-long-winter-night"


class Appliance:
    """`python -m appliance run`, started and stopped by a test."""

    def __init__(
        self,
        data: Path,
        *,
        camera: str = "ccd",
        faults: Path | None = None,
        clock: str | None = None,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.data, self.log = data, log or data.parent / "log.txt"
        program = ["-m", "appliance"] if faults is None else [str(Path(__file__).with_name("faulty.py")), str(faults)]
        self._command = [
            sys.executable, "-P", *program, "run", "--development",
            "--data", str(data), "--port", str(port), "--camera", camera,
        ]  # fmt: skip
        self._environment = {**os.environ, **({"NIGHTJAR_CLOCK": clock} if clock else {})}
        self._lines: queue.Queue[str] = queue.Queue()
        self.cookie = ""
        self.csrf = ""
        self.port = 0
        self.setup_code: str | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it says where the panel is."""
        log = self.log.open("ab")
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
        )
        log.close()
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self.process, self._lines), daemon=True)
        self._reader.start()
        self.port = int(self._line(r"panel: https://127\.0\.0\.1:(\d+)"))

    @property
    def origin(self) -> str:
        """Where its pages come from, as a browser says it."""
        return f"https://127.0.0.1:{self.port}"

    def claim(self) -> None:
        """Claim the device with the code it printed, and log in."""
        answer = self.post("/claim", code=self.read_setup_code(), name=NAME, password=PASSWORD, again=PASSWORD)
        assert answer.status == 303, answer.body
        self.login()

    def read_setup_code(self) -> str:
        """Return the code that an unclaimed device prints."""
        self.setup_code = self._line(r"setup code: ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})")
        return self.setup_code

    def login(self, name: str = NAME, password: str = PASSWORD) -> None:
        """Log in, if nothing else is said with the account that `claim` made."""
        self.cookie = ""
        answer = self.post("/login", name=name, password=password)
        assert answer.status == 303, answer.body
        found = re.search(r"(__Host-nightjar=[^;]+)", "\n".join(answer.cookies))
        assert found, answer.cookies
        self.cookie = found[1]

    def upload(self, path: str, file: bytes, csrf: str, **fields: str) -> "Answer":
        """Send a form with a file as a browser does, with this client's cookie."""
        body = b""
        for name, value in {"csrf": csrf, **fields}.items():
            body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        body += f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + file
        body += f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return self.request("POST", path, body, Origin=self.origin, **{"Content-Type": kind})

    def get(self, path: str, **headers: str) -> "Answer":
        """Ask for a page."""
        return self.request("GET", path, None, **headers)

    def post(self, path: str, **fields: str) -> "Answer":
        """Send a form as a browser does: with the token and the cookies that the form's page came with."""
        page_path = path if path in {"/claim", "/login"} else "/me"
        page = self.get(page_path)
        token = re.search(rb'name="csrf"\s+value="([^"]+)"', page.body)
        assert token, f"{page_path}: {page.status}: no form in {page.body[:2000]!r}"
        cookies = "; ".join(filter(None, [self.cookie, *(cookie.split(";")[0] for cookie in page.cookies)]))
        return self.request(
            "POST",
            path,
            urlencode({"csrf": token[1].decode(), **fields}).encode(),
            Cookie=cookies,
            Origin=self.origin,
            **{"Content-Type": "application/x-www-form-urlencoded"},
        )

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> "Answer":
        """Make one request over a connection that trusts the device's own authority and nothing else."""
        context = ssl.create_default_context(cafile=str(self.data / "tls" / "ca.pem"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
        try:
            connection.request(method, path, body, {**({"Cookie": self.cookie} if self.cookie else {}), **headers})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.headers.get_all("Set-Cookie") or [], answer.read())
        finally:
            connection.close()

    def answers(self) -> bool:
        """Return whether the panel answers at all."""
        try:
            return self.get("/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def frames(self) -> int:
        """Return how many frames the system page counts as stored."""
        return int(self.get("/api/v1/system").json()["frames"])

    def latest_id(self) -> int:
        """Return the id of the latest frame, 0 where there is none."""
        frame = self.get("/api/v1/latest").json()["frame"]
        return int(frame["id"]) if frame else 0

    def wait_for_new_frame(self, within_s: float = 120.0) -> None:
        """Wait until a frame stands in the panel that was not there before."""
        before = self.latest_id()
        wait_until(lambda: self.latest_id() not in {0, before}, within_s, "a new frame")

    def worker(self, name: str) -> dict[str, Any]:
        """Return what the system page tells of a worker."""
        workers: list[dict[str, Any]] = self.get("/api/v1/system").json()["workers"]
        return next(worker for worker in workers if worker["name"] == name)

    def set(self, section: str, **values: str) -> "Answer":
        """Change settings of one section through the API, with the session's token."""
        settings = self.get("/api/v1/settings").json()
        settings[section].update({name: json.loads(value) for name, value in values.items()})
        answer = self.put("/api/v1/settings", settings)
        assert answer.status == 200, answer.body
        return answer

    def put(self, path: str, value: object) -> "Answer":
        """Replace something through the API, with the session's token."""
        return self.send("PUT", path, json.dumps(value).encode(), "application/json")

    def send(self, method: str, path: str, body: bytes, kind: str) -> "Answer":
        """Send something to the API, with the session's token."""
        token = re.search(rb'name="csrf"\s+value="([^"]+)"', self.get("/me").body)
        assert token
        headers = {"Content-Type": kind, "X-CSRF-Token": token[1].decode(), "Origin": self.origin}
        return self.request(method, path, body, **headers)

    def kill(self) -> None:
        """Pull the plug."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Stop it as Ctrl-C does and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(10)

    def children(self, name: str) -> list[int]:
        """Return the process ids of descendants whose command line holds `name`."""
        found, todo = [], [self.process.pid]
        while todo:
            parent = todo.pop()
            for child in children_of(parent):
                todo.append(child)
                if name in Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                    found.append(child)
        return found

    def _line(self, pattern: str) -> str:
        while True:
            line = self._lines.get(timeout=60)
            found = re.fullmatch(pattern, line)
            if found:
                return found[1]
            assert line, f"ended with {self.process.wait()}; see {self.log}"

    @staticmethod
    def _read(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                lines.put(line.rstrip("\n"))
        lines.put("")


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], cookies: list[str], body: bytes) -> None:
        self.status, self.headers, self.cookies, self.body = status, headers, cookies, body

    def json(self) -> Any:  # noqa: ANN401 - JSON is any value
        """Return the body as JSON."""
        return json.loads(self.body)


def children_of(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [int(word) for word in task.read_text().split()]
    return found


def wait_until(is_so: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
        time.sleep(0.25)
