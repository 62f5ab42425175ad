"""Targets in the settings: read, refused, compared."""

from collections.abc import Mapping

import pytest

from appliance.domain.errors import SettingsError
from appliance.settings.fields import differences, target_fields, target_from_form
from appliance.settings.parse import parse, parse_target
from appliance.settings.schema import Settings
from appliance.settings.targets import KINDS, MOST_TARGETS

GOOD = {"id": "abcd1234", "kind": "sftp", "title": "Roof", "host": "there.example", "user": "ada"}
FORM = {
    "target.title": "Roof",
    "target.host": "there.example",
    "target.user": "ada",
    "target.port": "22",
    "target.pictures": "on",
}


def problems(base: Mapping[str, object], values: Mapping[str, object]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        parse_target({**base, **values})
    return {problem.path: problem.message for problem in caught.value.problems}


def test_a_target_has_its_place() -> None:
    target = parse_target({**GOOD, "port": 2222})
    assert target.place == "sftp://ada@there.example:2222"
    assert target.quiet[0] == target.quiet[1]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"title": ""}, "target.title"),
        ({"host": ""}, "target.host"),
        ({"user": ""}, "target.user"),
        ({"host": "there example"}, "target.host"),
        ({"port": 0}, "target.port"),
        ({"port": "22"}, "target.port"),
        ({"picture_name": "../{name}"}, "target.picture_name"),
        ({"product_name": "latest"}, "target.product_name"),
        ({"quiet_begin": "8:00"}, "target.quiet_begin"),
        ({"quiet_begin": "08:00"}, "target.quiet_end"),
        ({"quiet_end": "08:00"}, "target.quiet_begin"),
        ({"id": "../../x"}, "target.id"),
        ({"password": "moon"}, "target.password"),
    ],
)
def test_what_cannot_be_a_target_is_refused_by_its_field(values: dict[str, object], path: str) -> None:
    assert list(problems(GOOD, values)) == [path]


STORE = {
    "id": "abcd1234", "kind": "s3", "title": "Store", "endpoint": "https://s3.example:9000", "bucket": "sky", "key_id": "AKADA",
}  # fmt: skip


def test_an_object_store_has_its_place_and_its_bucket_may_change() -> None:
    target = parse_target(STORE)
    assert target.place == "s3:AKADA@https://s3.example:9000"
    assert parse_target({**STORE, "bucket": "other", "prefix": "sky/roof 1"}).place == target.place
    assert parse_target({**STORE, "addressing": "virtual-host", "storage_class": "STANDARD_IA"}).place == target.place


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": "http://s3.example"}, "endpoint"),
        ({"endpoint": "https://ada:moon@s3.example"}, "endpoint"),
        ({"endpoint": "https://s3.example/?x=1"}, "endpoint"),
        ({"region": ""}, "region"),
        ({"region": "eu-west-1/s3"}, "region"),
        ({"bucket": ""}, "bucket"),
        ({"bucket": "Sky"}, "bucket"),
        ({"bucket": "a/../b"}, "bucket"),
        ({"bucket": "sky.example", "addressing": "virtual-host"}, "bucket"),
        ({"endpoint": "https://192.0.2.7:9000", "addressing": "virtual-host"}, "addressing"),
        ({"endpoint": "https://[2001:db8::7]", "addressing": "virtual-host"}, "addressing"),
        ({"addressing": "guess"}, "addressing"),
        ({"prefix": "/sky"}, "prefix"),
        ({"prefix": "sky/"}, "prefix"),
        ({"prefix": "../sky"}, "prefix"),
        ({"prefix": "sky//roof"}, "prefix"),
        ({"storage_class": "A B"}, "storage_class"),
        ({"key_id": ""}, "key_id"),
        ({"key_id": "AK/x"}, "key_id"),
        ({"secret_key": "moon"}, "secret_key"),
        ({"certificate": "no"}, "certificate"),
    ],
)
def test_what_cannot_be_an_object_store_is_refused_by_its_field(values: dict[str, object], path: str) -> None:
    assert list(problems(STORE, values)) == [f"target.{path}"]


def test_a_form_says_the_same_as_a_tree() -> None:
    target = target_from_form(FORM, "sftp", "abcd1234", {})
    assert target == parse_target({**GOOD, "is_on": False, "products": False, "films": False})
    with pytest.raises(SettingsError) as caught:
        target_from_form({**FORM, "target.port": "many", "target.id": "other", "target.host": ""}, "sftp", "abcd1234", {})
    assert {problem.path for problem in caught.value.problems} == {"target.port", "target.id", "target.host"}


def test_every_field_of_a_target_is_described() -> None:
    for kind in KINDS.values():
        described = target_fields(kind)
        assert {field.path.removeprefix("target.") for field in described} | {"id", "kind"} == set(kind.model_fields)
        assert all(field.title and field.help.endswith((".", "?")) for field in described)
        assert kind.about
        assert kind.title_of_kind


def test_ids_differ_and_targets_are_not_too_many() -> None:
    for targets in ([GOOD, GOOD], [{**GOOD, "id": f"target{number:02}"} for number in range(MOST_TARGETS + 1)]):
        with pytest.raises(SettingsError):
            parse({"targets": targets})


def test_differences_tell_what_became_of_targets() -> None:
    before, other = (
        parse({"targets": [GOOD]}),
        parse({"targets": [{**GOOD, "port": 23}, {**GOOD, "id": "other123", "title": "New"}]}),
    )
    told = [(change.path, change.old_text, change.new_text) for change in differences(before, other)]
    assert told == [("targets.abcd1234.port", "22", "23"), ("targets.other123", "none", "sftp://ada@there.example:22")]
    assert [change.new_text for change in differences(before, Settings())] == ["none"]
