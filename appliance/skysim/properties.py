"""The driver's INDI properties, named as INDI's own camera drivers name them, and what a client may put into them."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from indipydriver import (
    BLOBMember,
    BLOBVector,
    NumberMember,
    NumberVector,
    SwitchMember,
    SwitchVector,
    TextMember,
    TextVector,
)

from appliance.domain.frame import BayerPattern, FrameKind
from appliance.skysim.config import MONO, SIDE_MAX, SIDE_MIN
from appliance.skysim.scene import Projection, Scene

DEVICE: Final = "Nightjar Sky"
EXECUTABLE: Final = "nightjar-sky"
EXPOSURE_MIN_S: Final = 0.000032
EXPOSURE_MAX_S: Final = 3600.0
GAIN_MAX: Final = 350.0
OFFSET_MAX: Final = 255
BINNING_MAX: Final = 4
PIXEL_SIZE_UM: Final = 3.75

MAIN, CONTROL, IMAGE, INFO, SKY = "Main Control", "Image Settings", "Image Info", "General Info", "Sky"
FRAME_KINDS: Final = {
    "FRAME_LIGHT": FrameKind.LIGHT,
    "FRAME_BIAS": FrameKind.BIAS,
    "FRAME_DARK": FrameKind.DARK,
    "FRAME_FLAT": FrameKind.FLAT,
}
PROJECTIONS: Final = {projection.name: projection for projection in Projection}
PATTERNS: Final[dict[str, BayerPattern | None]] = {**{pattern.name: pattern for pattern in BayerPattern}, MONO: None}

Vector: TypeAlias = Any
"""One of indipydriver's vectors, which have no types."""


def always(version: str) -> list[Vector]:
    """Return the properties that are there before a client connects the camera."""
    return [
        _switches("CONNECTION", "Connection", MAIN, {"CONNECT": False, "DISCONNECT": True}),
        _texts(
            "DRIVER_INFO", "Driver Info", INFO,
            {"DRIVER_NAME": DEVICE, "DRIVER_EXEC": EXECUTABLE, "DRIVER_VERSION": version, "DRIVER_INTERFACE": "2"},
        ),
    ]  # fmt: skip


