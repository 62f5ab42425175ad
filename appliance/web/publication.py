"""What is shown to the public: the newest nights with their products, looked up every few seconds however many ask."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.clock import Clock
from appliance.domain.night import NightId
from appliance.store.frames import FrameStore
from appliance.store.products import ProductFile, ProductStore

MOST_NIGHTS = 30
KEPT_S = 10.0
PRODUCT_TYPES = {
    "keogram.jpg": "image/jpeg",
    "startrail.jpg": "image/jpeg",
    "night.mp4": "video/mp4",
    "day.mp4": "video/mp4",
    "startrail.mp4": "video/mp4",
}
PRODUCT_TITLES = {
    "keogram.jpg": "Keogram",
    "startrail.jpg": "Star trails",
    "night.mp4": "Film of the night",
    "day.mp4": "Film of the day",
    "startrail.mp4": "Film of the star trails",
}


@dataclass(frozen=True, slots=True)
class PublicNight:
    """A night and its products, in the order in which they are shown."""

    night: NightId
    first_at: datetime
    products: tuple[ProductFile, ...]

    def product(self, name: str) -> ProductFile | None:
        """Return a product, or None where the night has it not."""
        return next((file for file in self.products if file.name == name), None)

    @property
    def films(self) -> tuple[ProductFile, ...]:
        """The night's films."""
        return tuple(file for file in self.products if PRODUCT_TYPES[file.name] == "video/mp4")


class PublicNights:
    """Keeps the newest nights for some seconds: a thousand readers cost what one does. Two that look at once do no harm."""

    def __init__(self, frames: FrameStore, products: ProductStore, clock: Clock) -> None:
        self._frames, self._products, self._clock = frames, products, clock
        self._kept: tuple[float, tuple[PublicNight, ...]] | None = None

    def newest(self) -> tuple[PublicNight, ...]:
        """Return the newest nights that have frames, the newest first."""
        now, kept = self._clock.monotonic(), self._kept
        if kept is not None and now - kept[0] < KEPT_S:
            return kept[1]
        found = tuple(
            PublicNight(one.night, one.first_at, _in_order(self._products.files(one.night)))
            for one in self._frames.nights()[:MOST_NIGHTS]
        )
        self._kept = (now, found)
        return found

    def get(self, night: NightId) -> PublicNight | None:
        """Return a night, or None if it is not among the newest."""
        return next((one for one in self.newest() if one.night == night), None)


def _in_order(files: Iterable[ProductFile]) -> tuple[ProductFile, ...]:
    order = tuple(PRODUCT_TYPES)
    return tuple(sorted(files, key=lambda file: order.index(file.name)))
