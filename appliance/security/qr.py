"""QR codes as text, for a screen without pictures."""

import segno

_HALVES = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
"""Two modules, one above the other, dark or not; the screen itself is dark."""


def qr_text(content: str) -> str:
    """Return lines of half blocks that a camera reads as a QR code."""
    rows = [[bool(module) for module in row] for row in segno.make(content, error="l", micro=False).matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(_HALVES[upper, lower] for upper, lower in zip(*pair, strict=True)) for pair in pairs)
