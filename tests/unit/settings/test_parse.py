"""Settings from untrusted data: accepted as a typed tree or refused with every reason."""

import json
import math
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import SettingsError
from appliance.settings.migrate import STEPS, Tree, migrate
from appliance.settings.parse import LARGEST_TEXT, MOST_PROBLEMS, from_json, parse, to_json
from appliance.settings.schema import VERSION, Settings

NO_ZONE = "is not the name of a time zone; write it like Europe/Vienna or UTC"


def problems(untrusted: object) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        parse(untrusted)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_nothing_is_the_defaults() -> None:
    assert parse({}) == Settings()


def test_what_is_given_is_taken_and_the_rest_is_default() -> None:
    settings = parse(
        {"site": {"latitude_deg": 48, "longitude_deg": 16.4, "timezone": "Europe/Vienna"}, "image": {"rotation": "90"}}
    )
    assert (settings.site.latitude_deg, settings.site.timezone, settings.image.rotation) == (48.0, "Europe/Vienna", "90")
    assert settings.camera == Settings().camera


def test_settings_go_out_and_come_back() -> None:
    settings = parse({"image": {"label": "ä\n{time}"}, "camera": {"offset_adu": 7}})
    assert from_json(to_json(settings)) == settings
    assert parse(json.loads(to_json(settings))) == settings


@pytest.mark.parametrize(
    ("tree", "path", "message"),
    [
        ({"site": {"latitude_deg": 91, "longitude_deg": 0}}, "site.latitude_deg", "must be at most 90 °"),
        ({"camera": {"period_s": -1}}, "camera.period_s", "must be at least 0 s"),
        ({"camera": {"binning": 1.5}}, "camera.binning", "must be a whole number"),
        ({"camera": {"binning": True}}, "camera.binning", "must be a whole number"),
        ({"camera": {"gain": "5"}}, "camera.gain", "must be a number"),
        ({"camera": {"gain": None}}, "camera.gain", "must be a number"),
        ({"camera": {"is_automatic": 1}}, "camera.is_automatic", "must be true or false"),
        ({"camera": {"transport": "pigeon"}}, "camera.transport", "must be one of 'local' or 'remote'"),
        ({"camera": {"remote_host": "a b"}}, "camera.remote_host", "holds letters that do not belong here"),
        ({"site": {"name": "x" * 61}}, "site.name", "has more than 60 letters; shorten it"),
        ({"site": {"name": 5}}, "site.name", "must be a text"),
        ({"site": {"name": "a\x1b[2J"}}, "site.name", "holds characters that cannot be shown"),
        ({"site": {"name": "a\0"}}, "site.name", "holds characters that cannot be shown"),
        ({"site": {"name": "two\nlines"}}, "site.name", "must be one line"),
        ({"site": {"timezone": "Mars/Olympus"}}, "site.timezone", NO_ZONE),
        ({"site": {"timezone": "../../etc/passwd"}}, "site.timezone", NO_ZONE),
        ({"site": {"latitude_deg": 48}}, "site.longitude_deg", "is needed too: give latitude and longitude, or neither"),
        ({"site": {"longitude_deg": 16}}, "site.latitude_deg", "is needed too: give latitude and longitude, or neither"),
        ({"camera": {"gain_min": 300}}, "camera.gain_min", "must not be higher than the highest gain, 250"),
        ({"camera": {"duration_min_s": 20}}, "camera.duration_min_s", "must not be longer than the longest exposure, 14 s"),
        ({"camera": {"transport": "remote"}}, "camera.remote_host", "is needed for a remote INDI server"),
        ({"camera": {"gian": 5}}, "camera.gian", "is not a setting; did you mean gain?"),
        ({"site": {"zzz": 5}}, "site.zzz", "is not a setting; remove it"),
        ({"cammera": {}}, "cammera", "is not a setting; did you mean camera?"),
        ({"site": {"name": {"deep": 1}}}, "site.name", "must be a text"),
        ({"site": []}, "site", "must be a section with its settings"),
        ({"site": None}, "site", "must be a section with its settings"),
        ([], "settings", "must be a section with its settings"),
        ("text", "settings", "must be a section with its settings"),
        (None, "settings", "must be a section with its settings"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_in_plain_words(tree: object, path: str, message: str) -> None:
    assert problems(tree) == {path: message}


def test_all_problems_are_told_at_once() -> None:
    found = problems({"site": {"latitude_deg": 91, "name": 5}, "camera": {"binning": 0}, "web": {"nonsense": 1}})
    assert set(found) == {"site.latitude_deg", "site.name", "camera.binning", "web.nonsense"}


def test_problems_are_bounded() -> None:
    assert len(problems({f"key{number}": 1 for number in range(5000)})) == MOST_PROBLEMS


@pytest.mark.parametrize("untrusted", [{"a": math.nan}, {"a": {1, 2}}, {"a": object()}, {(1, 2): 3}])
def test_what_json_cannot_say_is_refused(untrusted: object) -> None:
    assert "is not JSON" in problems(untrusted)["settings"]


@pytest.mark.parametrize(
    "text",
    ["", "not JSON", '{"site": ', "[]", "5", "null", "[" * 100_000, '{"a":' * 100_000,
     '{"site": {"name": "\\ud800"}}',
     "{" + " " * LARGEST_TEXT + "}",
     '{"camera": {"gain": 1e999}}', '{"camera": {"gain": NaN}}', '{"camera": {"binning": ' + "9" * 5000 + "}}"],
)  # fmt: skip
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
SECTION = st.dictionaries(st.sampled_from([*Settings().camera.model_dump(), *Settings().site.model_dump()]), JSON, max_size=6)


@hypothesis.given(JSON | st.dictionaries(st.sampled_from([*Settings.model_fields, "other"]), SECTION | JSON))
def test_anything_is_parsed_or_refused(untrusted: object) -> None:
    try:
        settings = parse(untrusted)
    except SettingsError as error:
        refused = error.problems
    else:
        assert from_json(to_json(settings)) == settings
        return
    assert refused
    assert all(problem.path and problem.message for problem in refused)


STEPS_OF_A_TEST: dict[int, Callable[[Tree], Tree]] = {
    1: lambda tree: tree | {"two": True},
    2: lambda tree: tree | {"three": tree["two"]},
}


class TestMigration:
    def test_steps_follow_one_another(self) -> None:
        tree: Tree = {"one": 1}
        assert migrate(1, tree, steps=STEPS_OF_A_TEST, target=3) == {"one": 1, "two": True, "three": True}
        assert migrate(3, tree, steps=STEPS_OF_A_TEST, target=3) == tree
        assert tree == {"one": 1}

    def test_today_s_version_is_left_as_it_is(self) -> None:
        assert migrate(VERSION, {"a": 1}) == {"a": 1}

    @pytest.mark.parametrize("version", [VERSION + 1, 99, 0, -1])
    def test_other_versions_are_refused(self, version: int) -> None:
        with pytest.raises(SettingsError, match="version"):
            migrate(version, {})

    def test_there_is_a_step_for_every_former_version(self) -> None:
        assert set(STEPS) == set(range(1, VERSION))
