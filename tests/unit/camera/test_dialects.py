"""The table of dialects, against the names that stand in the drivers' sources."""

import pytest

from appliance.camera.dialects import DIALECTS, STANDARD, Element, dialect_of
from appliance.camera.port import GainUnit


@pytest.mark.parametrize(
    ("executable", "name"),
    [
        ("indi_asi_ccd", "asi"),
        ("/usr/bin/indi_asi_single_ccd", "asi"),
        ("indi_playerone_ccd", "playerone"),
        ("indi_sx_ccd", "sx"),
        ("indi_gphoto_ccd", "gphoto"),
        ("indi_canon_ccd", "gphoto"),
        ("indi_webcam_ccd", "webcam"),
        ("indi_v4l2_ccd", "v4l2"),
        ("indi_pylibcamera3", "pylibcamera"),
        ("indi_simulator_ccd", "simulator"),
        ("indi_unheard_of", "standard"),
        ("", "standard"),
    ],
)
def test_a_driver_is_known_by_its_executable(executable: str, name: str) -> None:
    assert dialect_of(executable, "Camera 1").name == name


def test_our_simulator_is_known_by_its_device_and_follows_the_clock() -> None:
    dialect = dialect_of("/tmp/some/wrapper", "Nightjar Sky")  # noqa: S108 - a name, not a file
    assert (dialect.name, dialect.follows_clock) == ("sky", True)


def test_only_the_simulated_sky_follows_the_clock() -> None:
    assert [d.name for d in DIALECTS if d.follows_clock] == ["sky"]


def test_zwo_has_its_controls_in_one_property() -> None:
    dialect = dialect_of("indi_asi_ccd", "ZWO CCD ASI224MC")
    assert (dialect.gain, dialect.offset) == (Element("CCD_CONTROLS", "Gain"), Element("CCD_CONTROLS", "Offset"))
    assert Element("CCD_VIDEO_FORMAT", "ASI_IMG_RAW16") in dialect.formats


def test_every_other_driver_is_taken_to_use_libindis_names() -> None:
    assert (STANDARD.gain, STANDARD.offset) == (Element("CCD_GAIN", "GAIN"), Element("CCD_OFFSET", "OFFSET"))


def test_a_driver_without_gain_says_so() -> None:
    assert all(d.gain_unit is GainUnit.NONE for d in DIALECTS if d.gain is None and d.iso is None)
