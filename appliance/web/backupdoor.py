"""Who may bring a file that is larger than a form, by the head alone.

An admin's session, or a browser that has shown the setup code of an appliance that nobody has claimed.
"""

from appliance.domain.access import Role
from appliance.web.backups import AT_THE_CLAIM, LARGEST_UPLOAD, BackupKeeper
from appliance.web.door import AskLeave, Leave
from appliance.web.guard import FORM_COOKIE, SESSION_COOKIE
from appliance.web.head import HeadError, RequestHead
from appliance.web.login import Gate

PATHS = ("/backup/open", "/claim/backup/open")
"""Where such files go."""


def leave_for(gate: Gate, backups: BackupKeeper) -> AskLeave:
    """Return what the door asks at those paths."""

    def ask(head: RequestHead, _address: str) -> Leave:
        cookies = _cookies(head.header("cookie"))
        if head.method == "POST" and gate.is_claimed:
            session = gate.session_of(cookies.get(SESSION_COOKIE, ""))
            if session is not None and session.account.role is Role.ADMIN:
                return Leave(LARGEST_UPLOAD, f"session {session.id}")
        elif head.method == "POST" and backups.is_admitted(cookies.get(FORM_COOKIE, "")):
            return Leave(LARGEST_UPLOAD, AT_THE_CLAIM)
        raise HeadError(403, "this file is too large for a request that is not let in; log in first")

    return ask


def _cookies(header: str) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    return {name: value for name, _, value in pairs}
