"""The polkit rule itself, run in polkit's engine for made-up subjects: exactly the listed verbs, for exactly one of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import dukpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.host.busroom import OVERLAY
from tests.integration.host.polkitroom import ALLOWED, DETAILS, IMPLIED, NETWORK, TRANSIENT, USB_STICK, Details, passes

RULES = OVERLAY / "usr/share/polkit-1/rules.d"
RULE = RULES / "50-nightjar.rules"
ACTIONS = (Path(__file__).parent / "polkit-actions.txt").read_text().split()
"""All that Debian 12 and 13 know with logind, timedated, hostnamed, systemd, udisks2, NetworkManager and polkit itself."""

POLKIT = """
var rules = [];
var polkit = {
    Result: { NO: "no", YES: "yes", AUTH_SELF: "auth_self", AUTH_ADMIN: "auth_admin", NOT_HANDLED: null },
    addRule: function (rule) { rules.push(rule); }
};
function ask(id, details, subject) {
    var action = { id: id, lookup: function (name) { return this["_detail_" + name]; } };
    for (var key in details) { action["_detail_" + key] = details[key]; }
    var answers = rules.map(function (rule) { return rule(action, subject); });
    return answers.length === 1 ? answers[0] : "not one rule";
}
null;
"""
"""What polkit gives a rule, and a way to ask it."""

Subject = Mapping[str, object]
PANEL: Subject = {"user": "nightjar", "system_unit": "nightjar.service", "no_new_privileges": True, "groups": ["nightjar"]}

NUMBERS: tuple[Subject, ...] = (
    {key: value for key, value in PANEL.items() if key not in ("system_unit", "no_new_privileges")},
    {key: value for key, value in PANEL.items() if key != "system_unit"},
    {**PANEL, "system_unit": None},
    {**PANEL, "system_unit": "", "no_new_privileges": False, "session": ""},
    {"user": "nightjar", "session": None},
)
"""Ours, known by the number of a process only, as NetworkManager names the panel."""

STRANGERS: tuple[Subject, ...] = (
    {"user": "nightjar", "session": "c1"},
    {**PANEL, "system_unit": "", "session": "2"},
    {key: value for key, value in PANEL.items() if key != "no_new_privileges"},
    {**PANEL, "no_new_privileges": False},
    {**PANEL, "no_new_privileges": "true"},
    {**PANEL, "no_new_privileges": 1},
    {**PANEL, "system_unit": "nightjar"},
    {**PANEL, "system_unit": "nightjar-indi.service"},
    {**PANEL, "system_unit": "nightjar.service.d"},
    {**PANEL, "system_unit": "user@1000.service"},
    {**PANEL, "system_unit": ["nightjar.service"]},
    {**PANEL, "user": "nightjar-indi"},
    {**PANEL, "user": "nightjar-ca"},
    {**PANEL, "user": "nightjar-indi", "system_unit": "nightjar-indi.service"},
)
"""Ours, but not the panel in its unit."""


class Engine:
    """One run of polkitd: the rule is loaded once and asked often."""

    def __init__(self, rule: str = RULE.read_text()) -> None:
        self._interpreter = dukpy.JSInterpreter()
        self._interpreter.evaljs([POLKIT, rule, ";null"])

    def ask(self, action: str, details: Details, subject: Subject) -> str | None:
        code = "ask(dukpy['action'], dukpy['details'], dukpy['subject'])"
        return cast("str | None", self._interpreter.evaljs(code, action=action, details=dict(details), subject=dict(subject)))


ENGINE = Engine()


def test_the_rule_is_one_file_that_comes_before_the_rules_of_packages() -> None:
    assert [path.name for path in RULES.iterdir()] == ["50-nightjar.rules"]
    # What Debian's polkitd, systemd, NetworkManager and PackageKit bring.
    for name in ("org.freedesktop.NetworkManager.rules", "systemd-networkd.rules", "org.freedesktop.packagekit.rules"):
        assert name > RULE.name


def test_the_rule_is_written_in_the_language_of_polkits_engine() -> None:
    code = re.sub(r"//.*|\"[^\"\n]*\"", "", RULE.read_text())
    assert not re.search(
        r"=>|`|\b(let|const|class|of|async|await|import|yield)\b|\.\.\.|\.includes\(|\.startsWith\(|\?\.|\?\?", code
    )
    assert code.count("addRule") == 1
    assert "spawn" not in code


@pytest.mark.parametrize("action", ACTIONS)
def test_the_panel_gets_exactly_the_listed_verbs(action: str) -> None:
    for details in DETAILS:
        assert ENGINE.ask(action, details, PANEL) == ("yes" if passes(action, details) else "no"), details


def test_every_listed_verb_exists_and_none_is_implied_by_accident() -> None:
    assert set(ALLOWED) | IMPLIED <= set(ACTIONS)
    assert {action for action in ACTIONS for details in DETAILS if ENGINE.ask(action, details, PANEL) == "yes"} == set(ALLOWED)


@pytest.mark.parametrize("subject", STRANGERS, ids=lambda subject: " ".join(map(str, subject.values())))
def test_our_users_get_nothing_outside_the_panels_unit(subject: Subject) -> None:
    for action, alternatives in ALLOWED.items():
        for details in alternatives:
            assert ENGINE.ask(action, details, subject) == "no", action
    assert {ENGINE.ask(action, USB_STICK, subject) for action in ACTIONS} == {"no"}


@pytest.mark.parametrize("subject", NUMBERS, ids=lambda subject: " ".join(map(str, subject.values())))
def test_our_user_of_whom_only_a_number_is_known_gets_the_network_and_nothing_else(subject: Subject) -> None:
    for action in ACTIONS:
        for details in DETAILS:
            assert ENGINE.ask(action, details, subject) == ("yes" if action in NETWORK else "no"), action


@pytest.mark.parametrize("user", ["nightjar-indi", "nightjar-ca"])
def test_our_other_users_do_not_get_the_network_by_a_number(user: str) -> None:
    for subject in NUMBERS:
        assert {ENGINE.ask(action, {}, {**subject, "user": user}) for action in NETWORK} == {"no"}


@pytest.mark.parametrize(
    "user", ["root", "nobody", "pi", "polkitd", "systemd-network", "Nightjar", "nightjar ", "nightjar2", "", "0"]
)
def test_on_other_users_the_rule_says_nothing(user: str) -> None:
    subject = {**PANEL, "user": user}
    for action in ACTIONS:
        for details in ALLOWED.get(action, ({},)):
            assert ENGINE.ask(action, details, subject) is None, action


def test_a_unit_made_up_by_the_caller_is_refused_whatever_its_name() -> None:
    # systemd 257 asks for it with `start` and the wanted name; were there no file of that name yet, it would run as root.
    for unit in ("nightjar-other-slot.service", "nightjar-factory-reset.service"):
        known = {"unit": unit, "verb": "start", "polkit.message": "Authentication is required to start '$(unit)'."}
        assert ENGINE.ask("org.freedesktop.systemd1.manage-units", known, PANEL) == "yes"
        assert ENGINE.ask("org.freedesktop.systemd1.manage-units", {**TRANSIENT, "unit": unit}, PANEL) == "no"


NAMES = st.sampled_from([*ACTIONS, "constructor", "__proto__", "toString", "length", "0"]) | st.text(max_size=40)
USERS = st.sampled_from(["nightjar", "nightjar-indi", "nightjar-ca", "root", "constructor", "__proto__"]) | st.text(max_size=20)
UNITS = st.sampled_from(["nightjar.service", "nightjar-indi.service", "nightjar.service\n"]) | st.none() | st.text(max_size=20)
FLAGS = st.sampled_from([True, False, None, 1, "true", "yes"])
WORDS = st.sampled_from(
    ["true", "false", "usb", "ata", "vfat", "exfat", "ext4", "start", "restart", "stop", "nightjar-indi.service"]
)
KEYS = st.sampled_from(["drive.removable", "drive.removable.bus", "id.type", "unit", "verb", "polkit.message", "lookup", "id"])
DETAILS_OF_ANY_KIND = st.sampled_from(DETAILS) | st.dictionaries(
    KEYS | st.text(max_size=10), WORDS | st.text(max_size=20), max_size=5
)


@given(action=NAMES, details=DETAILS_OF_ANY_KIND, user=USERS, unit=UNITS, flag=FLAGS)
def test_whatever_is_asked_the_rule_answers_as_the_list_says(
    action: str, details: Details, user: str, unit: str | None, flag: object
) -> None:
    subject = {"user": user, "system_unit": unit, "no_new_privileges": flag}
    is_network = action in NETWORK and user == "nightjar" and not unit
    is_panel = (user, unit, flag) == ("nightjar", "nightjar.service", True) and flag is True
    expected = None
    if user in ("nightjar", "nightjar-indi", "nightjar-ca"):
        expected = "yes" if is_network or (is_panel and passes(action, details)) else "no"
    assert ENGINE.ask(action, details, subject) == expected


MISTAKES = [
    ("reboot-multiple-sessions", "reboot-multiple-sessionsaction.id"),
    ('subject.system_unit === "nightjar.service" && ', ""),
    (" && subject.no_new_privileges === true", ""),
    (" && has(NETWORK, action.id)", ""),
    (" && !subject.system_unit", ""),
    (" && !subject.session", ""),
    ('"org.freedesktop.udisks2.filesystem-mount-other-seat"', '"org.freedesktop.udisks2.filesystem-mount-system"'),
    ("isUsbStick(action) && has", "has"),
    (' && action.lookup("verb") === known.verb', ""),
    ("polkit.Result.YES : polkit.Result.NO", "polkit.Result.YES : polkit.Result.NOT_HANDLED"),
]


def expected(action: str, details: Details, subject: Subject) -> bool:
    return passes(action, details) and (subject is PANEL or (subject in NUMBERS and action in NETWORK))


@pytest.mark.parametrize(("words", "mistake"), MISTAKES, ids=[mistake or words for words, mistake in MISTAKES])
def test_a_mistake_in_the_rule_is_found(words: str, mistake: str) -> None:
    text = RULE.read_text()
    assert words in text
    engine = Engine(text.replace(words, mistake))
    cases = [
        (action, details, subject) for action in ACTIONS for details in DETAILS for subject in (PANEL, NUMBERS[0], *STRANGERS[:6])
    ]
    assert any(engine.ask(*case) != ("yes" if expected(*case) else "no") for case in cases)
