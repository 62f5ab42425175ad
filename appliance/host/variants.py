"""Takes the wrapping off what comes over D-Bus: a variant is a value with its type beside it, and here nobody asks for that."""

from jeepney import HeaderFields, Message
from jeepney.low_level import Array, DictEntry, Struct, Variant, parse_signature


def unwrap(message: Message) -> tuple[object, ...]:
    """Return a message's values: variants as what they hold, structures as tuples, arrays as lists, dicts or bytes."""
    signature = message.header.fields.get(HeaderFields.signature, "")
    return tuple(_unwrapped(of, value) for of, value in zip(_types(signature), message.body, strict=True))


def _types(signature: str) -> list[object]:
    """Return the types in a signature, one after another."""
    rest, found = list(signature), []
    while rest:
        found.append(parse_signature(rest))
    return found


def _unwrapped(of: object, value: object) -> object:
    match of, value:
        case Variant(), (str() as signature, held):
            return _unwrapped(_types(signature)[0], held)
        case Array(elt_type=DictEntry(fields=(_, inner))), dict():
            return {key: _unwrapped(inner, held) for key, held in value.items()}
        case Array(elt_type=inner), list():
            return [_unwrapped(inner, held) for held in value]
        case Struct(fields=fields), tuple():
            return tuple(_unwrapped(field, held) for field, held in zip(fields, value, strict=True))
    return value
