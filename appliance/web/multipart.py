"""A form with files (RFC 7578), parsed strictly while it comes: nothing is held but a part's head and a boundary's length.

What the senders that we know do not write is refused: text before the first part or after the last, parts that nobody
asked for or that come twice, other headers. File names are not looked at: names are chosen here.
"""

import re
from collections.abc import Callable, Collection, Mapping

from appliance.domain.errors import InputError

Take = Callable[[bytes], None]
"""Takes the next bytes of a part's content."""

_TYPE = re.compile(r'multipart/form-data; ?boundary=("?)([0-9A-Za-z\'()+_,./:=?-]{1,70})\1\Z')
_DISPOSITION = re.compile(
    rb'content-disposition: form-data; name="([a-z]{1,20})"(; filename\*?=[^\r\n]{1,400})?\Z', re.IGNORECASE
)
_PART_TYPE = re.compile(rb"content-type: [!-~ ]{1,100}\Z", re.IGNORECASE)
_LONGEST_HEAD = 1024
_END_OF_HEAD = b"\r\n\r\n"


class FormParser:
    """Takes a form's bytes in pieces of any size."""

    def __init__(
        self, untrusted_type: str, most: Mapping[str, int], begin: Callable[[str], Take], *, plain: Collection[str] = ()
    ) -> None:
        """Take what is expected.

        Parameters
        ----------
        untrusted_type : str
            The request's Content-Type.
        most : mapping of str to int
            The names of the parts that must come, each once, and how many bytes each may have.
        begin : callable
            Called with a part's name when it begins; returns what takes its content.
        plain : collection of str
            Which of the parts are no files.

        Raises
        ------
        InputError
            If it is the type of no form, or names no boundary.
        """
        found = _TYPE.match(untrusted_type)
        if found is None:
            raise InputError("The body is a form: multipart/form-data with its boundary.")
        self._delimiter = b"\r\n--" + found[2].encode()
        self._most, self._begin, self._plain = most, begin, plain
        self._buffer = b"\r\n"  # as if a line had ended, so that the first boundary is like all others
        self._step: Callable[[], bool] = self._read_nothing
        self._take: Take = lambda _: None
        self._left = 0
        self._seen: set[str] = set()
        self._is_over = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes; InputError if they do not belong into such a form."""
        self._buffer += data
        while self._step():
            pass

    def finish(self) -> None:
        """Make sure that the form is whole; InputError if it is not."""
        if not self._is_over or self._buffer not in (b"", b"\r\n"):
            raise InputError("The form is not whole.")
        if missing := sorted(self._most.keys() - self._seen):
            raise InputError(f"The form has no part named {missing[0]}.")

    def _read_nothing(self) -> bool:
        """Read up to the first boundary, before which nothing may stand."""
        if len(self._buffer) < len(self._delimiter):
            return False
        if not self._buffer.startswith(self._delimiter):
            raise InputError("The form does not begin with its boundary.")
        return self._to(self._read_boundary, len(self._delimiter))

    def _read_boundary(self) -> bool:
        """Read what follows a boundary: another part, or the end."""
        if len(self._buffer) < 2:
            return False
        mark = self._buffer[:2]
        if mark == b"\r\n":
            return self._to(self._read_head, 2)
        if mark != b"--":
            raise InputError("A boundary of the form is malformed.")
        self._is_over = True
        return self._to(self._read_end, 2)

    def _read_head(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD, 0, _LONGEST_HEAD)
        if end < 0:
            if len(self._buffer) >= _LONGEST_HEAD:
                raise InputError(f"The head of a part may have {_LONGEST_HEAD} bytes at most.")
            return False
        name = self._name_of(self._buffer[:end].split(b"\r\n"))
        if name not in self._most or name in self._seen:
            raise InputError(f"The form has a part named {name} that does not belong there, or twice.")
        self._seen.add(name)
        self._left, self._take = self._most[name], self._begin(name)
        return self._to(self._read_content, end + len(_END_OF_HEAD))

    def _name_of(self, lines: list[bytes]) -> str:
        heads = [found for line in lines if (found := _DISPOSITION.match(line))]
        names = [found[1].decode() for found in heads if (found[2] is None) == (found[1].decode() in self._plain)]
        others = [line for line in lines if not _DISPOSITION.match(line)]
        if len(names) != 1 or len(others) > 1 or not all(_PART_TYPE.match(line) for line in others):
            raise InputError("The head of a part names it and its file, may say its type, and nothing else.")
        return names[0]

    def _read_content(self) -> bool:
        end = self._buffer.find(self._delimiter)
        safe = end if end >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        if safe:
            self._left -= safe
            if self._left < 0:
                raise InputError("A part of the form is too large.")
            self._take(self._buffer[:safe])
        if end < 0:
            self._buffer = self._buffer[safe:]
            return False
        return self._to(self._read_boundary, end + len(self._delimiter))

    def _read_end(self) -> bool:
        if len(self._buffer) > 2:
            raise InputError("Something stands behind the form.")
        return False

    def _to(self, step: Callable[[], bool], used: int) -> bool:
        self._buffer, self._step = self._buffer[used:], step
        return True
