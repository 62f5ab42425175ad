"""SERVICE: tells whoever stands at the appliance where its panel is, how it is claimed, how its own Wi-Fi network is joined.

It writes one file that a root oneshot copies to the screen and into SETUP.TXT (`nightjar-firstboot`). A recovery file that
lay on the card is answered here, too: with a setup code for those same places. No code or key goes into a log.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, MachineError, RefusedError
from appliance.domain.network import NetworkSituation, OwnPoint
from appliance.host.ownerfiles import OwnerFiles
from appliance.security.certificate import fingerprint
from appliance.security.names import names_for
from appliance.security.qr import qr_text
from appliance.security.recovery import FILE_NAME, read_recovery_file
from appliance.store import disk
from appliance.store.files import DataFolder
from appliance.store.handover import FOR_THE_GROUP
from appliance.supervisor.channels import Published
from appliance.web.certificates import CertificateKeeper, Machine, this_machine
from appliance.web.login import Gate, GateStores, start_recovery

log = logging.getLogger(__name__)

FILE = "show.json"
ANSWERED = "recovery-answered"
"""In the data folder: the id of the last recovery file that was answered."""
LOOK_EVERY_S = 5.0
AGAIN_S = 60.0
"""Everything is left a second time after so long: systemd does not see a change while root still shows the one before."""
MOST_ADDRESSES = 6
_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Told:
    """What is told to whoever stands there."""

    urls: tuple[str, ...]
    device_id: str
    fingerprint: str
    """Empty while there is none yet."""
    setup_code: str = ""
    recovery_code: str = ""
    point: OwnPoint | None = None
    """The machine's own Wi-Fi network, while it is open."""
    note: str = ""
    """Why a recovery file was not answered."""


@dataclass(frozen=True, slots=True)
class PresenceParts:
    """What the service works with."""

    shown: Path
    """The folder in which the file is left; where it is missing there is nobody to read it."""
    handed: OwnerFiles
    gate: Gate
    stores: GateStores
    certificates: CertificateKeeper
    folder: DataFolder
    device_id: str
    clock: Clock
    situation: Published[NetworkSituation]
    look: Callable[[], Machine] = this_machine


class ScreenService:
    """Looks every few seconds whether there is something else to tell."""

    def __init__(self, parts: PresenceParts) -> None:
        self._parts = parts
        self._recovery_code = self._note = ""
        self._left = ""
        self._looked_at, self._again_at = float("-inf"), float("inf")

    def open(self) -> None:
        """Answer a recovery file, once."""
        try:
            handed = self._parts.handed.recovery()
        except MachineError as error:
            log.error("the recovery is not answered: %s", error)
            self._note = f"{FILE_NAME} could not be read. Write it again."
            return
        if handed is None:
            return
        is_answered = self._parts.folder.read(ANSWERED) == handed.id.encode()
        if is_answered and not self._parts.gate.is_recovering:
            return
        try:
            read_recovery_file(handed.text, self._parts.device_id)
        except (InputError, RefusedError) as error:
            log.warning("a recovery file was refused")
            self._note = str(error)
            return
        if not self._parts.gate.is_claimed:
            self._note = f"{FILE_NAME} was not needed: the appliance is not claimed yet."
            return
        self._recovery_code = start_recovery(self._parts.stores.recovery, self._parts.stores.audit, f"{FILE_NAME} on the card")
        self._parts.folder.write_atomic(ANSWERED, handed.id.encode())

    def step(self) -> None:
        """Leave a new file where something has changed; raises StoreError."""
        time.sleep(_WAIT_S)
        now_s = self._parts.clock.monotonic()
        if now_s - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now_s
        told = self._told()
        text = json.dumps({"setup": setup_text(told), "screen": screen_text(told)})
        is_new = text != self._left
        if not (is_new or now_s >= self._again_at) or not self._parts.shown.is_dir():
            return
        path = self._parts.shown / FILE
        disk.write_atomic(path, text.encode(), part=path.with_name(FILE + disk.PART), mode=FOR_THE_GROUP)
        self._left, self._again_at = text, now_s + AGAIN_S if is_new else float("inf")
        if not is_new:
            return
        log.info("shown anew on screen and card: %s", "claimed" if not told.setup_code else "not claimed yet")

    def close(self) -> None:
        """Nothing is held; what was shown stays."""

    def _told(self) -> Told:
        parts = self._parts
        machine = parts.look()
        name = names_for(machine.host_name, ()).hosts[0]
        reachable = [
            one for one in machine.addresses.certifiable if not (one.is_loopback or (one.version == 6 and one.is_link_local))
        ]
        urls = [f"https://{f'[{one}]' if one.version == 6 else one}" for one in reachable[:MOST_ADDRESSES]]
        root = parts.certificates.authority_pem
        return Told(
            urls=(f"https://{name}", *urls),
            device_id=parts.device_id,
            fingerprint=fingerprint(root) if root else "",
            setup_code=parts.gate.setup_code() or "",
            recovery_code=self._recovery_code if parts.gate.is_recovering else "",
            point=parts.situation.value.point,
            note=self._note,
        )


def setup_text(told: Told) -> str:
    """Return the text of SETUP.TXT."""
    lines = ["Nightjar, the all-sky camera", "", f"Its panel:  {told.urls[0]}"]
    lines += [f"            {url}" for url in told.urls[1:]] or ["            It has no network yet."]
    lines += ["", *_point_lines(told.point)] if told.point else []
    lines += ["", f"Device id:  {told.device_id}", "", *_code_lines(told)]
    lines += ["", "The browser warns until it knows this appliance's certificate authority. SHA-256 of it, to compare:"]
    lines += _fingerprint_lines(told.fingerprint)
    return "\n".join(lines)


def screen_text(told: Told) -> str:
    """Return what a screen shows: the same, shorter, with the address as a QR code."""
    lines = ["Nightjar", "", *told.urls, "" if told.urls[1:] else "It has no network yet.", f"Device id {told.device_id}"]
    lines += _point_lines(told.point) if told.point else []
    lines += [*_code_lines(told), "SHA-256 of the certificate authority:", *_fingerprint_lines(told.fingerprint)]
    return "\n".join([*lines, "", qr_text(f"https://{told.point.address}" if told.point else told.urls[0])])


def _point_lines(point: OwnPoint) -> list[str]:
    return [
        f"Its own Wi-Fi network:  {point.name}",
        f"Key of that network:    {point.key.reveal()}",
        f"Its panel in there:     https://{point.address}",
    ]


def _code_lines(told: Told) -> list[str]:
    if told.setup_code:
        lines = [f"Setup code: {told.setup_code}", "Open the panel and enter it there. It holds until somebody has done so."]
    elif told.recovery_code:
        lines = [
            f"Setup code: {told.recovery_code}",
            "For a new password, at the panel's page /claim. It works once, for 24 hours.",
        ]
    else:
        lines = ["It is claimed: log in at the panel."]
    return [*lines, *([told.note] if told.note else [])]


def _fingerprint_lines(text: str) -> list[str]:
    pairs = text.split(":")
    return [f"  {':'.join(pairs[i : i + 16])}" for i in range(0, len(pairs), 16)] if text else ["  It is being made."]
