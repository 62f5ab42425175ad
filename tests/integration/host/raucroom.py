"""A machine with two halves that are files, the real `rauc service` in a room of the test's own, and bundles for it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.host.update import SERVICE
from imagebuild.keys import Keys, make, replace_signer
from tests.integration.host.busroom import BELOW, Room, bus_room, wait_for
from tests.integration.host.newrauc import rauc_command
from tests.integration.host.test_rauc_policy import OF_THE_PACKAGE, POLICY

COMPATIBLE = "nightjar-test"
BACKEND = f"""#!/bin/sh -eu
cd /{BELOW}
case "$1" in
get-primary) cat primary;;
set-primary) echo "$2" >primary;;
get-state) cat "state-$2";;
set-state) echo "$3" >"state-$2"; test "$3" = good || echo A >primary;;
*) exit 1;;
esac
"""
REFUSED = {
    "at": "2026-11-30T00:00:00+00:00",
    "version": "6.6.6",
    "from_version": "6.0.0",
    "outcome": "refused",
    "reason": "the power is not good enough to write",
}
HANDLER = f"""#!/bin/sh -eu
cd /{BELOW}
while test -e hold; do sleep 0.1; done
grep -q '^version=6[.]6[.]6' "$RAUC_BUNDLE_MOUNT_POINT/manifest.raucm" || exit 0
echo '{json.dumps(REFUSED)}' >>records/history.jsonl
exit 1
"""
CONFIGURATION = f"""[system]
compatible={COMPATIBLE}
bootloader=custom
statusfile=/{BELOW}/rauc.status
mountprefix=/{BELOW}/mount
[handlers]
bootloader-custom-backend=/{BELOW}/backend
pre-install=/{BELOW}/handler
[keyring]
path={{keyring}}
check-crl=true
check-purpose=codesign
[slot.root.0]
device=/{BELOW}/root-a
type=raw
bootname=A
[slot.root.1]
device=/{BELOW}/root-b
type=raw
bootname=B
"""
MANIFEST = """[update]
compatible={compatible}
version={version}
description={notes}
[bundle]
format={format}
[image.root]
filename=root.img
"""
ROOT_BYTES = 1 << 20


@dataclass(frozen=True)
class Bench:
    """Where bundles are made."""

    folder: Path

    def keys(self, name: str, *, years_ago: int = 0) -> Keys:
        """Return a set of keys, made when it is first asked for."""
        folder = self.folder / f"keys-{name}"
        if folder.is_dir():
            return Keys(folder)
        return make(folder, f"Test {name}", datetime.now(UTC) - timedelta(days=366 * years_ago))

    def bundle(
        self,
        version: str = "7.0.0",
        *,
        keys: Keys | None = None,
        compatible: str = COMPATIBLE,
        form: str = "verity",
        notes: str = "Quieter nights",
    ) -> bytes:
        """Return a bundle, signed; what is in it is different each time."""
        signed_by = keys or self.keys("release")
        content, made = self.folder / "content", self.folder / "made.raucb"
        shutil.rmtree(content, ignore_errors=True)
        content.mkdir()
        made.unlink(missing_ok=True)
        (content / "root.img").write_bytes(os.urandom(ROOT_BYTES))
        text = MANIFEST.format(compatible=compatible, version=version, notes=notes, format=form)
        (content / "manifest.raucm").write_text(text)
        command = [
            *rauc_command(),
            f"--cert={signed_by.signer}",
            f"--key={signed_by.signer_key}",
            "bundle",
            str(content),
            str(made),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return made.read_bytes()

    @property
    def content(self) -> bytes:
        """What the half holds after the last bundle was written into it."""
        return (self.folder / "content/root.img").read_bytes()

    def revoked(self) -> tuple[Keys, Keys]:
        """Return a signer whom the keyring of the other set does not count any more, and that set."""
        now, kept = self.keys("revoking"), Keys(self.folder / "keys-before")
        shutil.copytree(now.folder, kept.folder)
        replace_signer(now.folder, "Test revoking", datetime.now(UTC))
        return kept, now


@dataclass
class Machine:
    """A room in which RAUC runs."""

    room: Room
    bench: Bench

    def half(self, name: str) -> bytes:
        """Return what a half holds, `a` or `b`."""
        return (self.room.inside / f"root-{name}").read_bytes()

    @property
    def primary(self) -> str:
        """The half that starts next."""
        return (self.room.inside / "primary").read_text().strip()

    @property
    def records(self) -> Path:
        """Where root writes down what became of updates."""
        return self.room.inside / "records"

    def reset(self) -> None:
        """Have half A run and start next, half B empty, and nothing written down."""
        for name, text in {"primary": "A\n", "state-A": "good\n", "state-B": "good\n"}.items():
            (self.room.inside / name).write_text(text)
        for name in "ab":
            (self.room.inside / f"root-{name}").write_bytes(bytes(ROOT_BYTES))
        shutil.rmtree(self.records, ignore_errors=True)
        self.records.mkdir()

    def hold(self, *, is_held: bool) -> None:
        """Have RAUC wait before it writes, or go on."""
        if is_held:
            (self.room.inside / "hold").touch()
        else:
            (self.room.inside / "hold").unlink()

    def start(self, keys: Keys | None = None) -> None:
        """Start the service, with a keyring, or that of the release."""
        text = CONFIGURATION.format(keyring=(keys or self.bench.keys("release")).keyring)
        (self.room.inside / "rauc.conf").write_text(text)
        (self.room.inside / "scratch").mkdir(exist_ok=True)
        service = [*rauc_command(), f"--conf=/{BELOW}/rauc.conf", "service", "--override-boot-slot=A"]
        self.room.serve(SERVICE, "env", f"TMPDIR=/{BELOW}/scratch", *service)

    def kill(self) -> None:
        """End the service as a crash does."""
        (number,) = self.room.client.bus("GetConnectionUnixProcessID", "s", SERVICE)
        self.room.must("kill", "-9", str(number))
        wait_for(lambda: not self.room.has(SERVICE), "the service to be gone")


@contextmanager
def rauc_machine(folder: Path) -> Iterator[Machine]:
    """Make the room, its halves and the service."""
    bench = Bench(folder / "bench")
    bench.folder.mkdir()
    with bus_room(folder / "logs", {"de.pengutronix.rauc.conf": OF_THE_PACKAGE}, {POLICY.name: POLICY.read_text()}) as room:
        for name, text in {"backend": BACKEND, "handler": HANDLER}.items():
            (room.inside / name).write_text(text)
            (room.inside / name).chmod(0o755)
        machine = Machine(room, bench)
        machine.reset()
        machine.start()
        yield machine
