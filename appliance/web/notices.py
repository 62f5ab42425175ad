"""Short good news after a form: the address carries a key of this table, so nothing that others write is ever shown."""

from collections.abc import Mapping

NOTICES: Mapping[str, str] = {
    "claimed": "The appliance is yours. Log in with the name and password that you chose.",
    "logged-out": "You are logged out.",
    "saved": "Saved. The next frame is made with these settings.",
    "unchanged": "Nothing was changed.",
    "restored": "The former settings are in force again.",
    "paused": "Capture pauses once the exposure under way has ended.",
    "resumed": "Capture goes on.",
    "reconnecting": "The camera is looked for anew.",
    "driver": "The driver is chosen. It takes some seconds until a camera is found.",
    "account-created": "The account is there.",
    "account-changed": "The account is changed.",
    "account-deleted": "The account is gone, with its sessions and tokens.",
    "password-changed": "Your password is changed. Every other session of yours has ended.",
    "password-reset": "The password is set. All sessions of that account have ended.",
    "session-revoked": "The session has ended.",
    "totp-cleared": "The second factor is off.",
    "token-revoked": "The token is of no use any more.",
    "back": "The machine has started anew.",
    "time-set": "The time is set.",
    "network-time-on": "Network time is on.",
    "network-time-off": "Network time is off.",
    "zone-set": "The time zone is set.",
    "named": "The machine has its new name. The network learns it within a minute.",
    "network-looking": "It listens for networks. The list is up to date in some seconds.",
    "network-forgotten": "The connection is being forgotten.",
    "network-closed": "The machine's own Wi-Fi network is being closed.",
    "network-country": "The country is being set.",
    "network-kept": "The change is kept.",
    "network-undone": "The change is being undone.",
    "stick-used": "The stick fills itself from now on, whenever it is plugged in.",
    "stick-forgotten": "The stick is forgotten. What lies on it stays there.",
    "stick-let-go": "The stick is let go. Wait until the page says that it is safe to remove.",
    "export-ordered": "The export is ordered.",
    "job-stopped": "The export ends. What is copied already stays on the stick.",
    "target-saved": "Saved. Test it, to see whether it can be used.",
    "target-pause": "The target is paused. What is new waits.",
    "target-resume": "The target is served again.",
    "target-retry": "It is tried at once.",
    "target-clear": "The queue is empty.",
    "target-trust": "It is trusted from now on, and the test runs again.",
    "target-remove": "The target is gone, with its queue and its credentials.",
    "peer-limits": "The limits are changed.",
    "peer-revoked": "It is shut out. What came from it is kept.",
    "peer-removed": "It is shut out, and what came from it is gone.",
    "backup-ordered": "The backup is made and goes to the stick. The page USB sticks shows when it is there and safe to remove.",
    "backup-restored": "The backup is in force. Log in with an account of the backup.",
    "certificate-imported": "The certificate is served from now on, for its own names.",
    "certificate-removed": "The imported certificate is gone; the device's own serves for all names.",
}


def notice(query: Mapping[str, str]) -> str:
    """Return the notice that a query asks for, or nothing."""
    return NOTICES.get(query.get("done", ""), "")
