"""How INDI drivers differ: one row a driver with its names for gain, offset and format, each with its source.

What all drivers share (CCD_EXPOSURE, CCD_FRAME, CCD_BINNING, UPLOAD_MODE, CCD1 ...) comes from libindi's `indiccd.cpp`
and stands in `indicamera.py`. Names were read in indilib/indi 2.1.2, indilib/indi-3rdparty (master, 2026) and
scriptorron/indi_pylibcamera (2.x); see decision record 0602.
"""

from dataclasses import dataclass

from appliance.camera.port import GainUnit


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an INDI property."""

    property: str
    element: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """What has to be known of a driver beyond the standard properties."""

    name: str
    executables: tuple[str, ...]
    """Beginnings of DRIVER_INFO.DRIVER_EXEC; several drivers serve one make."""
    gain: Element | None = Element("CCD_GAIN", "GAIN")
    gain_unit: GainUnit = GainUnit.DECIBEL_TENTHS
    iso: str | None = None
    """A switch whose labels are ISO values; the nearest takes the part of the gain."""
    offset: Element | None = Element("CCD_OFFSET", "OFFSET")
    formats: tuple[Element, ...] = ()
    """Switches to turn on, where the driver has them, so that frames are raw and as deep as can be."""
    bits: int = 16
    """Depth of the pixels where a driver leaves them at the low end of 16 bit."""
    read_out_s: float = 15.0
    follows_clock: bool = False


DIALECTS = (
    Dialect(  # indi-asi/asi_base.cpp: CCD_CONTROLS is filled with the SDK's own names; RAW16 shifts up to 16 bit
        "asi", ("indi_asi_",),
        gain=Element("CCD_CONTROLS", "Gain"), offset=Element("CCD_CONTROLS", "Offset"),
        formats=(Element("CCD_VIDEO_FORMAT", "ASI_IMG_RAW16"), Element("CCD_CAPTURE_FORMAT", "ASI_IMG_RAW16")),
    ),
    Dialect(  # indi-playerone/playerone_base.cpp, written after the ASI driver
        "playerone", ("indi_playerone_",),
        gain=Element("CCD_CONTROLS", "Gain"), offset=Element("CCD_CONTROLS", "Offset"),
        formats=(Element("CCD_VIDEO_FORMAT", "POA_RAW16"), Element("CCD_CAPTURE_FORMAT", "POA_RAW16")),
    ),
    Dialect("sx", ("indi_sx_ccd",), gain=None, gain_unit=GainUnit.NONE, offset=None),  # indi-sx/sxccd.cpp: no gain
    Dialect(  # indi-gphoto/gphoto_ccd.cpp; FITS from LibRaw keeps the sensor's own 14 bit; mirror and card take their time
        "gphoto", ("indi_gphoto_ccd", "indi_canon_ccd", "indi_nikon_ccd", "indi_sony_ccd", "indi_fuji_ccd", "indi_pentax_ccd"),
        gain=None, gain_unit=GainUnit.FACTOR, iso="CCD_ISO", offset=None,
        formats=(Element("CCD_CAPTURE_TARGET", "RAM"),), bits=14, read_out_s=40.0,
    ),
    Dialect(  # indi-webcam/indi_webcam.cpp adds up video frames; it has no gain
        "webcam", ("indi_webcam_ccd",), gain=None, gain_unit=GainUnit.NONE, offset=None,
        formats=(Element("OUTPUT_FORMAT_OPTION", "16 bit Grayscale"),),
    ),
    Dialect(  # drivers/video/v4l2driver.cpp: the kernel's controls under their own names
        "v4l2", ("indi_v4l2_ccd",), gain=Element("Image Adjustments", "Gain"), gain_unit=GainUnit.NONE, offset=None,
        formats=(Element("CCD_CAPTURE_FORMAT", "INDI_MONO"), Element("CCD_COLOR_SPACE", "CCD_COLOR_GRAY")),
    ),
    Dialect(  # src/indi_pylibcamera/indi_pylibcamera.py: gain is libcamera's AnalogueGain; pixels are shifted up to 16 bit
        "pylibcamera", ("indi_pylibcamera", "indi-pylibcamera"), gain_unit=GainUnit.FACTOR, offset=None,
        formats=(Element("CCD_CAPTURE_FORMAT", "INDI_RAW"),), read_out_s=25.0,
    ),
    Dialect("simulator", ("indi_simulator_ccd",), gain_unit=GainUnit.NONE),  # drivers/ccd/ccd_simulator.cpp: 1 + sqrt(gain)
    Dialect("sky", ("nightjar-sky",), follows_clock=True),
)  # fmt: skip

STANDARD = Dialect("standard", ())
"""For every other driver: libindi's own names, which most newer drivers use."""


def dialect_of(executable: str, device: str) -> Dialect:
    """Return the row of a driver, by its executable or, for our own simulator, by the device's name."""
    if device == "Nightjar Sky":
        return DIALECTS[-1]
    program = executable.rpartition("/")[2]
    return next((d for d in DIALECTS if program.startswith(d.executables)), STANDARD)
