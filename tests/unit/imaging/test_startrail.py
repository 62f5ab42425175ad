"""A star trail that grew frame by frame is the maximum of all frames."""

import numpy as np
import pytest

from appliance.imaging.startrail import StarTrail


def test_grown_equals_the_maximum_of_all() -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (12, 20, 30, 3), dtype=np.uint8)
    trail = StarTrail(frames[0])
    for frame in frames[1:]:
        trail.add(frame)
    assert np.array_equal(trail.picture, frames.max(axis=0))
    assert trail.frames == 12


def test_the_first_picture_is_not_written_over() -> None:
    first = np.zeros((4, 4, 3), np.uint8)
    StarTrail(first).add(np.full((4, 4, 3), 9, np.uint8))
    assert first.max() == 0


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the star trail"):
        StarTrail(np.zeros((4, 4, 3), np.uint8)).add(np.zeros((4, 5, 3), np.uint8))
