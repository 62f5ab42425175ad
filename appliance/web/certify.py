"""The command `issue-certificates`: on the appliance it makes and renews the panel's certificates, as a user of its own.

It takes no request: names and addresses come from the kernel, the time from the clock. The authority's keys stay in a
folder that the web process cannot enter; root's certificate and the two leaves go into one that it can only read. Run
as often as one likes: where nothing is due, nothing is written.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.clock import Clock, SystemClock
from appliance.domain.errors import SecurityError, StartError
from appliance.domain.secret import Secret
from appliance.security.names import names_for
from appliance.security.tokens import device_id_of
from appliance.store.files import DataFolder
from appliance.store.handover import Handover, kept_private
from appliance.web.certificates import Machine, this_machine
from appliance.web.issuer import P256_LEAF, ROOT, RSA_LEAF, Issuer, check_leaves, read_leaves

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the command keeps, puts and finds."""

    private: Path
    """The authority and its keys: mode 0700."""
    handed: Path
    """What the web process reads: mode 2750, group nightjar."""
    machine_id: Path


def run(places: Places) -> int:
    """Issue what is due.

    Raises
    ------
    StartError
        As root: then every file would be another user's, and a fault here would be root's.
    SecurityError, StoreError
        If it cannot be made or written.
    """
    if os.geteuid() == 0:
        raise StartError("refuses to issue certificates as root: run it as the user nightjar-ca")
    issue(places, SystemClock())
    return 0


def issue(places: Places, clock: Clock, look: Callable[[], Machine] = this_machine) -> tuple[str, ...]:
    """Bring authority and leaves up to date and hand them over; return the names of the files that were written anew."""
    try:
        device_id = device_id_of(places.machine_id.read_bytes())
    except OSError as error:
        raise SecurityError(f"this machine's id cannot be read: {error.strerror}") from error
    with kept_private(places.private):
        handover = Handover(places.handed)
        folder = DataFolder(places.private)
        folder.sweep_parts()
        machine = look()
        Issuer(folder, device_id).ensure(names_for(machine.host_name, machine.addresses.certifiable), clock.now())
        leaves, root = check_leaves(read_leaves(folder), folder.read_tls(ROOT))
        # While files of two makings lie there, the panel goes on with what it has.
        outgoing = ((RSA_LEAF, leaves.rsa), (P256_LEAF, leaves.p256), (ROOT, Secret(root)))
        written = tuple(name for name, pem in outgoing if handover.put(name, pem.reveal()))
    if written:
        log.info("certificates handed over: %s", " ".join(written))
    return written
