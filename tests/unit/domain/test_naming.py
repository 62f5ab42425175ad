"""Names at a target: only safe ones come out, whatever the template says."""

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.naming import WORDS, check_naming, name_from

VALUES = {"night": "2026-01-31", "name": "20260131T210015Z-7", "date": "2026-02-01", "time": "01-02-03", "number": "7"}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{night}/{name}", "2026-01-31/20260131T210015Z-7"),
        ("latest", "latest"),
        ("sky {date} {time}", "sky 2026-02-01 01-02-03"),
        ("a/b/c/d/e/{number}", "a/b/c/d/e/7"),
    ],
)
def test_words_are_filled_in(template: str, name: str) -> None:
    check_naming(template)
    assert name_from(template, VALUES) == name


@pytest.mark.parametrize(
    "template",
    ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".hidden", "{home}", "{night", "a\\b", "a\nb", "é", "a/b/c/d/e/f/g",
     "x" * 121, "ends.", "ends ", "{name.__class__}"],
)  # fmt: skip
def test_what_cannot_name_a_file_is_refused(template: str) -> None:
    with pytest.raises(InputError):
        check_naming(template)


@hypothesis.given(st.text(alphabet="ab./\\{}night \x00~-", max_size=30))
def test_no_template_leads_out_of_the_folder(template: str) -> None:
    try:
        name = name_from(template, dict.fromkeys(WORDS, "x"))
    except InputError:
        return
    assert not name.startswith("/")
    assert all(part and part.strip(". ") and not part.startswith(".") for part in name.split("/"))
