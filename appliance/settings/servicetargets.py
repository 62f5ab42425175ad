"""Targets that are no folders: buckets of object stores and MQTT brokers."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from appliance.domain.fault import Fault, Words
from appliance.settings.section import misfit, setting
from appliance.settings.targetparts import Checked, Files, Notices, Pictures, SecretField, host_field, port_field

_FOLDER = r"[A-Za-z0-9_][A-Za-z0-9 ._-]*"
_NUMERIC = re.compile(r"https://(\[|[0-9.]+(:|/|\Z))")
_TOPIC = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\Z")


class Addressing(StrEnum):
    """Where a bucket's name stands in a request."""

    PATH = "path"
    HOST = "virtual-host"


class S3Target(Files, Checked):
    """A bucket of an object store."""

    title_of_kind: ClassVar[str] = "S3 object store"
    about: ClassVar[str] = "A bucket at Amazon S3 or another store that speaks as it does, also one of your own."
    needed: ClassVar[tuple[str, ...]] = ("endpoint", "region", "bucket", "key_id")
    secrets: ClassVar[tuple[SecretField, ...]] = (SecretField("secret_key", "Secret key", "Of the access key above."),)

    kind: Literal["s3"] = "s3"
    endpoint: str = setting(
        "", "Endpoint", "Of the store, without the bucket, like https://s3.eu-central-1.amazonaws.com (its provider tells it).",
        max_length=400, pattern=r"^(https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?)?$",
    )  # fmt: skip
    region: str = setting(
        "us-east-1", "Region", "As the store tells it, like eu-central-1; many stores of one's own take us-east-1.",
        max_length=40, pattern=r"^[a-z0-9-]*$",
    )  # fmt: skip
    bucket: str = setting(
        "", "Bucket", "Must be there; small letters, digits, dots and -.", max_length=63,
        pattern=r"^([a-z0-9][a-z0-9.-]+[a-z0-9])?$",
    )  # fmt: skip
    prefix: str = setting(
        "", "Prefix", "Folder in the bucket, like sky/roof; it is made by itself. Empty: the bucket's top.",
        max_length=200, pattern=rf"^({_FOLDER}(/{_FOLDER})*)?$",
    )  # fmt: skip
    addressing: Addressing = setting(
        Addressing.PATH, "Addressing",
        "path asks the endpoint for /bucket/name. virtual-host asks bucket.endpoint for /name, as some stores want it.",
    )  # fmt: skip
    storage_class: str = setting(
        "", "Storage class", "Like STANDARD_IA. Empty: the store's usual one.", max_length=40, pattern=r"^[A-Za-z0-9_-]*$"
    )
    key_id: str = setting(
        "",
        "Access key id",
        "The public part of the access key: as whom to sign.",
        max_length=128,
        pattern=r"^[A-Za-z0-9._@+=-]*$",
    )

    @model_validator(mode="after")
    def _bucket_can_be_part_of_a_name(self) -> Self:
        if self.addressing is Addressing.HOST:
            if "." in self.bucket:
                raise misfit("bucket", "has dots, for which no certificate fits: choose the addressing path")
            if _NUMERIC.match(self.endpoint):
                raise misfit("addressing", "must be path where the endpoint is an address of numbers")
        return self

    @property
    def place(self) -> str:
        """Where and as whom; the secret key itself is never sent, so that the bucket may change."""
        return f"s3:{self.key_id}@{self.endpoint}"


class MqttSecurity(StrEnum):
    """How a broker is spoken to."""

    TLS = "tls"
    NONE = "none"


class MqttTarget(Pictures, Notices, Checked):
    """An MQTT broker."""

    title_of_kind: ClassVar[str] = "MQTT"
    about: ClassVar[str] = (
        "A broker, for Home Assistant and other automation: newest picture, numbers, whether the camera is there."
    )
    needed: ClassVar[tuple[str, ...]] = ("host", "topic")
    secrets: ClassVar[tuple[SecretField, ...]] = (SecretField("password", "Password", "Of this user."),)

    test: ClassVar[str] = "Connects, logs in and publishes a small message that nobody keeps."
    tested: ClassVar[str] = "A small message was published there."
    words: ClassVar[Mapping[Fault, Words]] = {
        Fault.LOGIN: Words("Name or password are refused.", "Check User, and enter Password again."),
        Fault.RIGHT: Words(
            "This user may not publish there.", "Allow it in the broker's rules, or change Topic or Discovery prefix."
        ),
        Fault.PATH: Words("The broker does not take this topic.", "Change Topic or Discovery prefix."),
        Fault.FULL: Words("The broker takes no more of this user.", "Raise its quota there, or let this target get less."),
    }

    kind: Literal["mqtt"] = "mqtt"
    host: str = host_field("Name or address of the broker.")
    port: int = port_field(8883, "8883 with TLS; without it is 1883.")
    user: str = setting("", "User", "As whom to log in; empty where the broker asks for nobody.", max_length=100)
    topic: str = setting(
        "nightjar", "Topic", "What all topics begin with; the appliance's id and a word like state follow.", max_length=100
    )
    discovery: str = setting(
        "homeassistant", "Discovery prefix",
        "Where Home Assistant looks for devices: homeassistant, unless you have changed it there. Empty: it is told nothing.",
        max_length=100,
    )  # fmt: skip
    images: bool = setting(
        True, "Images", "Send the pictures themselves, too. Off: only their numbers, and the images that stand there are removed."
    )
    security: MqttSecurity = setting(
        MqttSecurity.TLS, "TLS",
        "none is unsafe: everybody on the way reads the password and may change what is sent.",
    )  # fmt: skip

    @field_validator("topic", "discovery")
    @classmethod
    def _is_a_topic(cls, text: str) -> str:
        if text and not _TOPIC.match(text):
            raise ValueError("has letters of English, digits, dots, _ and -, with / between levels, like home/nightjar")
        return text

    @property
    def place(self) -> str:
        """Where and as whom, and how safe the way is."""
        return f"mqtt-{self.security}://{self.user}@{self.host}:{self.port}"

    @property
    def naming(self) -> tuple[str, str]:
        """Templates of names: the files' own, by which their numbers are found."""
        return "{name}", "{name}"

    @property
    def unsafe(self) -> str:
        """What is unsafe about it."""
        is_plain = self.security is MqttSecurity.NONE
        return "Password and pictures go over the network without encryption." if is_plain else ""
