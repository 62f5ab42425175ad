"""What the API tells, as values; their fields are its schemas."""

from dataclasses import dataclass
from datetime import datetime

from appliance.domain.frame import StoredFrame
from appliance.domain.machine import Reading, StoredReading


@dataclass(frozen=True, slots=True)
class HealthView:
    """How the appliance is."""

    status: str
    """starting, ok or degraded."""


@dataclass(frozen=True, slots=True)
class FrameView:
    """One stored frame."""

    id: int
    night: str
    """Date of the evening."""
    started_at: datetime
    exposure_s: float
    gain: float
    """In the driver's own units."""
    binning: int
    width: int
    height: int
    mean_adu: float
    saturated_fraction: float
    stars: int | None
    sky_mag_arcsec2: float | None
    sensor_temperature_c: float | None
    picture_bytes: int
    picture_url: str
    thumb_url: str


@dataclass(frozen=True, slots=True)
class CameraView:
    """What the camera does."""

    state: str
    """starting, exposing, waiting, paused or absent."""
    device: str | None
    message: str
    started: int
    received: int
    dropped: int


@dataclass(frozen=True, slots=True)
class LatestView:
    """The newest frame, and when to ask again."""

    frame: FrameView | None
    camera: CameraView
    next_expected_at: datetime | None
    next_expected_in_s: float | None
    """Real seconds from this answer on."""


@dataclass(frozen=True, slots=True)
class FramesView:
    """A page of frames, newest first."""

    night: str
    frames: tuple[FrameView, ...]
    next_before: int | None
    """To be given as `before` for the next page; null on the last one."""


@dataclass(frozen=True, slots=True)
class NightView:
    """One night."""

    night: str
    frames: int
    bytes: int
    first_at: datetime
    last_at: datetime
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NightsView:
    """Every night that is kept, newest first."""

    nights: tuple[NightView, ...]


@dataclass(frozen=True, slots=True)
class MeasurementView:
    """The numbers of one frame."""

    id: int
    started_at: datetime
    exposure_s: float
    gain: float
    mean_adu: float
    saturated_fraction: float
    stars: int | None
    sky_mag_arcsec2: float | None
    sensor_temperature_c: float | None


@dataclass(frozen=True, slots=True)
class MeasurementsView:
    """A page of numbers, newest first."""

    night: str
    measurements: tuple[MeasurementView, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class IssueView:
    """Something that a person should know."""

    key: str
    severity: str
    title: str
    advice: str
    since: datetime


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One service's thread."""

    name: str
    state: str
    restarts: int
    beat_age_s: float
    last_error: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """One mailbox."""

    name: str
    depth: int
    capacity: int
    dropped: int


@dataclass(frozen=True, slots=True)
class SystemView:
    """The appliance as a whole."""

    status: str
    version: str
    now: datetime
    camera: CameraView
    issues: tuple[IssueView, ...]
    workers: tuple[WorkerView, ...]
    queues: tuple[QueueView, ...]
    memory_bytes: int
    disk_free_bytes: int
    disk_total_bytes: int
    frames: int


@dataclass(frozen=True, slots=True)
class SensorsView:
    """What the machine's sensors said last."""

    reading: Reading | None
    """null until the first reading."""


@dataclass(frozen=True, slots=True)
class ReadingsView:
    """A page of readings that are kept, newest first."""

    readings: tuple[StoredReading, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class CommandView:
    """What was asked of the camera."""

    accepted: str


@dataclass(frozen=True, slots=True)
class PowerView:
    """What becomes of an order to restart or to switch off."""

    phase: str
    """running, storing or going."""
    action: str | None
    """restart or off; null while somebody else has asked the machine to go, or nobody has."""
    message: str
    unavailable: str
    """Why this machine takes no orders; empty where it does."""


@dataclass(frozen=True, slots=True)
class TimeView:
    """How the machine keeps its time."""

    zone: str
    network_time: bool
    synchronised: bool
    can_network_time: bool


@dataclass(frozen=True, slots=True)
class MachineView:
    """The machine below the program."""

    now: datetime
    host_name: str | None
    time: TimeView | None
    power: PowerView
    unavailable: tuple[str, ...]
    """Why something is null."""


@dataclass(frozen=True, slots=True)
class StickView:
    """A USB stick that is plugged in."""

    fs_id: str
    """Id of its file system; empty where it has none that could be remembered."""
    label: str
    fs_type: str
    model: str
    size_bytes: int
    free_bytes: int | None
    """null until it was looked at."""
    state: str
    """busy, refused, offered, exporting, done or failed."""
    reason: str
    is_confirmed: bool
    """Whether it fills itself when it is plugged in."""
    job_id: int | None
    is_safe_to_remove: bool
    bundle_bytes: int
    """Of the update that was seen on it; 0 where none was."""


@dataclass(frozen=True, slots=True)
class SticksView:
    """Every USB stick."""

    sticks: tuple[StickView, ...]


@dataclass(frozen=True, slots=True)
class JobView:
    """One long work."""

    id: int
    kind: str
    state: str
    """waiting, running, done, failed or stopped."""
    done: int
    total: int
    """0 while it is not known."""
    unit: str
    eta_s: float | None
    message: str


@dataclass(frozen=True, slots=True)
class JobsView:
    """The latest long works, newest first."""

    jobs: tuple[JobView, ...]


def frame_view(frame: StoredFrame) -> FrameView:
    """Return a frame as the API tells it."""
    exposure, measured = frame.exposure, frame.measurement
    return FrameView(
        id=frame.id,
        night=frame.night.text,
        started_at=frame.started_at,
        exposure_s=exposure.duration_s,
        gain=exposure.gain,
        binning=exposure.binning,
        width=frame.width,
        height=frame.height,
        mean_adu=measured.mean_adu,
        saturated_fraction=measured.saturated_fraction,
        stars=measured.stars,
        sky_mag_arcsec2=measured.sky_mag_arcsec2,
        sensor_temperature_c=frame.sensor_temperature_c,
        picture_bytes=frame.picture_bytes,
        picture_url=f"/media/frames/{frame.id}.jpg",
        thumb_url=f"/media/thumbs/{frame.id}.jpg",
    )


def measurement_view(frame: StoredFrame) -> MeasurementView:
    """Return a frame's numbers as the API tells them."""
    measured = frame.measurement
    return MeasurementView(
        frame.id, frame.started_at, frame.exposure.duration_s, frame.exposure.gain, measured.mean_adu,
        measured.saturated_fraction, measured.stars, measured.sky_mag_arcsec2, frame.sensor_temperature_c,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeardView:
    """A Wi-Fi network that is heard."""

    name: str
    security: str
    """open, outdated, WPA2, WPA2 and WPA3, WPA3 or company login."""
    signal_percent: int
    bands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkView:
    """The network, and how far a change of it is."""

    phase: str
    """rest, beginning, connecting or on trial."""
    change: str
    left_s: int
    """Until a change on trial is undone, or one that connects is given up."""
    message: str
    """How the last change ended."""
    is_own_wifi_open: bool
    wifi: tuple[HeardView, ...]
    unavailable: str
    """Why nothing is known; empty where it is."""


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """Who receives what other appliances send."""

    site: str
    version: str
    name: str
    """How the sender is called here."""
    chunk_bytes: int
    """The largest body of one request."""


@dataclass(frozen=True, slots=True)
class ArrivalView:
    """How far a thing has come."""

    state: str
    """stored or arriving."""
    have: int
    """Bytes that are here: where to go on."""
    is_new: bool
    """Whether this request has stored it; a repeat stores nothing."""