def connected(scene: Scene) -> list[Vector]:
    """Return the properties of a connected camera."""
    lens, sensor, weather = scene.lens, scene.sensor, scene.weather
    return [
        _numbers("CCD_EXPOSURE", "Expose", MAIN, [("CCD_EXPOSURE_VALUE", "%.6f", EXPOSURE_MIN_S, EXPOSURE_MAX_S, 1.0)]),
        _switches("CCD_ABORT_EXPOSURE", "Abort", MAIN, {"ABORT": False}, rule="AtMostOne"),
        _numbers("CCD_TEMPERATURE", "Temperature", MAIN, [("CCD_TEMPERATURE_VALUE", "%.2f", -50.0, 50.0, sensor.temperature_c)]),
        _numbers(
            "CCD_FRAME", "Frame", CONTROL,
            [
                ("X", "%.0f", 0, lens.width - 1, 0), ("Y", "%.0f", 0, lens.height - 1, 0),
                ("WIDTH", "%.0f", 1, lens.width, lens.width), ("HEIGHT", "%.0f", 1, lens.height, lens.height),
            ],
        ),
        _numbers("CCD_BINNING", "Binning", CONTROL, [(name, "%.0f", 1, BINNING_MAX, 1) for name in ("HOR_BIN", "VER_BIN")]),
        _switches("CCD_FRAME_TYPE", "Frame Type", CONTROL, {name: name == "FRAME_LIGHT" for name in FRAME_KINDS}),
        _numbers("CCD_GAIN", "Gain", MAIN, [("GAIN", "%.0f", 0, GAIN_MAX, 0)]),
        _numbers("CCD_OFFSET", "Offset", MAIN, [("OFFSET", "%.0f", 0, OFFSET_MAX, sensor.offset_adu)]),
        _numbers(
            "CCD_INFO", "CCD Information", IMAGE,
            [
                ("CCD_MAX_X", "%.0f", 1, SIDE_MAX, lens.width), ("CCD_MAX_Y", "%.0f", 1, SIDE_MAX, lens.height),
                ("CCD_PIXEL_SIZE", "%.2f", 1, 40, PIXEL_SIZE_UM), ("CCD_PIXEL_SIZE_X", "%.2f", 1, 40, PIXEL_SIZE_UM),
                ("CCD_PIXEL_SIZE_Y", "%.2f", 1, 40, PIXEL_SIZE_UM), ("CCD_BITSPERPIXEL", "%.0f", 8, 64, 16),
            ],
            perm="ro",
        ),
        _switches("UPLOAD_MODE", "Upload", CONTROL, {"UPLOAD_CLIENT": True}),
        _switches("CCD_TRANSFER_FORMAT", "Encode", CONTROL, {"FORMAT_FITS": True}),
        _switches("CCD_COMPRESSION", "Compression", CONTROL, {"INDI_ENABLED": False, "INDI_DISABLED": True}),
        _numbers(
            "GEOGRAPHIC_COORD", "Site", SKY,
            [("LAT", "%.6f", -90, 90, scene.site.latitude_deg), ("LONG", "%.6f", -180, 360, scene.site.longitude_deg)],
        ),
        _numbers(
            "SKY_SIZE", "Size", SKY,
            [("WIDTH", "%.0f", SIDE_MIN, SIDE_MAX, lens.width), ("HEIGHT", "%.0f", SIDE_MIN, SIDE_MAX, lens.height)],
        ),
        _switches("SKY_PROJECTION", "Projection", SKY, {name: kind is lens.projection for name, kind in PROJECTIONS.items()}),
        _numbers("SKY_ORIENTATION", "Orientation", SKY, [("TOP_AZIMUTH", "%.2f", -360, 360, lens.top_azimuth_deg)]),
        _numbers(
            "SKY_WEATHER", "Weather", SKY,
            [("CLOUD_COVER", "%.2f", 0, 1, weather.cloud_cover), ("LIGHT_POLLUTION", "%.2f", 0, 100, weather.light_pollution)],
        ),
        _numbers("SKY_SEED", "Seed", SKY, [("SEED", "%.0f", 0, 2**31 - 1, scene.seed)]),
        _switches(
            "SKY_OBJECTS", "Shows", SKY,
            {"MOON": scene.has_moon, "METEORS": scene.has_meteors, "SATELLITES": scene.has_satellites}, rule="AnyOfMany",
        ),
        _switches("SKY_BAYER", "Bayer pattern", SKY, {name: pattern is sensor.bayer for name, pattern in PATTERNS.items()}),
        _texts(
            "CCD_CFA", "Color filter array", IMAGE,
            {"CFA_OFFSET_X": "0", "CFA_OFFSET_Y": "0", "CFA_TYPE": sensor.bayer.value if sensor.bayer else ""},
        ),
        BLOBVector("CCD1", "Image Data", IMAGE, "ro", "Idle", [BLOBMember("CCD1", "Image", 0, ".fits")]),
    ]  # fmt: skip


def numbers_in(vector: NumberVector, wanted: Mapping[str, str]) -> dict[str, float] | None:
    """Return every number of a vector with the wanted ones put in, or None if one is no number within its bounds."""
    values = {name: member.getfloatvalue() for name, member in vector.data.items()}
    for name, text in wanted.items():
        member = vector.data[name]
        try:
            value = float(vector.driver.indi_number_to_float(text))
        except TypeError:
            return None
        if not float(member.min) <= value <= float(member.max):  # also refuses nan
            return None
        values[name] = value
    return values


def switches_in(vector: SwitchVector, wanted: Mapping[str, str]) -> dict[str, str] | None:
    """Return every switch of a vector with the wanted ones put in, or None if that breaks the vector's rule."""
    if vector.rule == "AnyOfMany":
        return {name: wanted.get(name, vector[name]) for name in vector}
    turned_on = [name for name, value in wanted.items() if value == "On"]
    if len(turned_on) != 1:
        return None
    return {name: "On" if name == turned_on[0] else "Off" for name in vector}


def _switches(name: str, label: str, group: str, members: Mapping[str, bool], *, rule: str = "OneOfMany") -> SwitchVector:
    made = [SwitchMember(member, member, "On" if is_on else "Off") for member, is_on in members.items()]
    return SwitchVector(name, label, group, "rw", rule, "Idle", made)


def _numbers(
    name: str, label: str, group: str, members: list[tuple[str, str, float, float, float]], *, perm: str = "rw"
) -> NumberVector:
    made = [NumberMember(member, member, form, least, most, 0, value) for member, form, least, most, value in members]
    return NumberVector(name, label, group, perm, "Idle", made)


def _texts(name: str, label: str, group: str, members: Mapping[str, str]) -> TextVector:
    return TextVector(name, label, group, "ro", "Idle", [TextMember(member, member, value) for member, value in members.items()])
