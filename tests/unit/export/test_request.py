"""`nightjar-export.toml`: untrusted, small, and narrowing only."""

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.night import NightId
from appliance.domain.stick import ExportKind
from appliance.export.request import LARGEST, Choice, choice_of

PICTURES, PRODUCTS, FILMS = ExportKind.PICTURES, ExportKind.PRODUCTS, ExportKind.FILMS
NIGHTS = [NightId(f"2026-01-{day}") for day in (28, 29, 30, 31)]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("", Choice(())),
        ('nights = "all"', Choice(())),
        ('nights = "latest"', Choice((), newest=1)),
        ("nights = 7", Choice((), newest=7)),
        ('nights = ["2026-01-30", "2026-01-31", "2026-01-30"]', Choice((), (NIGHTS[3], NIGHTS[2]))),
        ('kinds = ["films", "pictures"]', Choice((PICTURES, FILMS))),
        ('\ufeffkinds = ["products"]\r\nnights = 1\r\n', Choice((PRODUCTS,), newest=1)),
    ],
)
def test_what_the_manual_shows_is_understood(text: str, choice: Choice) -> None:
    assert choice_of(text.encode()) == choice


@pytest.mark.parametrize(
    "text",
    [
        "nights = -1", "nights = true", "nights = 1.5", 'nights = "some"', 'nights = ["2026-02-31"]', "nights = [1]",
        'nights = ["../../etc"]', "nights = {}", 'kinds = "films"', 'kinds = ["raw"]', "kinds = [1]", "kinds = [[]]",
        'command = "rm -rf /"', "[export]\nnights = 1", "nights = 2026-01-31", "=", "[" * 4000, "a." * 2000 + "b = 1",
        "nights = [" + "[" * 3000, "\0", "nights = 100001", "nights = " + "9" * 4000,
    ],
)  # fmt: skip
def test_what_it_does_not_show_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        choice_of(text.encode())


def test_one_byte_too_many_is_refused() -> None:
    text = b"nights = 1\n#" + b"x" * (LARGEST - 12)
    assert choice_of(text) == Choice((), newest=1)
    with pytest.raises(InputError, match="larger than 4096"):
        choice_of(text + b"x")


@hypothesis.given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_refused(untrusted: bytes) -> None:
    try:
        choice = choice_of(untrusted)
    except InputError:
        return
    assert isinstance(choice, Choice)


def test_a_choice_takes_the_newest_first() -> None:
    assert Choice(()).of(NIGHTS) == NIGHTS[::-1]
    assert Choice((), newest=2).of(NIGHTS) == [NIGHTS[3], NIGHTS[2]]
    assert Choice((), (NIGHTS[0], NIGHTS[2], NightId("1999-01-01"))).of(NIGHTS) == [NIGHTS[2], NIGHTS[0]]


def test_a_stick_can_narrow_what_is_copied_and_never_widen_it() -> None:
    allowed = Choice((PICTURES, PRODUCTS), newest=3)
    assert allowed.narrowed_by(Choice(())) == allowed
    assert allowed.narrowed_by(Choice((PRODUCTS, FILMS), newest=10)) == Choice((PRODUCTS,), newest=3)
    assert allowed.narrowed_by(Choice((), newest=1)) == Choice((PICTURES, PRODUCTS), newest=1)
    assert allowed.narrowed_by(Choice((FILMS,))) == Choice((), newest=3)
    assert Choice((PICTURES,)).narrowed_by(Choice((), newest=5)).newest == 5
