"""What Home Assistant is told, held against what it documents."""

import json
import re
from typing import Any

import pytest

from appliance.uploads.homeassistant import documents
from appliance.uploads.port import Sender
from appliance.uploads.topics import Topics

SENDER = Sender("7Q2M9KD4", "My sky", "0.1.0")
TOPICS = Topics("nightjar", "7Q2M9KD4")
COMMON = {
    "unique_id",
    "name",
    "device",
    "origin",
    "availability_topic",
    "payload_available",
    "payload_not_available",
    "entity_category",
}
DOCUMENTED = {
    "sensor": COMMON | {
        "state_topic", "value_template", "device_class", "state_class", "unit_of_measurement", "suggested_display_precision",
    },
    "binary_sensor": COMMON | {"state_topic", "value_template", "device_class", "payload_on", "payload_off"},
    "image": COMMON | {"image_topic", "content_type"},
}  # fmt: skip
"""Keys of https://www.home-assistant.io/integrations/sensor.mqtt/ and its neighbours."""
NEEDED = {"sensor": {"state_topic"}, "binary_sensor": {"state_topic"}, "image": {"image_topic"}}
DEVICE = {
    "identifiers": ["nightjar-7Q2M9KD4"],
    "name": "My sky",
    "manufacturer": "Nightjar",
    "model": "All-sky camera",
    "serial_number": "7Q2M9KD4",
    "sw_version": "0.1.0",
}
AVAILABLE = {
    "availability_topic": "nightjar/7Q2M9KD4/availability",
    "payload_available": "online",
    "payload_not_available": "offline",
}
ABOUT = {"device": DEVICE, "origin": {"name": "Nightjar", "sw_version": "0.1.0"}}


def told(**values: bool) -> dict[str, Any]:
    shows = {"has_images": True, "has_products": True, **values}
    found = documents("homeassistant", TOPICS, SENDER, **shows)
    return {topic: json.loads(document) if document else None for topic, document in found.items()}


def test_the_entities_are_these() -> None:
    sensors = ("stars", "sky_mag_arcsec2", "exposure_s", "gain", "mean_adu", "sensor_temperature_c", "started_at")
    assert list(told()) == [
        *(f"homeassistant/sensor/7Q2M9KD4/{word}/config" for word in sensors),
        *(f"homeassistant/binary_sensor/7Q2M9KD4/{word}/config" for word in ("connection", "problem")),
        *(f"homeassistant/image/7Q2M9KD4/{word}/config" for word in ("picture", "keogram", "startrail")),
    ]


def test_every_document_is_as_home_assistant_documents_it() -> None:
    ids = set()
    for topic, document in told().items():
        found = re.fullmatch(r"homeassistant/(\w+)/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)/config", topic)  # its own pattern
        assert found is not None
        component = found.group(1)
        assert document.keys() <= DOCUMENTED[component], topic
        assert document.keys() >= NEEDED[component] | {"unique_id", "name", "device", "origin"}, topic
        assert {key: document[key] for key in ABOUT} == ABOUT
        ids.add(document["unique_id"])
    assert len(ids) == len(told())


def test_one_of_each_kind_in_full() -> None:
    documents_ = told()
    assert documents_["homeassistant/sensor/7Q2M9KD4/sensor_temperature_c/config"] == {
        "unique_id": "nightjar-7Q2M9KD4-sensor_temperature_c",
        "name": "Sensor temperature",
        "state_topic": "nightjar/7Q2M9KD4/state",
        "value_template": "{{ value_json.sensor_temperature_c | default('None') }}",
        "unit_of_measurement": "°C",
        "device_class": "temperature",
        "state_class": "measurement",
        "entity_category": "diagnostic",
        "suggested_display_precision": 1,
        **ABOUT,
        **AVAILABLE,
    }
    assert documents_["homeassistant/sensor/7Q2M9KD4/stars/config"].keys().isdisjoint({"unit_of_measurement", "entity_category"})
    assert documents_["homeassistant/image/7Q2M9KD4/picture/config"] == {
        "unique_id": "nightjar-7Q2M9KD4-picture",
        "name": "Sky",
        "image_topic": TOPICS.picture,
        "content_type": "image/jpeg",
        **ABOUT,
        **AVAILABLE,
    }
    assert documents_["homeassistant/binary_sensor/7Q2M9KD4/problem/config"] == {
        "unique_id": "nightjar-7Q2M9KD4-problem",
        "name": "Problem",
        "state_topic": "nightjar/7Q2M9KD4/health",
        "value_template": "{{ 'OFF' if value == 'ok' else 'ON' }}",
        "device_class": "problem",
        "entity_category": "diagnostic",
        **ABOUT,
        **AVAILABLE,
    }
    assert documents_["homeassistant/binary_sensor/7Q2M9KD4/connection/config"] == {
        "unique_id": "nightjar-7Q2M9KD4-connection",
        "name": "Connection",
        "state_topic": "nightjar/7Q2M9KD4/availability",
        "payload_on": "online",
        "payload_off": "offline",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        **ABOUT,
    }
    assert documents_["homeassistant/sensor/7Q2M9KD4/started_at/config"]["device_class"] == "timestamp"


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"has_products": False}, {"keogram", "startrail"}),
        ({"has_images": False}, {"picture", "keogram", "startrail"}),
    ],
)
def test_what_is_not_sent_is_taken_away(values: dict[str, bool], gone: set[str]) -> None:
    empty = {topic for topic, document in told(**values).items() if document is None}
    assert empty == {f"homeassistant/image/7Q2M9KD4/{word}/config" for word in gone}
