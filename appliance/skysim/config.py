"""The scene that the driver starts with, from variables of the environment; every value is checked."""

import math
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from appliance.domain.errors import StartError
from appliance.domain.frame import BayerPattern
from appliance.skysim.scene import Projection, Scene

PREFIX = "NIGHTJAR_SKYSIM_"
MONO = "MONO"
SIDE_MIN, SIDE_MAX = 64, 8192

_Word = TypeVar("_Word", bound=StrEnum)
_NAMES = frozenset(
    "LATITUDE LONGITUDE WIDTH HEIGHT PROJECTION TOP_AZIMUTH CLOUD_COVER LIGHT_POLLUTION SEED BAYER BITS".split()  # noqa: SIM905
)


def scene_from(environment: Mapping[str, str]) -> Scene:
    """Return the default scene, changed by every `NIGHTJAR_SKYSIM_*` that is set.

    Raises
    ------
    StartError
        If a value is out of its bounds or a name is unknown; the message names it.
    """
    given = {name.removeprefix(PREFIX): text for name, text in environment.items() if name.startswith(PREFIX)}
    unknown = given.keys() - _NAMES
    if unknown:
        raise StartError(f"the sky simulator knows no {PREFIX}{min(unknown)}; it knows {', '.join(sorted(_NAMES))}")
    plain = Scene()
    return replace(
        plain,
        site=replace(
            plain.site,
            latitude_deg=_number(given, "LATITUDE", -90, 90, plain.site.latitude_deg),
            longitude_deg=_number(given, "LONGITUDE", -180, 360, plain.site.longitude_deg),
        ),
        lens=replace(
            plain.lens,
            width=int(_number(given, "WIDTH", SIDE_MIN, SIDE_MAX, plain.lens.width)),
            height=int(_number(given, "HEIGHT", SIDE_MIN, SIDE_MAX, plain.lens.height)),
            projection=_word(given, "PROJECTION", Projection, plain.lens.projection),
            top_azimuth_deg=_number(given, "TOP_AZIMUTH", -360, 360, plain.lens.top_azimuth_deg),
        ),
        sensor=replace(
            plain.sensor,
            bayer=None if given.get("BAYER") == MONO else _word(given, "BAYER", BayerPattern, BayerPattern.RGGB),
            bits=int(_number(given, "BITS", 8, 16, plain.sensor.bits)),
        ),
        weather=replace(
            plain.weather,
            cloud_cover=_number(given, "CLOUD_COVER", 0, 1, plain.weather.cloud_cover),
            light_pollution=_number(given, "LIGHT_POLLUTION", 0, 100, plain.weather.light_pollution),
        ),
        seed=int(_number(given, "SEED", 0, 2**31 - 1, plain.seed)),
    )


def _number(given: Mapping[str, str], name: str, minimum: float, maximum: float, default: float) -> float:
    if name not in given:
        return default
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not minimum <= value <= maximum:
        raise StartError(f"{PREFIX}{name} is {given[name]!r}; it must be a number from {minimum} to {maximum}")
    return value


def _word(given: Mapping[str, str], name: str, words: type[_Word], default: _Word) -> _Word:
    if name not in given:
        return default
    try:
        return words(given[name])
    except ValueError as error:
        raise StartError(f"{PREFIX}{name} is {given[name]!r}; it must be one of {', '.join(words)}") from error
