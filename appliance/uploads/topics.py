"""Where on a broker things stand, and what is said of a frame there."""

import json
import math
from dataclasses import dataclass

from appliance.domain.frame import StoredFrame

PRODUCTS = ("keogram.jpg", "startrail.jpg")
ONLINE, OFFLINE = b"online", b"offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one appliance: all below its own, so that a broker's rules can be one line."""

    base: str
    """For instance `nightjar`."""
    device: str

    @property
    def availability(self) -> str:
        """Retained: `online` while we are connected, else `offline`."""
        return self._below("availability")

    @property
    def state(self) -> str:
        """Retained: the numbers of the newest picture."""
        return self._below("state")

    @property
    def history(self) -> str:
        """Not retained: the numbers of each picture, also of those that come late."""
        return self._below("history")

    @property
    def picture(self) -> str:
        """Retained: the newest picture."""
        return self._below("picture")

    def product(self, name: str) -> str:
        """Retained: a keogram or star trail, by its file name."""
        return self._below(name.partition(".")[0])

    @property
    def notice(self) -> str:
        """Not retained: an issue that came or went."""
        return self._below("notice")

    @property
    def health(self) -> str:
        """Retained: how the appliance is, in a word."""
        return self._below("health")

    @property
    def check(self) -> str:
        """Not retained: written by the test button."""
        return self._below("check")

    def _below(self, word: str) -> str:
        return f"{self.base}/{self.device}/{word}"


def state_of(frame: StoredFrame, site_name: str) -> bytes:
    """Return the numbers of a frame as JSON; what nobody has measured is left out."""
    measured = frame.measurement
    values = {
        "picture": frame.picture_name.rpartition("/")[2],
        "frame": frame.id,
        "night": frame.night.text,
        "started_at": frame.started_at.isoformat(),
        "site": site_name,
        "exposure_s": frame.exposure.duration_s,
        "gain": frame.exposure.gain,
        "mean_adu": measured.mean_adu,
        "saturated_fraction": measured.saturated_fraction,
        "stars": measured.stars,
        "sky_mag_arcsec2": measured.sky_mag_arcsec2,
        "sensor_temperature_c": frame.sensor_temperature_c,
    }
    known = {
        key: value
        for key, value in values.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }
    return json.dumps(known, ensure_ascii=False).encode()


def picture_in(untrusted_state: bytes) -> str:
    """Return the name of the picture that a state speaks of, empty where it is none of ours."""
    try:
        state = json.loads(untrusted_state)
    except (ValueError, RecursionError):
        return ""
    name = state.get("picture") if isinstance(state, dict) else None
    return name if isinstance(name, str) else ""
