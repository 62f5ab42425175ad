"""The few marks of Markdown that the manual uses, as HTML: headings, paragraphs, lists, code, strong, links within.

Everything is escaped first and only our own marks become tags; a mark that is not known stays text. The manual is ours,
but nothing here would change if it were not.
"""

import re
from dataclasses import dataclass
from html import escape

_HEADING = re.compile(r"(#{1,3}) (.+)\Z")
_BULLET, _NUMBER = re.compile(r"- (.+)\Z"), re.compile(r"\d{1,2}\. (.+)\Z")
_CODE, _STRONG = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")
_LINK = re.compile(r"\[([^\]]+)\]\(((?:/(?!/)[a-z0-9/.-]*|[a-z-]+\.md))\)")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One page of the manual."""

    title: str
    html: str
    """Without the title."""


def read_chapter(text: str) -> Chapter:
    """Return a page; its first line is the title.

    Raises
    ------
    ValueError
        If it does not begin with a heading.
    """
    first, _, rest = text.partition("\n")
    match = _HEADING.match(first)
    if match is None or match[1] != "#":
        raise ValueError(f"a page of the manual begins with `# Title`, not {first!r}")
    return Chapter(match[2], "\n".join(_block(block) for block in re.split(r"\n\s*\n", rest.strip()) if block.strip()))


def _block(block: str) -> str:
    lines = block.strip("\n").split("\n")
    heading = _HEADING.match(lines[0])
    if heading is not None and len(lines) == 1:
        level = len(heading[1])
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    for mark, tag in ((_BULLET, "ul"), (_NUMBER, "ol")):
        if mark.match(lines[0]):
            return _list(lines, mark, tag)
    if all(line.startswith("    ") for line in lines):
        return "<pre><code>" + escape("\n".join(line[4:] for line in lines)) + "</code></pre>"
    return f"<p>{_inline(' '.join(line.strip() for line in lines))}</p>"


def _list(lines: list[str], mark: re.Pattern[str], tag: str) -> str:
    items: list[str] = []
    for line in lines:
        match = mark.match(line)
        if match:
            items.append(match[1])
        else:
            items[-1] += " " + line.strip()
    return f"<{tag}>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + f"</{tag}>"


def _inline(text: str) -> str:
    html = escape(text)
    html = _CODE.sub(r"<code>\1</code>", html)
    html = _STRONG.sub(r"<strong>\1</strong>", html)
    return _LINK.sub(_anchor, html)


def _anchor(match: re.Match[str]) -> str:
    target = match[2]
    address = f"/help/{target.removesuffix('.md')}" if target.endswith(".md") else target
    return f'<a href="{address}">{match[1]}</a>'
