"""The scene from the environment: every value is taken or refused by name."""

import pytest

from appliance.domain.errors import StartError
from appliance.domain.frame import BayerPattern
from appliance.skysim.config import scene_from
from appliance.skysim.scene import Projection, Scene


def test_nothing_set_is_the_default_scene() -> None:
    assert scene_from({"PATH": "/bin", "NIGHTJAR_CLOCK": "x"}) == Scene()


def test_every_variable_has_its_place() -> None:
    scene = scene_from(
        {
            f"NIGHTJAR_SKYSIM_{name}": text
            for name, text in {
                "LATITUDE": "-24.6", "LONGITUDE": "-70.4", "WIDTH": "1920", "HEIGHT": "1080", "PROJECTION": "equisolid",
                "TOP_AZIMUTH": "180", "CLOUD_COVER": "0.7", "LIGHT_POLLUTION": "0", "SEED": "9", "BAYER": "GBRG", "BITS": "14",
            }.items()
        }
    )  # fmt: skip
    assert (scene.site.latitude_deg, scene.site.longitude_deg) == (-24.6, -70.4)
    assert (scene.lens.width, scene.lens.height, scene.lens.projection, scene.lens.top_azimuth_deg) == (
        1920, 1080, Projection.EQUISOLID, 180.0,
    )  # fmt: skip
    assert (scene.weather.cloud_cover, scene.weather.light_pollution, scene.seed) == (0.7, 0.0, 9)
    assert (scene.sensor.bayer, scene.sensor.bits) == (BayerPattern.GBRG, 14)
    assert scene_from({"NIGHTJAR_SKYSIM_BAYER": "MONO"}).sensor.bayer is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LATITUDE", "91"), ("LATITUDE", "nan"), ("LONGITUDE", "west"), ("WIDTH", "63"), ("HEIGHT", "1e9"),
        ("PROJECTION", "flat"), ("CLOUD_COVER", "1.1"), ("CLOUD_COVER", ""), ("SEED", "-1"), ("BAYER", "RGB"), ("BITS", "17"),
        ("COLOUR", "1"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(StartError, match=f"NIGHTJAR_SKYSIM_{name}"):
        scene_from({f"NIGHTJAR_SKYSIM_{name}": text})
