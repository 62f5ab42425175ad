"""What a browser sends in a form or a query, taken apart within bounds."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from appliance.domain.errors import InputError
from appliance.web.multipart import FormParser

MOST_FIELDS = 200
LONGEST_NAME = 100
FORM_TYPE = "application/x-www-form-urlencoded"
FILE = "file"
"""Name of the one part of a form that is a file."""
LONGEST_FIELD = 4096
"""Of a form with a file, in bytes."""


def parse_query(untrusted: str) -> Mapping[str, str]:
    """Return the fields of a query; see `parse_form`."""
    return _fields(untrusted)


def parse_form(untrusted: bytes, content_type: str) -> Mapping[str, str]:
    """Return the fields of a form.

    Raises
    ------
    InputError
        If it is not a form, has more than 200 fields, a field twice, or text that is not UTF-8.
    """
    if not untrusted:
        return {}
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise InputError("Send the form as a browser does.")
    try:
        text = untrusted.decode("ascii")
    except UnicodeDecodeError as error:
        raise InputError("The form holds bytes that do not belong there.") from error
    return _fields(text)


def parse_form_with_file(
    untrusted: bytes, content_type: str, fields: tuple[str, ...], largest_file: int
) -> tuple[Mapping[str, str], bytes]:
    """Return the fields of a form with a file, and the file.

    Raises
    ------
    InputError
        If it is no such form, or not every field came once.
    """
    found = {name: bytearray() for name in (*fields, FILE)}
    most = {**dict.fromkeys(fields, LONGEST_FIELD), FILE: largest_file}
    parser = FormParser(content_type, most, lambda name: found[name].extend, plain=fields)
    parser.feed(untrusted)
    parser.finish()
    try:
        form = {name: found[name].decode() for name in fields}
    except UnicodeDecodeError as error:
        raise InputError("A field holds letters that are not UTF-8.") from error
    if any("\x00" in value for value in form.values()):
        raise InputError("A field holds a zero byte.")
    return form, bytes(found[FILE])


def _fields(text: str) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:  # too many fields, or not UTF-8
        raise InputError("There are too many fields, or letters that are not UTF-8.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InputError("A field came twice.")
    if any(len(name) > LONGEST_NAME for name in fields):
        raise InputError(f"The name of a field is longer than {LONGEST_NAME} letters.")
    if any("\x00" in value for value in fields.values()):
        raise InputError("A field holds a zero byte.")
    return fields
