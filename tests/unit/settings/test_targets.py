"""Targets in the settings: read, refused, compared."""

from collections.abc import Mapping
from dataclasses import astuple

import pytest

from appliance.domain.errors import SettingsError
from appliance.domain.fault import Fault
from appliance.domain.health import Severity
from appliance.settings.fields import differences, target_fields, target_from_form
from appliance.settings.noticetargets import MailTarget, WebhookTarget
from appliance.settings.parse import parse, parse_target
from appliance.settings.schema import Settings
from appliance.settings.servicetargets import MqttTarget
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


MQTT = {"id": "abcd1234", "kind": "mqtt", "title": "Home", "host": "broker.example"}


def test_a_broker_has_its_place_and_its_files_their_own_names() -> None:
    target = parse_target({**MQTT, "user": "ada", "topic": "home/sky", "discovery": ""})
    assert isinstance(target, MqttTarget)
    assert target.wants_notice(Severity.WARNING)
    assert (target.place, target.unsafe) == ("mqtt-tls://ada@broker.example:8883", "")
    assert (target.naming, target.sends_films) == (("{name}", "{name}"), False)
    assert target.words_of(Fault.RIGHT).advice == "Allow it in the broker's rules, or change Topic or Discovery prefix."
    plain = parse_target({**MQTT, "security": "none", "port": 1883})
    assert plain.place == "mqtt-none://@broker.example:1883"
    assert "without encryption" in plain.unsafe


@pytest.mark.parametrize(
    "topic", ["#", "sky/#", "+/sky", "$SYS/sky", "/sky", "sky/", "sky//night", "sky night", "\u2603", "sky\x00", "s" * 101]
)
def test_what_cannot_begin_a_topic_is_refused(topic: str) -> None:
    for field in ("topic", "discovery"):
        assert list(problems(MQTT, {"user": "", field: topic})) == [f"target.{field}"]
    assert list(problems(MQTT, {"topic": ""})) == ["target.topic"]


HOOK = {"id": "hook1234", "kind": "webhook", "title": "Hook", "address": "https://hooks.example/"}
MAIL = {
    "id": "mail1234", "kind": "mail", "title": "Mail", "host": "mail.example", "sender": "sky@example.net",
    "recipients": "ada@example.net",
}  # fmt: skip


def test_targets_of_before_mean_what_they_meant() -> None:
    stored = {
        **GOOD, "is_on": False, "pictures": False, "every_min": 5, "products": False, "speed_kib_s": 100, "quiet_begin": "08:00",
        "quiet_end": "17:30", "films": False, "picture_name": "latest", "product_name": "{name}", "port": 2222, "folder": "sky",
        "host_key": "ssh-ed25519 AAAA",
    }  # fmt: skip
    target = parse_target(stored)
    assert target.model_dump(mode="json") == stored
    assert target.bytes_per_s == 100 << 10
    assert not any(target.wants_notice(severity) for severity in Severity)


def test_a_form_of_notices_asks_for_no_pictures() -> None:
    asked = {kind: [field.path.removeprefix("target.") for field in target_fields(KINDS[kind])] for kind in ("webhook", "mail")}
    rest = ["certificate", "least_severity", "quiet_begin", "quiet_end", "is_on"]
    assert asked["webhook"] == ["title", "address", "format", *rest]
    assert asked["mail"] == ["title", "host", "port", "security", "user", "sender", "recipients", *rest]


@pytest.mark.parametrize(
    ("least", "wanted"),
    [("info", "info warning error"), ("warning", "warning error"), ("error", "error"), (None, "warning error")],
)
def test_notices_from_a_severity_on(least: str | None, wanted: str) -> None:
    for tree in (HOOK, MAIL):
        target = parse_target({**tree, "least_severity": least} if least else tree)
        assert [severity.value for severity in Severity if target.wants_notice(severity)] == wanted.split()


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({**HOOK, "address": ""}, "target.address"),
        ({**HOOK, "address": "http://hooks.example/"}, "target.address"),
        ({**HOOK, "format": "pigeon"}, "target.format"),
        ({**HOOK, "pictures": True}, "target.pictures"),
        ({**MAIL, "host": ""}, "target.host"),
        ({**MAIL, "sender": ""}, "target.sender"),
        ({**MAIL, "recipients": " "}, "target.recipients"),
        ({**MAIL, "sender": "ada"}, "target.sender"),
        ({**MAIL, "sender": "a@example.net, b@example.net"}, "target.sender"),
        ({**MAIL, "sender": "Ada <a@example.net>"}, "target.sender"),
        ({**MAIL, "sender": "a@example.net\r\nBcc: evil@example.net"}, "target.sender"),
        ({**MAIL, "recipients": "a@example.net\nBcc: evil@example.net"}, "target.recipients"),
        ({**MAIL, "recipients": "a@example.net,,b@example.net"}, "target.recipients"),
        ({**MAIL, "recipients": "-oQ/tmp@example.net"}, "target.recipients"),
        ({**MAIL, "recipients": ", ".join(f"a{number}@example.net" for number in range(11))}, "target.recipients"),
        ({**MAIL, "security": "maybe"}, "target.security"),
    ],
)
def test_what_cannot_be_told_to_is_refused_by_its_field(tree: dict[str, object], path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_target(tree)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_where_notices_go() -> None:
    mail = parse_target({**MAIL, "recipients": "ada@example.net ,b+c@localhost, ada@example.net", "user": "ada"})
    assert isinstance(mail, MailTarget)
    assert mail.recipient_list == ("ada@example.net", "b+c@localhost")
    assert (mail.place, mail.unsafe) == ("smtp-implicit://ada@mail.example:465", "")
    assert "without encryption" in parse_target({**MAIL, "security": "none"}).unsafe
    hook = parse_target(HOOK)
    assert isinstance(hook, WebhookTarget)
    assert hook.place == "webhook:https://hooks.example/"


def test_what_is_wrong_is_said_in_words_of_the_kind_of_target() -> None:
    assert "folder" in parse_target(GOOD).words_of(Fault.PATH).sentence
    for tree in (HOOK, MAIL):
        words = [" ".join(astuple(parse_target(tree).words_of(fault))) for fault in Fault if fault not in {Fault.KEY, Fault.PATH}]
        assert not any("older" in text or "write" in text for text in words), words
