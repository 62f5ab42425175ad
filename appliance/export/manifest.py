"""The manifest of a night: what `sha256sum -c SHA256SUMS` checks, and what a resumed export goes on from."""

import re

from appliance.export.names import Place, place_of_line

LARGEST = 16 << 20
"""A night of one picture a second makes 8 MiB; what is larger was not written by us."""
_LINE = re.compile(r"([0-9a-f]{64})  ([0-9A-Za-z/.-]{1,100})\Z")

Manifest = dict[Place, str]
"""SHA-256 in hexadecimal by place."""


def parse(untrusted: bytes) -> Manifest:
    """Return the lines that name files of ours; whatever else stands there is as if it were not."""
    found: Manifest = {}
    for line in untrusted.decode("ascii", "replace").split("\n"):
        parts = _LINE.match(line)
        place = place_of_line(parts[2]) if parts else None
        if parts and place:
            found[place] = parts[1]
    return found


def text_of(manifest: Manifest) -> bytes:
    """Return the file's content, by name."""
    return "".join(f"{digest}  {'/'.join(place)}\n" for place, digest in sorted(manifest.items())).encode("ascii")
