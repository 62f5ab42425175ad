"""Feeds of nights: JSON Feed 1.1 (jsonfeed.org) and Atom (RFC 4287), made from values; no request and no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from uuid import UUID, uuid5
from xml.etree import ElementTree as ET

from appliance.domain.night import NightId
from appliance.store.products import ProductFile
from appliance.web.encode import to_json
from appliance.web.publication import PRODUCT_TITLES, PRODUCT_TYPES, PublicNight
from appliance.web.words import iso, night_title

JSON_TYPE, ATOM_TYPE = "application/feed+json", "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"
_OURS = UUID("6f0d1d0e-6c0b-4c57-9c6e-0f8f6ad2b1a4")
"""The space of names in which ids of feeds and nights are made. It never changes, or readers would show every night again."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What both kinds of feed tell."""

    title: str
    origin: str
    """Where we are reached, for instance `https://nightjar.local`: feeds are read elsewhere, so their addresses are whole."""
    device_id: str
    updated_at: datetime
    """Where there is no night yet; else the newest change of a night counts."""
    nights: tuple[PublicNight, ...]

    @property
    def id(self) -> str:
        """The feed's id, the same after a restart and under every name of ours."""
        return _urn(self.device_id, "feed")

    def id_of(self, night: NightId) -> str:
        """Return the id of a night's entry."""
        return _urn(self.device_id, night.text)

    @property
    def page(self) -> str:
        """Address of the public page."""
        return f"{self.origin}/public"

    def page_of(self, night: NightId) -> str:
        """Return the address of a night on the public page."""
        return f"{self.page}?night={night}"

    def address_of(self, night: NightId, file: ProductFile) -> str:
        """Return the address of a product."""
        return f"{self.origin}{product_path(night, file)}"


def product_path(night: NightId, file: ProductFile) -> str:
    """Return the path under which the public gets a product."""
    return f"/public/nights/{night}/{file.name}"


def entries(nights: Sequence[PublicNight], tonight: NightId) -> tuple[PublicNight, ...]:
    """Return the nights that a feed tells of: those that have something to show, once they are over or their film is there.

    A night that still grows would be news with every frame.
    """
    return tuple(one for one in nights if one.products and (one.night < tonight or one.product("night.mp4") is not None))


def json_feed(feed: Feed) -> bytes:
    """Return a JSON Feed."""
    return to_json({
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": f"{feed.origin}/feed.json",
        "icon": f"{feed.origin}/latest-small.jpg",
        "language": "en",
        "authors": [{"name": feed.title}],
        "items": [_item(feed, one) for one in feed.nights],
    })  # fmt: skip


def atom_feed(feed: Feed) -> bytes:
    """Return an Atom feed; the films are enclosures."""
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": "en"})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    _add(root, "updated", iso(max((_updated_at(one) for one in feed.nights), default=feed.updated_at)))
    _add(_add(root, "author"), "name", feed.title)
    _add(root, "link", rel="self", type=ATOM_TYPE, href=f"{feed.origin}/feed.atom")
    _add(root, "link", rel="alternate", type="text/html", href=feed.page)
    _add(root, "generator", "Nightjar")
    for one in feed.nights:
        _add_entry(_add(root, "entry"), feed, one)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _item(feed: Feed, one: PublicNight) -> Mapping[str, object]:
    cover = one.product("startrail.jpg") or one.product("keogram.jpg")
    return {
        "id": feed.id_of(one.night),
        "url": feed.page_of(one.night),
        "title": night_title(one.night.text),
        "content_html": _content(feed, one),
        **({"image": feed.address_of(one.night, cover)} if cover else {}),
        "date_published": one.first_at,
        "date_modified": _updated_at(one),
        "attachments": [
            {
                "url": feed.address_of(one.night, file),
                "mime_type": PRODUCT_TYPES[file.name],
                "title": PRODUCT_TITLES[file.name],
                "size_in_bytes": file.bytes,
            }
            for file in one.products
        ],
    }


def _add_entry(entry: ET.Element, feed: Feed, one: PublicNight) -> None:
    _add(entry, "id", feed.id_of(one.night))
    _add(entry, "title", night_title(one.night.text))
    _add(entry, "published", iso(one.first_at))
    _add(entry, "updated", iso(_updated_at(one)))
    _add(entry, "link", rel="alternate", type="text/html", href=feed.page_of(one.night))
    for file in one.films:
        href = feed.address_of(one.night, file)
        title = PRODUCT_TITLES[file.name]
        _add(entry, "link", rel="enclosure", type=PRODUCT_TYPES[file.name], title=title, length=str(file.bytes), href=href)
    _add(entry, "content", _content(feed, one), type="html")


def _content(feed: Feed, one: PublicNight) -> str:
    """Return a night as HTML for readers of feeds."""
    parts = []
    for file in one.products:
        href, title = escape(feed.address_of(one.night, file)), escape(PRODUCT_TITLES[file.name])
        if PRODUCT_TYPES[file.name] == "image/jpeg":
            parts.append(f'<figure><img src="{href}" alt="{title}"><figcaption>{title}</figcaption></figure>')
        else:
            parts.append(f'<p><a href="{href}">{title}</a></p>')
    return "".join(parts)


def _updated_at(one: PublicNight) -> datetime:
    return max(file.changed_at for file in one.products)


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, name, attributes)
    child.text = text
    return child


def _urn(device_id: str, name: str) -> str:
    return uuid5(_OURS, f"{device_id}/{name}").urn
