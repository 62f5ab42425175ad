"""Versions in their order, as Semantic Versioning has it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.version import is_older, is_version, version_key

IN_ORDER = (
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
    "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0",
)  # fmt: skip


def test_they_come_in_the_order_of_the_specification() -> None:
    assert sorted(IN_ORDER, key=version_key) == list(IN_ORDER)
    assert all(is_older(one, other) for one, other in pairwise(IN_ORDER))


def test_a_version_is_not_older_than_itself_whatever_it_was_built_from() -> None:
    assert not is_older("1.2.0", "1.2.0")
    assert not is_older("1.2.0+build.7", "1.2.0")


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3 ", "v1.2.3", "1.2.3\n", "1.2.3-" + "a" * 90]
)
def test_what_is_none_is_refused(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(InputError, match="A version is written like"):
        version_key(text)


@given(st.text())
def test_nothing_but_a_version_or_a_refusal_comes_out(text: str) -> None:
    if is_version(text):
        assert version_key(text) >= (0, 0, 0, False, ())
    else:
        with pytest.raises(InputError):
            version_key(text)
