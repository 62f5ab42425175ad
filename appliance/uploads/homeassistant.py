"""What Home Assistant is told of an appliance, so that it shows it by itself.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery; one document an entity, which every version understands.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.uploads.port import Sender
from appliance.uploads.topics import OFFLINE, ONLINE, PRODUCTS, Topics

OK = "ok"
"""What stands on the topic `health` where nothing is wrong."""
_DIAGNOSTIC = "diagnostic"


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of the state that becomes a sensor."""

    key: str
    name: str
    unit: str = ""
    device_class: str = ""
    precision: int | None = None
    is_diagnostic: bool = True


_NUMBERS = (
    _Number("stars", "Stars", is_diagnostic=False),
    _Number("sky_mag_arcsec2", "Sky brightness", "mag/arcsec²", precision=2, is_diagnostic=False),
    _Number("exposure_s", "Exposure", "s", "duration", precision=3),
    _Number("gain", "Gain", precision=1),
    _Number("mean_adu", "Mean brightness", "ADU", precision=0),
    _Number("sensor_temperature_c", "Sensor temperature", "°C", "temperature", precision=1),
)
_IMAGES = {"picture": "Sky", "keogram": "Keogram", "startrail": "Star trail"}


def documents(prefix: str, topics: Topics, sender: Sender, *, has_images: bool, has_products: bool) -> Mapping[str, bytes]:
    """Return the discovery documents by their topics, each to be retained; an empty one takes an entity away.

    Parameters
    ----------
    prefix : str
        Where Home Assistant looks, mostly `homeassistant`.
    topics : Topics
    sender : Sender
    has_images, has_products : bool
        Whether pictures are sent with their bytes, and whether keograms and star trails are sent at all.
    """
    about = _Entities(topics, sender)
    found: dict[tuple[str, str], Mapping[str, object]] = {
        ("sensor", number.key): about.number(number) for number in _NUMBERS
    }  # fmt: skip
    found["sensor", "started_at"] = about.moment()
    found["binary_sensor", "connection"] = about.connection()
    found["binary_sensor", "problem"] = about.problem()
    products = {product.partition(".")[0] for product in PRODUCTS}
    for word, name in _IMAGES.items():
        is_there = has_images and (has_products or word not in products)
        found["image", word] = about.image(word, name) if is_there else {}
    return {
        f"{prefix}/{component}/{topics.device}/{word}/config": json.dumps(document, ensure_ascii=False).encode()
        if document
        else b""
        for (component, word), document in found.items()
    }


def place_to_check(prefix: str, topics: Topics) -> str:
    """Return a topic beside the documents; an empty message there, not retained, means nothing to Home Assistant."""
    return f"{prefix}/sensor/{topics.device}/check/config"


class _Entities:
    """Writes the documents of one appliance."""

    def __init__(self, topics: Topics, sender: Sender) -> None:
        self._topics = topics
        self._common = {
            "device": {
                "identifiers": [f"nightjar-{sender.device_id}"],
                "name": sender.site_name or "Nightjar",
                "manufacturer": "Nightjar",
                "model": "All-sky camera",
                "serial_number": sender.device_id,
                "sw_version": sender.version,
            },
            "origin": {"name": "Nightjar", "sw_version": sender.version},
        }
        self._available = {
            "availability_topic": topics.availability,
            "payload_available": ONLINE.decode(),
            "payload_not_available": OFFLINE.decode(),
        }

    def number(self, number: _Number) -> Mapping[str, object]:
        """Return the sensor of a number; one that was not measured this time is unknown, not the one before."""
        extras = {
            "unit_of_measurement": number.unit,
            "device_class": number.device_class,
            "entity_category": _DIAGNOSTIC if number.is_diagnostic else "",
            "suggested_display_precision": "" if number.precision is None else number.precision,
        }
        return {
            **self._entity(number.key, number.name),
            "state_topic": self._topics.state,
            "value_template": f"{{{{ value_json.{number.key} | default('None') }}}}",
            "state_class": "measurement",
            **{key: value for key, value in extras.items() if value != ""},
        }

    def moment(self) -> Mapping[str, object]:
        """Return the sensor that says how old all this is."""
        return {
            **self._entity("started_at", "Taken at"),
            "state_topic": self._topics.state,
            "value_template": "{{ value_json.started_at }}",
            "device_class": "timestamp",
        }

    def image(self, word: str, name: str) -> Mapping[str, object]:
        """Return a picture."""
        return {**self._entity(word, name), "image_topic": f"{self._topics.base}/{self._topics.device}/{word}",
                "content_type": "image/jpeg"}  # fmt: skip

    def connection(self) -> Mapping[str, object]:
        """Return what says whether we are connected; it is there also while we are not."""
        return {
            **self._entity("connection", "Connection", is_always_there=True),
            "state_topic": self._topics.availability,
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
            "device_class": "connectivity",
            "entity_category": _DIAGNOSTIC,
        }

    def problem(self) -> Mapping[str, object]:
        """Return what says whether something is wrong with the appliance."""
        return {
            **self._entity("problem", "Problem"),
            "state_topic": self._topics.health,
            "value_template": f"{{{{ 'OFF' if value == '{OK}' else 'ON' }}}}",
            "device_class": "problem",
            "entity_category": _DIAGNOSTIC,
        }

    def _entity(self, word: str, name: str, *, is_always_there: bool = False) -> dict[str, object]:
        own = {"unique_id": f"nightjar-{self._topics.device}-{word}", "name": name, **self._common}
        return own if is_always_there else {**own, **self._available}
