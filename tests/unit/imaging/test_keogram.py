"""A keogram that grew frame by frame is the one made afterwards from all frames."""

import numpy as np
import pytest

from appliance.imaging.keogram import Keogram, KeogramState, column_of, height_for


def pictures(count: int, shape: tuple[int, int] = (40, 60)) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(count)]


def offline(frames: list[np.ndarray], columns_max: int) -> np.ndarray:
    """Make a keogram of all frames at once."""
    stride = 1
    while -(-len(frames) // stride) > columns_max:
        stride *= 2
    return np.concatenate([column_of(frame, height_for(frame))[:, None] for frame in frames[::stride]], axis=1)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 17, 33, 64, 65, 100])
def test_grown_equals_made_afterwards_to_the_pixel(count: int) -> None:
    frames = pictures(count)
    keogram = Keogram(40, columns_max=8)
    for frame in frames:
        keogram.add(column_of(frame, 40))
    assert np.array_equal(keogram.picture, offline(frames, 8))
    assert keogram.state.frames == count


@pytest.mark.parametrize("cut", [1, 5, 8, 9, 12, 31])
def test_going_on_from_a_saved_one_changes_nothing(cut: int) -> None:
    frames = pictures(40)
    keogram = Keogram(40, columns_max=8)
    for frame in frames[:cut]:
        keogram.add(column_of(frame, 40))
    resumed = Keogram.resumed(keogram.picture, keogram.state, columns_max=8)
    for frame in frames[cut:]:
        resumed.add(column_of(frame, 40))
    assert np.array_equal(resumed.picture, offline(frames, 8))


def test_a_whole_day_of_frames_has_a_bounded_width() -> None:
    keogram = Keogram(4)
    column = np.zeros((4, 3), np.uint8)
    for _ in range(86_400):
        keogram.add(column)
    assert keogram.picture.shape == (4, 86_400 // 16, 3)


@pytest.mark.parametrize(("frames", "stride"), [(10, 1), (8, 0), (8, -1), (24, 3), (17, 2), (9, 1)])
def test_a_state_that_does_not_fit_its_picture_is_refused(frames: int, stride: int) -> None:
    with pytest.raises(ValueError, match="columns are not every"):
        Keogram.resumed(np.zeros((40, 8, 3), np.uint8), KeogramState(frames, stride), columns_max=8)


def test_a_picture_wider_than_a_keogram_is_refused() -> None:
    with pytest.raises(ValueError, match="columns are not"):
        Keogram.resumed(np.zeros((40, 10, 3), np.uint8), KeogramState(10, 1), columns_max=8)


def test_a_column_of_another_height_is_refused() -> None:
    with pytest.raises(ValueError, match="the column is"):
        Keogram(40).add(np.zeros((41, 3), np.uint8))


@pytest.mark.parametrize("columns_max", [0, 1, 7])
def test_an_odd_width_is_refused(columns_max: int) -> None:
    with pytest.raises(ValueError, match="even number"):
        Keogram(40, columns_max=columns_max)


def test_the_column_is_the_middle_of_the_picture_and_not_too_high() -> None:
    picture = np.zeros((1440, 512, 3), np.uint8)
    picture[:, 255:257] = (10, 20, 30)
    assert height_for(picture) == 720
    column = column_of(picture, 720)
    assert column.shape == (720, 3)
    assert (column == (10, 20, 30)).all()
