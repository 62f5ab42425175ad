"""Notices: what is kept can be read again, what is none is refused, and no words of others end a line."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from appliance.domain.errors import InputError
from appliance.domain.health import Issue, Severity
from appliance.domain.notice import Health, Notice, NoticeEvent, Origin, from_json, to_json

AT = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)
ISSUE = Issue("camera.absent", Severity.ERROR, "No pictures", "Check its cable.", AT)
NOTICE = Notice("20260131T210015Z-7", NoticeEvent.RAISED, AT, Origin("Süd", "7Q2M9KD4", ""), ISSUE, Health(1, "degraded"))


@pytest.mark.parametrize(
    "notice",
    [
        NOTICE,
        replace(NOTICE, event=NoticeEvent.CLEARED, health=Health(0, "ok")),
        replace(NOTICE, event=NoticeEvent.TEST, issue=None, health=None),
    ],
)
def test_what_is_kept_can_be_read_again(notice: Notice) -> None:
    assert from_json(to_json(notice)) == notice


def test_words_for_people() -> None:
    assert NOTICE.text == "Süd: No pictures\nCheck its cable."
    assert replace(NOTICE, event=NoticeEvent.CLEARED).text == "Süd: Over: No pictures"
    assert replace(NOTICE, event=NoticeEvent.TEST, issue=None).text == "Süd: A test: notices arrive here"


def test_no_words_of_others_end_a_line() -> None:
    evil = "a\r\n\u2028b\0c" + "x" * 5000
    notice = replace(NOTICE, origin=Origin(evil, evil, evil), issue=replace(ISSUE, title=evil, advice=evil))
    assert len(notice.text.splitlines()) == 2
    read = from_json(to_json(notice))
    assert read.origin.site.startswith("a b cx")
    assert all(len(words) <= 1000 and words.isprintable() for words in (read.origin.site, read.origin.panel, read.title))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"raised"', b'"exploded"'), (b"2026-01-31T21", b"yesterday"), (b'"error"', b"7"), (b'"site"', b'"sight"'),
     (b"{", b"["), (b"7Q2", b"\xff")],
)  # fmt: skip
def test_what_is_no_notice_is_refused(old: bytes, new: bytes) -> None:
    kept = to_json(NOTICE)
    assert old in kept
    with pytest.raises(InputError):
        from_json(kept.replace(old, new))
