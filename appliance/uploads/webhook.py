"""TARGET: an address that takes notices by POST, signed; in the words of a program of one's own, or of common receivers."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.health import Severity
from appliance.domain.notice import LARGEST, Notice, NoticeEvent, from_json, to_json
from appliance.domain.secret import Secret
from appliance.security.signing import sign_notice
from appliance.settings.noticetargets import WebhookFormat
from appliance.uploads.http import Https, parse_address, raise_for
from appliance.uploads.port import Progress, Sender, trial_notice

TIME, SIGNATURE = "X-Nightjar-Time", "X-Nightjar-Signature"
_GOTIFY_PRIORITY = {Severity.INFO: 2, Severity.WARNING: 5, Severity.ERROR: 8}
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class WebhookPlace:
    """Where, and in whose words."""

    address: str
    """https; its secret part may be missing."""
    format: WebhookFormat
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    path: Secret[str] | None = None
    """What follows the address."""
    key: Secret[str] | None = None
    """Signs."""
    token: Secret[str] | None = None


class WebhookTarget:
    """An address that takes notices; see `Target`."""

    def __init__(self, place: WebhookPlace, sender: Callable[[], Sender], now_s: Callable[[], float] = time.time) -> None:
        self._place, self._sender, self._now_s = place, sender, now_s
        try:
            parts = parse_address(place.address)
            whole = parse_address(place.address + (place.path.reveal().strip() if place.path else ""))
        except InputError as error:
            raise UploadError(Fault.PATH, str(error)) from error
        self._path = (whole.path or "/") + (f"?{whole.query}" if whole.query else "")
        if whole.netloc != parts.netloc or not _can_be_sent(self._path):
            raise UploadError(Fault.PATH, "The secret part does not fit behind the address: enter it again.")
        self._https = Https(parts.hostname or "", parts.port or 443, place.certificate)

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Post a notice; the connection is not kept for the next one, which may be days away."""
        try:
            notice = from_json(file.read(LARGEST))
        except InputError as error:
            raise UploadRefusedError(f"{name} is no notice.") from error
        progress(0)
        self._post(notice)
        progress(size)

    def check(self) -> None:
        """Post a notice that is a test."""
        self._post(trial_notice(self._sender(), self._now_s()))

    def close(self) -> None:
        """Hang up."""
        self._https.close()

    def _post(self, notice: Notice) -> None:
        content_type, body = body_of(notice, self._place.format)
        try:
            answer = self._https.ask("POST", self._path, self._headers(content_type, body), body)
        finally:
            self._https.close()
        raise_for(answer, "POST")

    def _headers(self, content_type: str, body: bytes) -> Mapping[str, str]:
        headers = {"Content-Type": content_type}
        if self._place.token is not None:
            token = self._place.token.reveal().strip()
            if not _can_be_sent(token):
                raise UploadError(Fault.LOGIN, "The token holds signs that cannot be sent: enter it again.")
            headers["Authorization"] = f"Bearer {token}"
        if self._place.key is not None:
            now_s = int(self._now_s())
            headers |= {TIME: str(now_s), SIGNATURE: sign_notice(self._place.key, now_s, body)}
        return headers


def body_of(notice: Notice, format_: WebhookFormat) -> tuple[str, bytes]:
    """Return the content type and the body of a notice in the words of its receiver."""
    match format_:
        case WebhookFormat.JSON:
            return _JSON, to_json(notice)
        case WebhookFormat.SLACK:
            told = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")  # else it could call everybody
            return _JSON, _encoded({"text": told})
        case WebhookFormat.DISCORD:
            return _JSON, _encoded({"content": notice.text[:2000], "allowed_mentions": {"parse": []}})
        case WebhookFormat.GOTIFY:
            is_raised = notice.event is NoticeEvent.RAISED and notice.issue is not None
            priority = _GOTIFY_PRIORITY[notice.issue.severity] if notice.issue and is_raised else _GOTIFY_PRIORITY[Severity.INFO]
            return _JSON, _encoded({"title": notice.origin.site, "message": notice.text, "priority": priority})
        case WebhookFormat.NTFY:
            return "text/plain; charset=utf-8", notice.text.encode()


def _encoded(tree: Mapping[str, object]) -> bytes:
    return json.dumps(tree, ensure_ascii=False).encode()


def _can_be_sent(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
