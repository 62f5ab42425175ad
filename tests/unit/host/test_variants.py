import pytest
from jeepney import DBusAddress, Message, new_method_call
from jeepney.low_level import Parser

from appliance.host.variants import unwrap


def over_the_wire(signature: str, *body: object) -> Message:
    parser = Parser()
    parser.add_data(new_method_call(DBusAddress("/", "a.b", "a.b"), "C", signature, body).serialise(serial=1))
    message = parser.get_next_message()
    assert message is not None
    return message


@pytest.mark.parametrize(
    ("signature", "sent", "unwrapped"),
    [
        ("s", "words", "words"),
        ("v", ("u", 7), 7),
        ("v", ("v", ("s", "deep")), "deep"),
        ("v", ("(sv)", ("s", ("b", True))), ("s", True)),
        ("(ss)", ("s", "not a variant"), ("s", "not a variant")),
        ("ay", b"/media\0", b"/media\0"),
        ("v", ("aay", [b"/a\0", b"/b\0"]), [b"/a\0", b"/b\0"]),
        ("av", [("s", "a"), ("u", 1)], ["a", 1]),
        ("a{sv}", {"A": ("b", False), "B": ("as", ["x"])}, {"A": False, "B": ["x"]}),
        (
            "a{oa{sa{sv}}}",
            {"/o": {"i.f": {"Uuid": ("s", "A-1"), "Drive": ("o", "/d")}}},
            {"/o": {"i.f": {"Uuid": "A-1", "Drive": "/d"}}},
        ),
    ],
)
def test_variants_come_without_their_wrapping(signature: str, sent: object, unwrapped: object) -> None:
    assert unwrap(over_the_wire(signature, sent)) == (unwrapped,)


def test_several_values_keep_their_order() -> None:
    assert unwrap(over_the_wire("ubv", 1, True, ("s", "x"))) == (1, True, "x")


def test_a_message_without_a_body_is_nothing() -> None:
    message = new_method_call(DBusAddress("/", "a.b", "a.b"), "C")
    assert unwrap(message) == ()
