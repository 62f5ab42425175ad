"""The circle of sky."""

import numpy as np
import pytest

from appliance.imaging import mask


@pytest.mark.parametrize("shape", [(40, 60), (61, 41), (50, 50)])
@pytest.mark.parametrize("radius", [0.1, 0.5, 1.0, 1.3])
def test_black_paint_covers_exactly_what_is_outside(shape: tuple[int, int], radius: float) -> None:
    plane = np.full(shape, 9, np.uint8)
    mask.blacken_outside(plane, radius)
    rows, columns = np.indices(shape)
    assert ((plane == 9) == mask.inside(shape, radius, rows, columns)).all()


def test_a_picture_is_painted_in_all_its_colours() -> None:
    picture = np.full((20, 30, 3), 7, np.uint8)
    mask.blacken_outside(picture, 1.0)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[10, 15].tolist() == [7, 7, 7]


def test_a_circle_beyond_the_corners_leaves_everything() -> None:
    plane = np.full((20, 30), 7, np.uint8)
    mask.blacken_outside(plane, 2.0)
    assert (plane == 7).all()
