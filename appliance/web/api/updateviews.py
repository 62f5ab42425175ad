"""What the API tells of updates, as values; their fields are its schemas."""

from dataclasses import dataclass
from datetime import datetime

from appliance.domain.update import Arriving, Bundle, Past, Refused
from appliance.store.channelstate import ChannelState
from appliance.web.api.views import JobView


@dataclass(frozen=True, slots=True)
class HalfView:
    """One of the halves of the card."""

    name: str
    is_running: bool
    is_proved: bool | None
    """Whether it has proved itself; null where nobody says."""
    version: str
    """Empty where it did not come by an update."""


@dataclass(frozen=True, slots=True)
class ArrivingView:
    """A bundle on its way."""

    size: int
    sha256: str
    have: int
    """Bytes that are here: where to go on."""
    is_whole: bool
    """Whether the last byte has come and the SHA-256 agrees; the bundle is looked at then."""
    chunk_bytes: int
    """The largest body of one request."""


@dataclass(frozen=True, slots=True)
class BundleView:
    """A bundle that is here."""

    state: str
    """new: it is being looked at. checked: it may be installed. installed: it is in the other half."""
    size: int
    sha256: str
    source: str
    """upload, stick or channel."""
    version: str
    notes: str
    signer: str
    signer_fingerprint: str
    signer_valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedView:
    """The last bundle that was refused."""

    at: datetime
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class PastView:
    """What became of an update."""

    at: datetime
    version: str
    from_version: str
    outcome: str
    """good, fell back, refused or installed."""
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release that the channel offers to this appliance."""

    version: str
    size: int
    sha256: str
    notes: str


@dataclass(frozen=True, slots=True)
class ChannelView:
    """The update channel."""

    checked_at: datetime | None
    """When it was last asked."""
    made_at: datetime | None
    """When its list was made."""
    serial: int
    """Number of its list; 0 where none was seen."""
    error: str
    """Why the last question came to nothing; empty where it did not."""
    offered: ReleaseView | None


@dataclass(frozen=True, slots=True)
class UpdateView:
    """Updates of the system."""

    version: str
    """What runs."""
    unavailable: str
    """Why this computer cannot be updated; empty where it can."""
    halves: tuple[HalfView, ...]
    is_on_trial: bool
    """Whether what runs has still to prove itself."""
    is_restart_due: bool
    """Whether the machine starts from the other half next."""
    restart_at: datetime | None
    """When a planned restart is due."""
    arriving: ArrivingView | None
    bundle: BundleView | None
    refused: RefusedView | None
    channel: ChannelView | None
    """Null where none is set."""
    job: JobView | None
    """The last work of the updater."""
    history: tuple[PastView, ...]
    not_offered: tuple[str, ...]
    """Versions that did not prove themselves here."""


def arriving_view(arriving: Arriving, chunk_bytes: int) -> ArrivingView:
    """Return a bundle on its way as the API tells it."""
    announced = arriving.announced
    is_whole = arriving.have == announced.size
    return ArrivingView(announced.size, announced.sha256, arriving.have, is_whole, chunk_bytes)


def bundle_view(bundle: Bundle) -> BundleView:
    """Return a bundle as the API tells it."""
    announced, manifest, signer = bundle.announced, bundle.manifest, bundle.signer
    return BundleView(
        state=bundle.state.value,
        size=announced.size,
        sha256=announced.sha256,
        source=announced.source.value,
        version=manifest.version if manifest else "",
        notes=manifest.notes if manifest else "",
        signer=signer.name if signer else "",
        signer_fingerprint=signer.fingerprint if signer else "",
        signer_valid_until=signer.valid_until if signer else None,
    )


def channel_view(state: ChannelState) -> ChannelView:
    """Return what is known of the channel as the API tells it."""
    offered = state.offered
    release = ReleaseView(offered.version, offered.size, offered.sha256, offered.notes) if offered is not None else None
    return ChannelView(state.checked_at, state.made_at, state.serial, state.error, release)


def refused_view(refused: Refused) -> RefusedView:
    """Return a refused bundle as the API tells it."""
    return RefusedView(refused.at, refused.version, refused.reason)


def past_view(past: Past) -> PastView:
    """Return a line of the history as the API tells it."""
    return PastView(past.at, past.version, past.from_version, past.outcome.value, past.reason)
