"""The manifest as text."""

import hypothesis
from hypothesis import strategies as st

from appliance.export.manifest import Manifest, parse, text_of

A, B = "a" * 64, "0123456789abcdef" * 4
MANIFEST: Manifest = {("products", "keogram.jpg"): A, ("frames", "22", "20260131T221530Z-17.jpg"): B}


def test_it_is_written_as_sha256sum_reads_it_and_read_back() -> None:
    text = text_of(MANIFEST)
    assert text.decode() == f"{B}  frames/22/20260131T221530Z-17.jpg\n{A}  products/keogram.jpg\n"
    assert parse(text) == MANIFEST


def test_lines_that_are_none_of_ours_are_as_if_they_were_not() -> None:
    lines = [
        f"{A}  ../../../etc/passwd", f"{A}  /etc/passwd", f"{A} *products/keogram.jpg", f"{A[:63]}  products/keogram.jpg",
        f"{A.upper()}  products/keogram.jpg", f"\\{A}  products/keogram.jpg", f"{A}  products/keogram.jpg ", "nonsense", "\0\0",
        f"{A}  products/{'x' * 5000}",
    ]  # fmt: skip
    assert parse("\n".join(lines).encode()) == {}


@hypothesis.given(st.binary(max_size=2000))
def test_no_bytes_make_it_fail_or_name_a_stranger(untrusted: bytes) -> None:
    assert parse(text_of(parse(untrusted))) == parse(untrusted)
