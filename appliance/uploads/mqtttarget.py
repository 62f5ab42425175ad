"""TARGET: an MQTT broker: the newest picture and its numbers, keogram, star trail, and whether we are there (decision 0904)."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.frame import StoredFrame
from appliance.domain.notice import from_json
from appliance.uploads.homeassistant import documents, place_to_check
from appliance.uploads.mqtt import LARGEST, Broker, BrokerPlace, Will
from appliance.uploads.port import Progress, Sender
from appliance.uploads.topics import OFFLINE, ONLINE, PRODUCTS, Topics, picture_in, state_of

AGAIN_S = 60.0
"""A connection that was lost while nothing was to be sent is made again at most so often."""
NOTICES = "notices/"
"""What the names of notices begin with."""


@dataclass(frozen=True, slots=True)
class MqttPlace:
    """Which broker, and what is said there."""

    broker: BrokerPlace
    client: str
    """Tells this target from others of this appliance."""
    topic: str
    discovery: str
    """Where Home Assistant looks; empty for no discovery."""
    has_images: bool
    has_products: bool


class MqttTarget:
    """A broker; see `Target` and `Lasting`."""

    def __init__(
        self,
        place: MqttPlace,
        frame_of: Callable[[str], StoredFrame | None],
        sender: Callable[[], Sender],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        place : MqttPlace
        frame_of : callable
            Returns a stored frame by its picture's own name, None where there is none.
        sender : callable
            Returns who sends, as of now.
        now : callable
            Monotonic seconds.
        """
        self._place, self._frame_of, self._sender, self._now = place, frame_of, sender, now
        device = sender().device_id
        self._topics = Topics(place.topic, device)
        self._client_id = f"nightjar-{device}-{place.client}"
        self._broker = Broker(place.broker, self._client_id, Will(self._topics.availability, OFFLINE))
        self._announced: Sender | None = None
        self._newest = 0
        self._again_s = float("-inf")

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Publish a file; returns once the broker has all of it."""
        if size > LARGEST:
            raise UploadRefusedError(f"A message has {LARGEST >> 20} MiB at most.")
        if name.startswith(NOTICES):
            self._deliver_notice(file.read(), progress)
        elif name in PRODUCTS:
            self._deliver_product(file.read(), name, progress)
        else:
            self._deliver_picture(file, name, progress)
        progress(size)

    def check(self) -> None:
        """Connect as somebody else, who is not announced, and publish a message that nobody keeps."""
        broker = Broker(self._place.broker, f"{self._client_id}-test")
        try:
            broker.connect()
            broker.publish(self._topics.check, b"Nightjar", is_retained=False)
            if self._place.discovery:
                broker.publish(place_to_check(self._place.discovery, self._topics), b"", is_retained=False)
        finally:
            broker.close()

    def tend(self) -> None:
        """Keep the connection, and with it our being online; make it again where it was lost."""
        if not self._broker.is_alive() and self._now() >= self._again_s:
            self._again_s = self._now() + AGAIN_S
            with suppress(UploadError, UploadRefusedError):  # the next file says what is wrong
                self._ready(lambda _: None)

    def close(self) -> None:
        """Hang up: we are offline."""
        self._broker.close()

    def _deliver_picture(self, file: BinaryIO, name: str, progress: Progress) -> None:
        """Publish a frame's numbers, and where no newer one stands there, its picture and numbers to stay."""
        frame = self._frame_of(name)
        if frame is None:
            raise UploadRefusedError("Its numbers are not stored here any more.")
        state = state_of(frame, self._sender().site_name)
        broker = self._ready(progress)
        broker.publish(self._topics.history, state, is_retained=False)
        if frame.id < self._newest:
            return
        if self._place.has_images:
            broker.publish(self._topics.picture, file.read(), is_retained=True, progress=progress)
        broker.publish(self._topics.state, state, is_retained=True)
        self._newest = frame.id

    def _deliver_product(self, data: bytes, name: str, progress: Progress) -> None:
        broker = self._ready(progress)
        if self._place.has_images:
            broker.publish(self._topics.product(name), data, is_retained=True, progress=progress)

    def _deliver_notice(self, data: bytes, progress: Progress) -> None:
        """Publish an issue that came or went, and how the appliance is."""
        try:
            health = from_json(data).health
        except InputError as error:
            raise UploadRefusedError("This notice cannot be read.") from error
        broker = self._ready(progress)
        broker.publish(self._topics.notice, data, is_retained=False)
        if health is not None:
            broker.publish(self._topics.health, health.status.encode(), is_retained=True)

    def _ready(self, progress: Progress) -> Broker:
        """Return the broker, connected and knowing who we are."""
        sender, broker = self._sender(), self._broker
        if not broker.is_alive():
            self._announced = None
            broker.connect()
            broker.listen(self._topics.state)
        if self._announced != sender:
            self._announce(sender, progress)
            self._announced = sender
            self._newest = max(self._newest, self._newest_there())
        return broker

    def _announce(self, sender: Sender, progress: Progress) -> None:
        """Tell Home Assistant, take away what is not sent any more, and be online."""
        place, topics = self._place, self._topics
        said: dict[str, bytes] = {}
        if place.discovery:
            shows = {"has_images": place.has_images, "has_products": place.has_products}
            said |= documents(place.discovery, topics, sender, **shows)
        if not place.has_images:
            said |= dict.fromkeys((topics.picture, *map(topics.product, PRODUCTS)), b"")
        for topic, document in said.items():
            progress(0)
            self._broker.publish(topic, document, is_retained=True)
        self._broker.publish(topics.availability, ONLINE, is_retained=True)

    def _newest_there(self) -> int:
        """Return the number of the frame that stands on the broker, 0 where it is none that we know."""
        name = picture_in(self._broker.heard())
        frame = self._frame_of(name) if name else None
        return 0 if frame is None else frame.id
