"""What is told beside a picture: the numbers of its frame, with their names."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from appliance.domain.frame import StoredFrame
from appliance.domain.peer import Numbers
from appliance.web import words


@dataclass(frozen=True, slots=True)
class Detail:
    """One number with its name; `key` is where the live view's script writes it."""

    key: str
    title: str
    text: str


def details_of(frame: StoredFrame, zone: ZoneInfo) -> tuple[Detail, ...]:
    """Return what to tell about a frame."""
    return details_of_numbers(Numbers(frame.started_at, frame.exposure, frame.measurement, frame.sensor_temperature_c), zone)


def details_of_numbers(numbers: Numbers, zone: ZoneInfo) -> tuple[Detail, ...]:
    """Return what to tell; numbers that were not measured show a dash."""
    exposure, measured = numbers.exposure, numbers.measurement
    return (
        Detail("time", "Taken", words.moment(numbers.started_at, zone)),
        Detail("sky", "Brightness of the sky", words.number(measured.sky_mag_arcsec2, 2, "mag/arcsec²")),
        Detail("exposure", "Exposure", words.exposure_time(exposure.duration_s)),
        Detail("gain", "Gain", words.number(exposure.gain, 1 if exposure.gain % 1 else 0)),
        Detail("mean", "Mean", words.number(measured.mean_adu, 0, "ADU")),
        Detail("stars", "Stars", words.number(measured.stars)),
        Detail("temperature", "Sensor", words.number(numbers.sensor_temperature_c, 1, "°C")),
        Detail("saturated", "Saturated", words.number(100 * measured.saturated_fraction, 2, "%")),
    )
