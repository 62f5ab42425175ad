"""What indi-allsky's SyncAPI is told of a camera, a picture, a keogram or a film: every key that its receiver reads.

Its pages compute with some numbers that a Nightjar does not have; a zero stands there then, as that program writes it.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from appliance.domain.frame import StoredFrame
from appliance.domain.night import NightId
from appliance.domain.sky import moon_phase
from appliance.domain.syncv1 import V1Kind
from appliance.uploads.port import Sender

Metadata = Mapping[str, object]
"""What becomes JSON."""

_OURS = uuid.UUID("6f0a1a52-6a0e-5a4d-9f53-0c6e1f1d5a10")
_PRODUCTS = {
    "keogram.jpg": (V1Kind.KEOGRAM, True),
    "startrail.jpg": (V1Kind.STARTRAIL, True),
    "night.mp4": (V1Kind.VIDEO, True),
    "day.mp4": (V1Kind.VIDEO, False),
    "startrail.mp4": (V1Kind.STARTRAIL_VIDEO, True),
}


def camera_uuid(device_id: str) -> str:
    """Return the name by which the other side knows this appliance's camera: always the same."""
    return str(uuid.uuid5(_OURS, device_id))


def of_camera(sender: Sender, now: datetime) -> Metadata:
    """Return what makes a camera known."""
    return {
        "type": V1Kind.CAMERA.number,
        "uuid": camera_uuid(sender.device_id),
        "name": f"Nightjar {sender.device_id}",
        "friendlyName": sender.site_name,
        "driver": f"nightjar {sender.version}",
        "location": sender.site_name,
        "latitude": round(sender.latitude_deg or 0.0, 1),
        "longitude": round(sender.longitude_deg or 0.0, 1),
        "elevation": 0,
        "tz": sender.timezone,
        "utc_offset": _utc_offset_s(sender, now),
        "nightSunAlt": sender.night_sun_altitude_deg,
        "alt": 90.0,
        "az": 0.0,
        "data": {},
    }


def of_frame(frame: StoredFrame, sender: Sender) -> Metadata:
    """Return what is told of a picture."""
    measured, is_night = frame.measurement, frame.measurement.stars is not None
    local = frame.started_at.astimezone(ZoneInfo(sender.timezone))
    sky = measured.sky_mag_arcsec2
    return {
        **_common(V1Kind.IMAGE, sender, frame.started_at, frame.night if is_night else NightId(f"{local:%Y-%m-%d}")),
        "night": is_night,
        "exposure": frame.exposure.duration_s,
        "exp_elapsed": frame.exposure.duration_s,
        "gain": frame.exposure.gain,
        "binmode": frame.exposure.binning,
        "temp": frame.sensor_temperature_c,
        "adu": measured.mean_adu,
        "adu_roi": False,
        "stable": True,
        "moonmode": False,
        "moonphase": round(100.0 * moon_phase(frame.started_at).illuminated_fraction, 1),
        "calibrated": False,
        "sqm": 0.0,
        "stars": measured.stars or 0,
        "detections": 0,
        "process_elapsed": 0.0,
        "width": frame.width,
        "height": frame.height,
        "fileSize": frame.picture_bytes,
        "data": {} if sky is None else {"camera_sqm_raw_mag": sky},
    }


def of_product(name: str, night: str, sender: Sender, now: datetime) -> tuple[V1Kind, Metadata] | None:
    """Return what is told of a night's keogram, star trail or film; None where the name is none of theirs."""
    found = _PRODUCTS.get(name)
    if found is None:
        return None
    kind, is_night = found
    return kind, {**_common(kind, sender, now, NightId(night)), "night": is_night, "success": True, "data": {}}


def _common(kind: V1Kind, sender: Sender, at: datetime, night: NightId) -> Metadata:
    return {
        "type": kind.number,
        "createDate": int(at.timestamp()),
        "dayDate": night.text.replace("-", ""),
        "utc_offset": _utc_offset_s(sender, at),
        "camera_uuid": camera_uuid(sender.device_id),
    }


def _utc_offset_s(sender: Sender, at: datetime) -> float:
    offset = at.astimezone(ZoneInfo(sender.timezone)).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0
