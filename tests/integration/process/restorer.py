"""Restores a backup in a data folder as the program does, and dies before the statement that it is told; for tests.

Arguments: the data folder, the backup's file, its pass-phrase, and before which statement of SQL the plug is pulled (0: never).
Prints how many statements there were.
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path

from appliance.domain.clock import SystemClock
from appliance.domain.secret import Secret
from appliance.security.sealedfile import unlock
from appliance.store.belongings import BelongingsStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.web.backupcontent import backup_of
from appliance.web.vaultkeeper import VaultKeeper


def main(data: Path, file: Path, passphrase: str, pulled_before: int) -> int:
    """Restore, or die."""
    database, keeper = Database(data, SystemClock()), VaultKeeper(DataFolder(data))
    database.open()
    keeper.open()
    backup = backup_of(unlock(file.read_bytes(), Secret(passphrase)))
    seen = 0

    def count(_statement: str) -> None:
        nonlocal seen
        seen += 1
        if seen == pulled_before:
            os.kill(os.getpid(), signal.SIGKILL)

    with database.read() as db:
        connection: sqlite3.Connection = db.connection()  # type: ignore[no-untyped-call] # not in peewee's stubs
    connection.set_trace_callback(count)
    store = BelongingsStore(database, SystemClock())
    store.replace(
        backup.belongings, backup.settings, keeper.vault.seal, by="test", address="", detail="by the restorer", is_first=False
    )
    connection.set_trace_callback(None)
    database.close()
    print(seen)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
