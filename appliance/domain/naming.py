"""Names of files at a target: a template with a closed list of words, from which only safe names can come."""

import re
from collections.abc import Mapping

from appliance.domain.errors import InputError

WORDS = ("night", "name", "date", "time", "number")
"""What may stand in braces: the night, the file's own name, date and time at the site, the frame's number."""
LONGEST = 120
MOST_FOLDERS = 5
_WORD = re.compile(r"\{([^{}]*)\}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._-]*\Z")


def check_naming(template: str) -> None:
    """Refuse a template that cannot name a file, and say what to write instead.

    Raises
    ------
    InputError
    """
    name_from(template, dict.fromkeys(WORDS, "x"))


def name_from(template: str, values: Mapping[str, str]) -> str:
    """Return a relative name with `/` between its folders, without an ending.

    Raises
    ------
    InputError
        If a word is not known, or the name leads elsewhere or holds signs that not every system takes.
    """
    if len(template) > LONGEST:
        raise InputError(f"the name has more than {LONGEST} letters")
    for word in _WORD.findall(template):
        if word not in WORDS:
            raise InputError(f"the name asks for {{{word[:30]}}}, which is not known; known are {', '.join(WORDS)}")
    name = _WORD.sub(lambda found: values[found.group(1)], template)
    parts = name.split("/")
    if len(parts) > MOST_FOLDERS + 1:
        raise InputError(f"the name has more than {MOST_FOLDERS} folders")
    for part in parts:
        if not _PART.match(part) or part.endswith((" ", ".")):
            raise InputError(
                "between slashes the name has letters of English, digits, blanks, dots, _ and -, like {night}/{name}"
            )
    return name
