"""When the night is over, for what waits until then."""

from datetime import datetime, timedelta

from appliance.domain.errors import InputError
from appliance.domain.sky import sun_altitude_deg

LONGEST = timedelta(hours=36)
_STEP, _EXACT = timedelta(minutes=5), timedelta(seconds=10)


def dawn_after(now: datetime, latitude_deg: float | None, longitude_deg: float | None, night_below_deg: float) -> datetime:
    """Return when the running or the coming night ends; InputError where that is not known."""
    if latitude_deg is None or longitude_deg is None:
        raise InputError("When dawn is, is not known: set latitude and longitude under Settings, Site, or restart now.")
    dawn = next_dawn(now, latitude_deg, longitude_deg, night_below_deg)
    if dawn is None:
        raise InputError("The sun brings no dawn here within the next day and a half. Restart now instead.")
    return dawn


def next_dawn(after: datetime, latitude_deg: float, longitude_deg: float, night_below_deg: float) -> datetime | None:
    """Return when the sun next rises above the altitude below which it is night; None where it does not within 36 hours.

    Parameters
    ----------
    after : datetime
        By day the coming night's end is meant, at night the running one's.
    latitude_deg, longitude_deg : float
    night_below_deg : float
        The setting `night.sun_altitude_deg`.
    """

    def is_night(when: datetime) -> bool:
        return sun_altitude_deg(when, latitude_deg, longitude_deg) < night_below_deg

    dark, light = after, after + _STEP
    while not (is_night(dark) and not is_night(light)):
        if light - after > LONGEST:
            return None
        dark, light = light, light + _STEP
    while light - dark > _EXACT:
        middle = dark + (light - dark) / 2
        dark, light = (middle, light) if is_night(middle) else (dark, middle)
    return light
