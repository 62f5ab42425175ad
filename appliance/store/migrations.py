"""The shape of the database, step by step; the only place with SQL, and what must not change once it was released.

A step only adds: release N opens a database that N+1 has touched, so that a roll-back loses nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step."""

    number: int
    adds: str
    """What it is for, in a few words, for the log."""
    statements: tuple[str, ...]


_FRAMES = (
    """
    CREATE TABLE frame (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        night TEXT NOT NULL,
        started_at TEXT NOT NULL,
        kind TEXT NOT NULL,
        duration_s REAL NOT NULL,
        gain REAL NOT NULL,
        binning INTEGER NOT NULL,
        offset_adu INTEGER,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        mean_adu REAL NOT NULL,
        saturated_fraction REAL NOT NULL,
        stars INTEGER,
        sky_mag_arcsec2 REAL,
        sensor_temperature_c REAL,
        picture_bytes INTEGER NOT NULL,
        thumb_bytes INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX frame_of_night ON frame (night, id)",
    # Sums are kept, not counted: a month of frames is 170,000 rows, and the gallery asks often.
    """
    CREATE TABLE night (
        night TEXT PRIMARY KEY,
        frames INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        first_at TEXT NOT NULL,
        last_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

_SETTINGS = (
    """
    CREATE TABLE revision (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        saved_at TEXT NOT NULL,
        saved_by TEXT NOT NULL,
        version INTEGER NOT NULL,
        json TEXT NOT NULL
    ) STRICT
    """,
)

_ACCOUNTS = (
    """
    CREATE TABLE account (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL,
        disabled INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        totp_sealed BLOB,
        totp_last_step INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE recovery_code (
        account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        code_hash TEXT NOT NULL,
        PRIMARY KEY (account_id, code_hash)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        token_hash TEXT NOT NULL UNIQUE,
        csrf_token TEXT NOT NULL,
        created_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        created_running_s REAL NOT NULL,
        seen_running_s REAL NOT NULL,
        address TEXT NOT NULL,
        agent TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX session_of_account ON session (account_id, id)",
    """
    CREATE TABLE api_token (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        scope TEXT NOT NULL,
        token_hash TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        ends_running_s REAL NOT NULL,
        last_used_at TEXT,
        used_running_s REAL
    ) STRICT
    """,
    """
    CREATE TABLE throttle (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        failures INTEGER NOT NULL,
        last_running_s REAL NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID
    """,
    # Addresses from which an account logged in: a lock-out that others cause does not hold them.
    """
    CREATE TABLE known_address (
        account_key TEXT NOT NULL,
        address TEXT NOT NULL,
        last_running_s REAL NOT NULL,
        PRIMARY KEY (account_key, address)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE recovery (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        code_hash TEXT NOT NULL,
        ends_running_s REAL NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE credential (
        name TEXT PRIMARY KEY,
        sealed BLOB NOT NULL,
        saved_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

_AUDIT = (
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        address TEXT NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
)

_RUNNING_TIME = (
    "CREATE TABLE running_time (id INTEGER PRIMARY KEY CHECK (id = 1), seconds REAL NOT NULL) STRICT",
    "INSERT INTO running_time (id, seconds) VALUES (1, 0)",
)

_JOBS = (
    """
    CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        done INTEGER NOT NULL,
        total INTEGER NOT NULL,
        unit TEXT NOT NULL,
        eta_s REAL,
        message TEXT NOT NULL,
        request TEXT NOT NULL,
        is_stop_requested INTEGER NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX job_by_state ON job (state, kind, id)",
)

_STICKS = (
    """
    CREATE TABLE stick (
        fs_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        confirmed_by TEXT NOT NULL,
        confirmed_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

_READINGS = (
    # One row a minute, for years: no second index and no count of ids beside it, so that a row is one page written.
    """
    CREATE TABLE reading (
        id INTEGER PRIMARY KEY,
        at_s INTEGER NOT NULL,
        temperature_c REAL,
        load REAL,
        memory_available_bytes INTEGER,
        disk_free_bytes INTEGER,
        signal_dbm REAL
    ) STRICT
    """,
)

_UPLOADS = (
    """
    CREATE TABLE upload (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        path TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER NOT NULL,
        message TEXT NOT NULL,
        is_changed INTEGER NOT NULL,
        UNIQUE (target, name)
    ) STRICT
    """,
    "CREATE INDEX upload_by_state ON upload (target, state, tries, id)",
    "CREATE INDEX upload_by_kind ON upload (target, kind, id)",
    """
    CREATE TABLE upload_tally (
        target TEXT PRIMARY KEY,
        arrived INTEGER NOT NULL,
        arrived_bytes INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        newest_claimed INTEGER NOT NULL,
        last_name TEXT NOT NULL,
        last_at TEXT
    ) STRICT, WITHOUT ROWID
    """,
)

_PEERS = (
    """
    CREATE TABLE peer (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        made_at TEXT NOT NULL,
        keep_days INTEGER NOT NULL,
        most_mib INTEGER NOT NULL,
        is_open INTEGER NOT NULL,
        last_at TEXT,
        last_address TEXT NOT NULL,
        told TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE peer_key (
        id TEXT PRIMARY KEY,
        peer TEXT NOT NULL,
        made_at TEXT NOT NULL,
        forgotten_until_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE peer_nonce (
        key TEXT NOT NULL,
        nonce TEXT NOT NULL,
        time_s INTEGER NOT NULL,
        PRIMARY KEY (key, nonce)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX peer_nonce_by_time ON peer_nonce (key, time_s)",
    """
    CREATE TABLE received (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        peer TEXT NOT NULL,
        kind TEXT NOT NULL,
        night TEXT NOT NULL,
        name TEXT NOT NULL,
        number INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        file TEXT NOT NULL,
        thumb_bytes INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        received_at TEXT NOT NULL,
        started_at TEXT,
        metadata TEXT NOT NULL,
        UNIQUE (peer, kind, night, name)
    ) STRICT
    """,
    "CREATE INDEX received_in_order ON received (peer, kind, night, number)",
    """
    CREATE TABLE peer_night (
        peer TEXT NOT NULL,
        night TEXT NOT NULL,
        frames INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        first_at TEXT,
        last_at TEXT,
        PRIMARY KEY (peer, night)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE arriving (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        peer TEXT NOT NULL,
        kind TEXT NOT NULL,
        night TEXT NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        UNIQUE (peer, kind, night, name)
    ) STRICT
    """,
)

_V1_PEERS = (
    "CREATE TABLE peer_v1 (peer TEXT PRIMARY KEY, user TEXT NOT NULL UNIQUE, network TEXT NOT NULL, camera TEXT NOT NULL) STRICT",
    """
    CREATE TABLE peer_v1_used (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        peer TEXT NOT NULL,
        signature TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        UNIQUE (peer, signature)
    ) STRICT
    """,
)

MIGRATIONS = (
    Migration(1, "frames, settings, accounts, audit log", _RUNNING_TIME + _FRAMES + _SETTINGS + _ACCOUNTS + _AUDIT),
    Migration(2, "jobs, USB sticks", _JOBS + _STICKS),
    Migration(3, "readings of the machine", _READINGS),
    Migration(4, "queue of uploads", _UPLOADS),
    Migration(5, "peers and what has come from them", _PEERS),
    Migration(6, "peers by the sync of indi-allsky", _V1_PEERS),
)
"""Every step, in order."""
