"""What an admin does with targets: each act is done and then written into the audit log."""

import base64
import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import Any

from appliance.domain.errors import InputError, SettingsError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.security.bound import seal_for
from appliance.security.trusted import read_certificate
from appliance.settings.fields import target_from_form
from appliance.settings.parse import parse
from appliance.settings.targetparts import Checked
from appliance.settings.targets import KINDS, SftpTarget, Target, credential_name
from appliance.web.answers import NotFoundError
from appliance.web.visit import Visit

LONGEST_SECRET = 16_000
_LETTERS = string.ascii_lowercase + string.digits


def target_of(visit: Visit, target_id: str) -> Target:
    """Return a target; NotFoundError where there is none of that id."""
    for target in visit.settings.targets:
        if target.id == target_id:
            return target
    raise NotFoundError("There is no such target; it may have been removed.")


def secrets_set(visit: Visit, target: Target) -> frozenset[str]:
    """Return the names of the credentials that are stored for a target."""
    stored = visit.parts.credentials.names()
    return frozenset(field.name for field in target.secrets if credential_name(target.id, field.name) in stored)


def save(visit: Visit, kind: str, target_id: str) -> Target:
    """Make or change a target as a form says, with its credentials.

    Raises
    ------
    InputError, SettingsError
        Nothing is changed then.
    """
    if kind not in KINDS:
        raise InputError("Choose one of the kinds of target.")
    old = target_of(visit, target_id) if target_id else None
    if old is not None and old.kind != kind:
        raise InputError("A target keeps its kind. Remove it and add another one.")
    base: Mapping[str, Any] = old.model_dump(mode="json") if old else {}
    new = target_from_form(visit.form, kind, target_id or _new_id(), base)
    wanted = {field.name: visit.form.get(f"secret-{field.name}", "") for field in new.secrets}
    if isinstance(new, Checked) and new.certificate:
        read_certificate(new.certificate)
    if any(len(text) > LONGEST_SECRET or (not text.isprintable() and "\n" not in text) for text in wanted.values()):
        raise InputError("A credential holds signs that do not belong there, or is too long.")
    _put(visit, new)
    for name, text in wanted.items():
        if text:
            secret = Secret(text.replace("\r\n", "\n"))
            visit.parts.credentials.set(credential_name(new.id, name), seal_for(visit.parts.vault(), new.place, secret))
        elif visit.form.get(f"clear-{name}"):
            visit.parts.credentials.clear(credential_name(new.id, name))
    entered = [name for name, text in wanted.items() if text]
    what = f"{new.title} ({new.id}): {new.place}; credentials entered: {', '.join(entered) or 'none'}"
    visit.note("target changed" if old else "target added", what)
    visit.parts.couriers.forget_check(new.id)
    visit.parts.couriers.retry(new.id)
    return new


def switch(visit: Visit, target_id: str, *, is_on: bool) -> None:
    """Let a target be served, or not."""
    target = target_of(visit, target_id)
    _put(visit, target.model_copy(update={"is_on": is_on}))
    visit.note("target resumed" if is_on else "target paused", f"{target.title} ({target.id})")


def remove(visit: Visit, target_id: str) -> None:
    """Forget a target, its queue and its credentials."""
    target = target_of(visit, target_id)
    settings = visit.settings
    others = tuple(one for one in settings.targets if one.id != target_id)
    visit.parts.settings.save(settings.model_copy(update={"targets": others}), visit.visitor.name)
    for field in target.secrets:
        visit.parts.credentials.clear(credential_name(target.id, field.name))
    visit.parts.queue.keep_only(one.id for one in others)
    visit.note("target removed", f"{target.title} ({target.id}): {target.place}")


def retry(visit: Visit, target_id: str) -> None:
    """Try everything that waits or was refused again, at once."""
    target = target_of(visit, target_id)
    count = visit.parts.queue.retry(target.id)
    visit.parts.couriers.retry(target.id)
    visit.note("target retried", f"{target.title} ({target.id}): {count} uploads had failed")


def clear(visit: Visit, target_id: str) -> None:
    """Drop everything that waits for a target."""
    target = target_of(visit, target_id)
    count = visit.parts.queue.clear(target.id)
    visit.note("target's queue cleared", f"{target.title} ({target.id}): {count} uploads")


def check(visit: Visit, target_id: str) -> None:
    """Have a target tested."""
    target = target_of(visit, target_id)
    visit.parts.couriers.check(target.id)
    visit.note("target tested", f"{target.title} ({target.id})")


def trust(visit: Visit, target_id: str) -> None:
    """Trust the key or certificate that the last test has shown, if it is the one that the person has seen."""
    target = target_of(visit, target_id)
    checked = visit.parts.couriers.checked(target.id)
    if checked is None or not checked.shown or checked.shown != visit.form.get("shown", "").replace("\r\n", "\n"):
        raise InputError("What the other side showed is not known any more. Test the target again.")
    if checked.fault is Fault.KEY and isinstance(target, SftpTarget):
        changed: Target = target.model_copy(update={"host_key": checked.shown})
    elif checked.fault is Fault.CERTIFICATE and isinstance(target, Checked):
        read_certificate(checked.shown)
        changed = target.model_copy(update={"certificate": checked.shown})
    else:
        raise InputError("There is nothing to trust here. Test the target again.")
    _put(visit, changed)
    visit.note("target trusted", f"{target.title} ({target.id}): another {checked.fault}")
    visit.parts.couriers.check(target.id)


def fingerprint_of(host_key: str) -> str:
    """Return what `ssh-keygen -l` shows of a host key, for a person to compare; empty where the line is none."""
    try:
        blob = base64.b64decode(host_key.split()[1], validate=True)
    except (IndexError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _put(visit: Visit, target: Target) -> None:
    """Save the settings with a target in its place, or behind the others."""
    settings = visit.settings
    is_there = any(one.id == target.id for one in settings.targets)
    changed = tuple(target if one.id == target.id else one for one in settings.targets)
    wanted = settings.model_copy(update={"targets": changed if is_there else (*changed, target)})
    if wanted == settings:
        return
    try:
        checked = parse(wanted.model_dump(mode="json"))
    except SettingsError as error:
        raise InputError(str(error)) from error
    visit.parts.settings.save(checked, visit.visitor.name)


def _new_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(8))
