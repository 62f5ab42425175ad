"""INDI's endless stream, cut into messages."""

import xml.etree.ElementTree as ET

from appliance.skysim.wire import MessageParser

EXPOSE = (
    b"<newNumberVector device='Nightjar Sky' name='CCD_EXPOSURE'>"
    b"<oneNumber name='CCD_EXPOSURE_VALUE'>1</oneNumber></newNumberVector>"
)


def test_messages_come_whole_however_they_are_cut() -> None:
    parser, found = MessageParser(), []
    stream = b"<getProperties version='1.7'/>\n" + EXPOSE + b"\n" + EXPOSE
    for start in range(0, len(stream), 7):
        found += parser.feed(stream[start : start + 7])
    assert [element.tag for element in found] == ["getProperties", "newNumberVector", "newNumberVector"]
    assert ET.tostring(found[1]).strip() == EXPOSE.replace(b"'", b'"')


def test_what_is_no_xml_is_dropped_and_the_next_message_is_read() -> None:
    parser = MessageParser()
    assert parser.feed(b"<a><b></a> & rubbish") == []
    assert [element.tag for element in parser.feed(EXPOSE)] == ["newNumberVector"]


def test_a_message_without_an_end_does_not_fill_the_memory() -> None:
    parser = MessageParser()
    assert parser.feed(b"<newTextVector>") == []
    for _ in range(40):
        assert parser.feed(b"x" * 50_000) == []
    assert [element.tag for element in parser.feed(EXPOSE)] in (["newNumberVector"], [])
    assert [element.tag for element in parser.feed(EXPOSE)] == ["newNumberVector"]
