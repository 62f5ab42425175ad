"""The settings as forms see them: every field described, read back, compared."""

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import SettingsError
from appliance.settings.fields import Kind, SettingField, differences, fields, from_form, shown, text_of, value_of
from appliance.settings.parse import parse
from appliance.settings.schema import Settings

BY_PATH = {field.path: field for section in fields() for field in section.fields}


def form_of(settings: Settings, *sections: str) -> dict[str, str]:
    """Return what a browser sends for whole sections: no unchecked box, and lines end in CR LF."""
    form = {}
    for section in fields():
        for field in section.fields:
            text = text_of(value_of(settings, field.path))
            if section.name in sections and (field.kind is not Kind.BOOL or text):
                form[field.path] = text.replace("\n", "\r\n")
    return form


def changed(**form: str) -> Settings:
    return from_form({name.replace("__", "."): text for name, text in form.items()}, Settings())


def problems(form: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        from_form(form, Settings())
    return {problem.path: problem.message for problem in caught.value.problems}


def test_every_field_is_described() -> None:
    assert [*(section.name for section in fields()), "targets"] == list(Settings.model_fields)
    for section in fields():
        assert section.title
        assert section.help
        for field in section.fields:
            assert field.title, field.path
            assert field.help.endswith((".", ":")), field.path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("site.name", Kind.TEXT), ("site.latitude_deg", Kind.OPTIONAL_FLOAT), ("site.timezone", Kind.ZONE),
        ("camera.transport", Kind.CHOICE),
        ("camera.offset_adu", Kind.OPTIONAL_INT), ("camera.binning", Kind.INT), ("camera.gain", Kind.FLOAT),
        ("camera.is_automatic", Kind.BOOL), ("image.label", Kind.LONGTEXT),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_type(path: str, kind: Kind) -> None:
    assert BY_PATH[path].kind is kind


def test_bounds_unit_choices_and_default_come_from_the_schema() -> None:
    latitude, transport = BY_PATH["site.latitude_deg"], BY_PATH["camera.transport"]
    assert (latitude.minimum, latitude.maximum, latitude.unit, latitude.default) == (-90, 90, "°", "")
    assert (transport.choices, transport.default) == (("local", "remote"), "local")
    assert BY_PATH["site.name"].max_length == 60
    assert BY_PATH["camera.is_automatic"].default == "on"
    assert "Europe/Vienna" in BY_PATH["site.timezone"].choices


def test_every_number_has_bounds() -> None:
    numbers = {Kind.INT, Kind.FLOAT, Kind.OPTIONAL_INT, Kind.OPTIONAL_FLOAT}
    for field in BY_PATH.values():
        if field.kind in numbers:
            assert field.minimum is not None, field.path
            assert field.maximum is not None, field.path
        elif field.kind in {Kind.TEXT, Kind.LONGTEXT}:
            assert field.max_length is not None, field.path


def test_a_form_that_was_not_touched_changes_nothing() -> None:
    settings = parse({"image": {"label": "one\ntwo"}, "camera": {"offset_adu": 3}, "web": {"public_pictures": True}})
    assert from_form(form_of(settings, *Settings.model_fields), settings) == settings


def test_an_unchecked_box_is_off_but_only_in_a_section_that_was_sent() -> None:
    settings = changed(camera__gain="5")
    assert not settings.camera.is_automatic
    assert settings.camera.gain == 5
    assert settings.image.stretch
    assert settings.camera.period_s == Settings().camera.period_s


def test_the_form_s_own_fields_are_left_alone() -> None:
    assert from_form({"csrf_token": "x", "action": "save"}, Settings()) == Settings()


def test_people_write_numbers_as_they_are_used_to() -> None:
    settings = changed(site__latitude_deg=" \u221248,5 ", site__longitude_deg="1.6e1", camera__binning=" 2 ")
    assert (settings.site.latitude_deg, settings.site.longitude_deg, settings.camera.binning) == (-48.5, 16.0, 2)


def test_an_empty_optional_is_none() -> None:
    base = parse({"camera": {"offset_adu": 3}})
    assert from_form({"camera.offset_adu": " "}, base).camera.offset_adu is None


def test_lines_of_a_label_end_as_ours_do() -> None:
    assert changed(image__label="one\r\ntwo\r\n").image.label == "one\ntwo"
    assert changed(image__label="").image.label == ""


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("camera.gain", "", "must not be empty"), ("camera.gain", "five", "must be a number, like 12.5"),
        ("camera.gain", "nan", "must be a number, like 12.5"), ("camera.gain", "inf", "must be a number, like 12.5"),
        ("camera.gain", "1_0", "must be a number, like 12.5"), ("camera.gain", "٣", "must be a number, like 12.5"),
        ("camera.gain", "9" * 5000, "must be a number, like 12.5"), ("camera.gain", "1e99", "must be at most 10000"),
        ("camera.binning", "1.5", "must be a whole number"), ("camera.binning", "", "must not be empty"),
        ("camera.binning", "9", "must be at most 8"),
        ("camera.is_automatic", "maybe", "must be on or off"),
        ("camera.transport", "pigeon", "must be one of 'local' or 'remote'"),
        ("camera.offset_adu", "x", "must be a whole number"),
        ("site.timezone", "Mars", "is not the name of a time zone; write it like Europe/Vienna or UTC"),
        ("camera.nonsense", "1", "is not a setting"), ("__class__.x", "1", "is not a setting"),
        ("a.b.c", "1", "is not a setting"),
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_with_its_reason(path: str, text: str, message: str) -> None:
    assert problems({path: text}) == {path: message}


def test_all_fields_are_judged_at_once_those_that_cannot_be_read_and_those_out_of_bounds() -> None:
    found = problems({"camera.gain": "five", "camera.binning": "99", "site.latitude_deg": "48", "site.nonsense": "1"})
    assert set(found) == {"camera.gain", "camera.binning", "site.longitude_deg", "site.nonsense"}


@hypothesis.given(st.dictionaries(st.sampled_from(list(BY_PATH)) | st.text(), st.text()))
def test_any_form_is_read_or_refused(form: dict[str, str]) -> None:
    try:
        settings = from_form(form, Settings())
    except SettingsError as error:
        refused = error.problems
    else:
        assert parse(settings.model_dump(mode="json")) == settings
        return
    assert refused


@hypothesis.given(st.floats(min_value=0.00001, max_value=600))
def test_a_number_goes_into_a_form_and_comes_back(value: float) -> None:
    assert changed(camera__duration_s=text_of(value)).camera.duration_s == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(5e-05, "0.00005"), (14.0, "14"), (0.1, "0.1"), (0.0, "0"), (-6.0, "-6"), (None, ""), (True, "on"), (False, "")],
)
def test_values_are_written_without_needless_digits(value: object, text: str) -> None:
    assert text_of(value) == text


def test_differences_are_told_with_unit_in_the_schema_s_order() -> None:
    old = Settings()
    new = parse({
        "site": {"name": ""}, "camera": {"period_s": 30, "offset_adu": 5, "is_automatic": False},
        "web": {"public_pictures": True},
    })  # fmt: skip
    assert [(item.path, item.title, item.old_text, item.new_text) for item in differences(old, new)] == [
        ("site.name", "Site: Name", "My sky", "empty"),
        ("camera.period_s", "Camera: Time between frames", "15 s", "30 s"),
        ("camera.is_automatic", "Camera: Automatic exposure", "on", "off"),
        ("camera.offset_adu", "Camera: Offset", "not set", "5 ADU"),
        ("web.public_pictures", "Panel: Public pictures", "off", "on"),
    ]
    assert differences(old, old) == ()


def test_a_value_is_shown_for_people() -> None:
    field: SettingField = BY_PATH["camera.period_s"]
    assert (shown(field, 2.5), shown(field, None)) == ("2.5 s", "not set")
