"""Label templates: a closed list of words, and nothing that could be called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.label import WORDS, check_template, duration_text, fill, temperature_text
from appliance.settings.schema import Image

VALUES = {word: word.upper() for word in WORDS}


def test_words_are_filled_in_line_by_line() -> None:
    assert fill("{site} at {time}\n{{{gain}}}", VALUES) == ("SITE at TIME", "{GAIN}")


def test_lines_that_stay_empty_are_left_out() -> None:
    assert fill("{site}\n\n{sqm}  \nend", VALUES | {"sqm": ""}) == ("SITE", "end")


@pytest.mark.parametrize(
    ("template", "advice"),
    [
        ("{ts.__class__}", "known are site, time"),
        ("{site.__class__.__mro__}", "not known"),
        ("{time!r}", "did you mean {time}"),
        ("{time:>99999999}", "not known"),
        ("{0}", "not known"),
        ("{}", "not known"),
        ("{exposur}", "did you mean {exposure}"),
        ("{Site}", "did you mean {site}"),
        ("{ site }", "did you mean {site}"),
        ("a { b", "write {{"),
        ("a } b", "write }}"),
        ("{site", "write {{"),
        ("{{site}", "write }}"),
        ("{site[0]}", "not known"),
        ("\n".join("abcdefghi"), "9 lines; at most 8"),
    ],
)
def test_what_cannot_be_filled_in_is_refused_with_advice(template: str, advice: str) -> None:
    with pytest.raises(InputError, match="label") as caught:
        check_template(template)
    assert advice in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_filled_in_or_refused(template: str) -> None:
    try:
        lines = fill(template, VALUES)
    except InputError:
        return
    assert all(line.isprintable() and line == line.strip() for line in lines)


def test_a_value_is_never_read_as_a_template() -> None:
    assert fill("{site}", VALUES | {"site": "{gain} {0.__class__}"}) == ("{gain} {0.__class__}",)


def test_the_default_template_and_the_help_of_the_setting_name_known_words() -> None:
    check_template(Image().label)
    assert Image.model_fields["label"].description is not None
    assert Image.model_fields["label"].description.endswith(f"Words in braces: {', '.join(WORDS)}.")


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(15, "15 s"), (2.5, "2.5 s"), (12.0956, "12.1 s"), (120, "120 s"), (0.9999, "1 s"), (0.5, "500 ms"), (0.00125, "1.25 ms"),
     (0.0005, "500 µs"), (0.000032, "32 µs"), (0.00099999, "1 ms")],
)  # fmt: skip
def test_exposure_times_are_written_as_photographers_say_them(duration_s: float, text: str) -> None:
    assert duration_text(duration_s) == text


def test_temperatures() -> None:
    assert temperature_text(-5.23) == "\N{MINUS SIGN}5.2 °C"
    assert temperature_text(0.0) == "0.0 °C"
    assert temperature_text(None) == ""
