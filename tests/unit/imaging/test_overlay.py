"""The label can be read on any background, in any common alphabet."""

import numpy as np
import pytest

from appliance.imaging.overlay import draw_label


def drawn(background: int, *lines: str, shape: tuple[int, int] = (540, 960), size: float = 1.0) -> np.ndarray:
    picture = np.full((*shape, 3), background, np.uint8)
    draw_label(picture, lines, size=size)
    return picture


@pytest.mark.parametrize("background", [0, 30, 128, 200, 255])
def test_letters_stand_out_from_what_is_around_them(background: int) -> None:
    corner = drawn(background, "Nightjar 22:15:30", size=2.0)[:50, :280, 0].astype(int)
    assert (corner >= 240).sum() > 500  # ink
    if background > 120:
        assert (corner < 0.5 * background).sum() > 500  # seam
    assert corner.max() - corner.min() > 120


def test_only_the_corner_is_changed() -> None:
    picture = drawn(90, "one", "two")
    assert (picture[100:] == 90).all()
    assert (picture[:, 200:] == 90).all()
    assert (picture[:60, :100] != 90).any()


@pytest.mark.parametrize("text", ["Größe", "Łódź", "Москва", "Ελλάδα", "日本", "\N{MINUS SIGN}5.2 °C", "½ ★"])
def test_other_alphabets_are_drawn_and_not_replaced_by_question_marks(text: str) -> None:
    for letter in set(text) - {" "}:
        assert (drawn(0, letter) != drawn(0, "?" if letter != "?" else "!")).any()
        assert drawn(0, letter, size=2.0).max() > 200


def test_a_long_line_is_made_smaller_until_it_fits() -> None:
    picture = drawn(0, "a very long name of an observatory " * 3)
    columns = np.flatnonzero(picture.max(axis=(0, 2)) > 100)
    assert 600 < columns.max() < 958


def test_the_size_of_the_letters_follows_the_setting() -> None:
    heights = [np.flatnonzero(drawn(0, "H", size=size).max(axis=(1, 2)) > 128).size for size in (1.0, 2.0)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=3)


@pytest.mark.parametrize("shape", [(16, 16), (47, 2000)])
def test_a_tiny_picture_stays_as_it_is(shape: tuple[int, int]) -> None:
    assert (drawn(7, "text", shape=shape) == 7).all()


def test_no_lines_change_nothing() -> None:
    assert (drawn(7) == 7).all()


def test_more_lines_than_there_is_room_for_do_not_fail() -> None:
    drawn(7, *["line"] * 8, shape=(60, 80), size=5.0)
