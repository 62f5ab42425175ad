"""The tables as peewee sees them; they never leave `store`, which takes and returns domain values.

The models are bound to no database: each query is given its own, so that two data folders can be open at once.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import peewee

from appliance.domain.night import NightId

if TYPE_CHECKING:  # peewee's fields are generic in its stubs only
    _OfMoment: TypeAlias = peewee.Field[datetime]
    _OfMomentOrNone: TypeAlias = peewee.Field[datetime | None]
    _OfNight: TypeAlias = peewee.Field[NightId]
else:
    _OfMoment = _OfMomentOrNone = _OfNight = peewee.Field


def moment_text(value: datetime) -> str:
    """Return a moment as the tables keep it: UTC, of constant width."""
    if value.tzinfo is None:
        raise ValueError(f"a moment needs a zone: {value!r}")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_of(value: str) -> datetime:
    """Return the moment of a text of `moment_text`."""
    return datetime.fromisoformat(value)


class MomentField(_OfMoment):
    """A moment, kept as UTC text of constant width so that it sorts."""

    field_type = "TEXT"

    def db_value(self, value: datetime) -> str:
        """Return the text of an aware moment."""
        return moment_text(value)

    def python_value(self, value: str) -> datetime:
        """Return the moment of a text."""
        return moment_of(value)


class OptionalMomentField(_OfMomentOrNone):
    """A moment, or none yet."""

    field_type = "TEXT"

    def db_value(self, value: datetime | None) -> str | None:
        """Return the text of an aware moment."""
        return None if value is None else moment_text(value)

    def python_value(self, value: str | None) -> datetime | None:
        """Return the moment of a text."""
        return None if value is None else moment_of(value)


class NightField(_OfNight):
    """A night, kept as its text."""

    field_type = "TEXT"

    def db_value(self, value: NightId | str) -> str:
        """Return the text."""
        return str(value)

    def python_value(self, value: str) -> NightId:
        """Return the night."""
        return NightId(value)


class FrameRow(peewee.Model):
    """A stored frame; the names of its files follow from `started_at` and `id`."""

    id = peewee.AutoField()
    night = NightField()
    started_at = MomentField()
    kind = peewee.TextField()
    duration_s = peewee.DoubleField()
    gain = peewee.DoubleField()
    binning = peewee.IntegerField()
    offset_adu = peewee.IntegerField(null=True)
    width = peewee.IntegerField()
    height = peewee.IntegerField()
    mean_adu = peewee.DoubleField()
    saturated_fraction = peewee.DoubleField()
    stars = peewee.IntegerField(null=True)
    sky_mag_arcsec2 = peewee.DoubleField(null=True)
    sensor_temperature_c = peewee.DoubleField(null=True)
    picture_bytes = peewee.IntegerField()
    thumb_bytes = peewee.IntegerField()

    class Meta:
        """Its table."""

        table_name = "frame"


class NightRow(peewee.Model):
    """Sums over the frames of a night."""

    night = NightField(primary_key=True)
    frames = peewee.IntegerField()
    bytes = peewee.IntegerField()
    first_at = MomentField()
    last_at = MomentField()

    class Meta:
        """Its table."""

        table_name = "night"


class RevisionRow(peewee.Model):
    """One saved state of the settings."""

    id = peewee.AutoField()
    saved_at = MomentField()
    saved_by = peewee.TextField()
    version = peewee.IntegerField()
    json = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "revision"


class AccountRow(peewee.Model):
    """A person who may log in."""

    id = peewee.AutoField()
    name = peewee.TextField()
    role = peewee.TextField()
    disabled = peewee.BooleanField()
    created_at = MomentField()
    password_hash = peewee.TextField()
    totp_sealed = peewee.BlobField(null=True)
    totp_last_step = peewee.IntegerField(default=0)

    class Meta:
        """Its table."""

        table_name = "account"


class RecoveryCodeRow(peewee.Model):
    """A recovery code of the second factor, as its hash; the row goes when the code is used."""

    account_id = peewee.IntegerField()
    code_hash = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "recovery_code"
        primary_key = peewee.CompositeKey("account_id", "code_hash")


class SessionRow(peewee.Model):
    """A logged-in browser; what ends it is counted in running time, what people read is wall time."""

    id = peewee.AutoField()
    account_id = peewee.IntegerField()
    token_hash = peewee.TextField()
    csrf_token = peewee.TextField()
    created_at = MomentField()
    last_seen_at = MomentField()
    created_running_s = peewee.DoubleField()
    seen_running_s = peewee.DoubleField()
    address = peewee.TextField()
    agent = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "session"


class TokenRow(peewee.Model):
    """An API token, as its hash."""

    id = peewee.AutoField()
    account_id = peewee.IntegerField()
    name = peewee.TextField()
    scope = peewee.TextField()
    token_hash = peewee.TextField()
    created_at = MomentField()
    ends_running_s = peewee.DoubleField()
    last_used_at = OptionalMomentField(null=True)
    used_running_s = peewee.DoubleField(null=True)

    class Meta:
        """Its table."""

        table_name = "api_token"


class ThrottleRow(peewee.Model):
    """How often an account or an address failed, and when last."""

    kind = peewee.TextField()
    key = peewee.TextField()
    failures = peewee.IntegerField()
    last_running_s = peewee.DoubleField()

    class Meta:
        """Its table."""

        table_name = "throttle"
        primary_key = peewee.CompositeKey("kind", "key")


class KnownAddressRow(peewee.Model):
    """An address from which an account has logged in."""

    account_key = peewee.TextField()
    address = peewee.TextField()
    last_running_s = peewee.DoubleField()

    class Meta:
        """Its table."""

        table_name = "known_address"
        primary_key = peewee.CompositeKey("account_key", "address")


class RecoveryRow(peewee.Model):
    """The one open recovery, as the hash of its setup code."""

    id = peewee.IntegerField(primary_key=True)
    code_hash = peewee.TextField()
    ends_running_s = peewee.DoubleField()

    class Meta:
        """Its table."""

        table_name = "recovery"


class CredentialRow(peewee.Model):
    """A sealed credential."""

    name = peewee.TextField(primary_key=True)
    sealed = peewee.BlobField()
    saved_at = MomentField()

    class Meta:
        """Its table."""

        table_name = "credential"


class AuditRow(peewee.Model):
    """One entry of the audit log."""

    id = peewee.AutoField()
    at = MomentField()
    who = peewee.TextField()
    address = peewee.TextField()
    action = peewee.TextField()
    detail = peewee.TextField()
    hash = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "audit"


class JobRow(peewee.Model):
    """A long work: what is asked for, how far it is, how it ended."""

    id = peewee.AutoField()
    kind = peewee.TextField()
    state = peewee.TextField()
    done = peewee.IntegerField()
    total = peewee.IntegerField()
    unit = peewee.TextField()
    eta_s = peewee.DoubleField(null=True)
    message = peewee.TextField()
    request = peewee.TextField()
    is_stop_requested = peewee.BooleanField()
    created_at = MomentField()

    class Meta:
        """Its table."""

        table_name = "job"


class StickRow(peewee.Model):
    """A USB stick that an admin has confirmed."""

    fs_id = peewee.TextField(primary_key=True)
    name = peewee.TextField()
    confirmed_by = peewee.TextField()
    confirmed_at = MomentField()

    class Meta:
        """Its table."""

        table_name = "stick"


class RunningTimeRow(peewee.Model):
    """The seconds that this appliance has been running, over all starts."""

    id = peewee.IntegerField(primary_key=True)
    seconds = peewee.DoubleField()

    class Meta:
        """Its table."""

        table_name = "running_time"


class ReadingRow(peewee.Model):
    """What is kept of one reading of the machine."""

    id = peewee.AutoField()
    at_s = peewee.IntegerField()
    temperature_c = peewee.DoubleField(null=True)
    load = peewee.DoubleField(null=True)
    memory_available_bytes = peewee.IntegerField(null=True)
    disk_free_bytes = peewee.IntegerField(null=True)
    signal_dbm = peewee.DoubleField(null=True)

    class Meta:
        """Its table."""

        table_name = "reading"


class UploadRow(peewee.Model):
    """A file on its way to a target."""

    id = peewee.AutoField()
    target = peewee.TextField()
    kind = peewee.TextField()
    path = peewee.TextField()
    name = peewee.TextField()
    state = peewee.TextField()
    tries = peewee.IntegerField()
    message = peewee.TextField()
    is_changed = peewee.BooleanField()
    """Whether it was saved anew while it was on its way."""

    class Meta:
        """Its table."""

        table_name = "upload"


class UploadTallyRow(peewee.Model):
    """What has become of a target's uploads."""

    target = peewee.TextField(primary_key=True)
    arrived = peewee.IntegerField()
    arrived_bytes = peewee.IntegerField()
    dropped = peewee.IntegerField()
    newest_claimed = peewee.IntegerField()
    """Id of the newest picture that has had its turn."""
    last_name = peewee.TextField()
    last_at = OptionalMomentField(null=True)

    class Meta:
        """Its table."""

        table_name = "upload_tally"


class SequenceRow(peewee.Model):
    """SQLite's own table: the highest id that was ever given in a table."""

    name = peewee.TextField(primary_key=True)
    seq = peewee.IntegerField()

    class Meta:
        """Its table."""

        table_name = "sqlite_sequence"


_RowT = TypeVar("_RowT", bound=peewee.Model)


def count(query: "peewee.ModelSelect[_RowT]", db: peewee.SqliteDatabase) -> int:
    """Return the number of rows of a query."""
    return query.count(db)


def replace(model: type[peewee.Model], db: peewee.SqliteDatabase, **values: object) -> None:
    """Write a row in place of the one with the same key."""
    model.insert(**values).on_conflict_replace().execute(db)
