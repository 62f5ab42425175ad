"""The sky simulator as an INDI camera: its properties are its only state, and an exposure is rendered while it lasts."""

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from indipydriver import Device, NumberVector, SwitchVector

from appliance import __version__
from appliance.domain.clock import AcceleratedClock, Clock
from appliance.domain.frame import Exposure
from appliance.skysim import fits
from appliance.skysim.properties import (
    DEVICE,
    FRAME_KINDS,
    PATTERNS,
    PIXEL_SIZE_UM,
    PROJECTIONS,
    Vector,
    always,
    connected,
    numbers_in,
    switches_in,
)
from appliance.skysim.render import binned, render
from appliance.skysim.scene import Scene, Site
from appliance.skysim.wire import WiredDriver

_COUNT_DOWN_S = 1.0
_SHAPE = frozenset(("SKY_SIZE", "SKY_BAYER"))
"""What changes the frame's form cannot change under a running exposure."""


@dataclass(frozen=True, slots=True)
class _Order:
    """Everything that one frame follows from, taken when its exposure starts."""

    scene: Scene
    exposure: Exposure
    started_at: datetime
    offset_adu: int
    left: int
    top: int
    width: int
    height: int
    is_compressed: bool


class SkyDriver(WiredDriver):
    """Answers clients and makes frames."""

    def __init__(self, scene: Scene, clock: Clock) -> None:
        self._plain = scene
        self._clock = clock
        self._rate = clock.rate if isinstance(clock, AcceleratedClock) else 1.0
        self._when_connected = connected(scene)
        for vector in self._when_connected:
            vector.enable = False
        self._vectors: dict[str, Vector] = {vector.name: vector for vector in [*always(__version__), *self._when_connected]}
        super().__init__(Device(DEVICE, list(self._vectors.values())))
        self._renderer = ThreadPoolExecutor(1, "render")
        self._exposing: asyncio.Task[None] | None = None

    async def rxevent(self, event: object) -> None:
        """Answer what a client asks for; called by indipydriver."""
        vector, wanted = event.vector, dict(event)  # type: ignore[attr-defined, call-overload] # indipydriver has no types
        if vector.perm == "ro":
            return
        if isinstance(vector, SwitchVector):
            switches = switches_in(vector, wanted)
            await (self._refuse(vector) if switches is None else self._take_switches(vector, switches))
        elif isinstance(vector, NumberVector):
            numbers = numbers_in(vector, wanted)
            await (self._refuse(vector) if numbers is None else self._take_numbers(vector, numbers))

    async def _refuse(self, vector: Vector) -> None:
        await vector.send_setVector(state="Alert")

    async def _take_switches(self, vector: SwitchVector, values: dict[str, str]) -> None:
        if vector.name == "CCD_ABORT_EXPOSURE":
            await self._abort()
            await vector.send_setVector(state="Ok")
        elif vector.name in _SHAPE and self._is_exposing:
            await self._refuse(vector)
        else:
            for name, value in values.items():
                vector[name] = value
            await vector.send_setVector(state="Ok")
            if vector.name == "CONNECTION":
                await (self._connect() if values["CONNECT"] == "On" else self._disconnect())
            elif vector.name == "SKY_BAYER":
                await self._tell_pattern()

    async def _take_numbers(self, vector: NumberVector, values: dict[str, float]) -> None:
        if vector.name == "CCD_EXPOSURE":
            await self._start(values["CCD_EXPOSURE_VALUE"])
            return
        if vector.name in _SHAPE and self._is_exposing:
            await self._refuse(vector)
            return
        for name, value in values.items():
            vector[name] = value
        await vector.send_setVector(state="Ok")
        if vector.name == "SKY_SIZE":
            await self._tell_size(int(values["WIDTH"]), int(values["HEIGHT"]))

    async def _connect(self) -> None:
        for vector in self._when_connected:
            if not vector.enable and (vector.name != "CCD_CFA" or self._scene().sensor.bayer is not None):
                vector.enable = True
                await vector.send_defVector()

    async def _disconnect(self) -> None:
        await self._abort()
        for vector in self._when_connected:
            if vector.enable:
                await vector.send_delProperty()

    async def _tell_pattern(self) -> None:
        """Define the colour filter array anew; a camera without one has no such property."""
        cfa, pattern = self._vectors["CCD_CFA"], self._scene().sensor.bayer
        if cfa.enable:
            await cfa.send_delProperty()
        if pattern is not None:
            cfa["CFA_TYPE"] = pattern.value
            cfa.enable = True
            await cfa.send_defVector()

    async def _tell_size(self, width: int, height: int) -> None:
        """Take a new size into information and frame; bounds are told by a new definition."""
        info, frame = self._vectors["CCD_INFO"], self._vectors["CCD_FRAME"]
        info["CCD_MAX_X"], info["CCD_MAX_Y"] = width, height
        await info.send_setVector(state="Ok")
        await frame.send_delProperty()
        for name, value, limit in (
            ("X", 0, width - 1),
            ("Y", 0, height - 1),
            ("WIDTH", width, width),
            ("HEIGHT", height, height),
        ):
            frame.data[name].max = str(limit)
            frame[name] = value
        frame.enable = True
        await frame.send_defVector()

    @property
    def _is_exposing(self) -> bool:
        return self._exposing is not None and not self._exposing.done()

    async def _abort(self) -> None:
        """End a running exposure without a frame."""
        if self._is_exposing and self._exposing is not None:
            self._exposing.cancel()
            vector = self._vectors["CCD_EXPOSURE"]
            vector["CCD_EXPOSURE_VALUE"] = 0
            await vector.send_setVector(state="Idle")

    async def _start(self, duration_s: float) -> None:
        await self._abort()
        order = self._order(duration_s)
        vector = self._vectors["CCD_EXPOSURE"]
        vector["CCD_EXPOSURE_VALUE"] = duration_s
        await vector.send_setVector(state="Busy")
        self._exposing = self._tg.create_task(self._expose(order))

    async def _expose(self, order: _Order) -> None:
        """Count down while the frame is rendered, then send it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + order.exposure.duration_s / self._rate
        frame = loop.run_in_executor(self._renderer, _frame, order)
        exposure, blob = self._vectors["CCD_EXPOSURE"], self._vectors["CCD1"]
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, _COUNT_DOWN_S))
            if until - loop.time() > 0:
                exposure["CCD_EXPOSURE_VALUE"] = round((until - loop.time()) * self._rate, 6)
                await exposure.send_setVector(state="Busy")
        data, size = await frame
        # indipydriver would keep the first frame's size for all that follow.
        blob.set_blobsize("CCD1", size)
        blob.data["CCD1"].blobformat = ".fits.z" if order.is_compressed else ".fits"
        blob["CCD1"] = data
        await blob.send_setVectorMembers(state="Ok", members=["CCD1"])
        exposure["CCD_EXPOSURE_VALUE"] = 0
        await exposure.send_setVector(state="Ok")

    def _number(self, vector: str, member: str) -> float:
        return float(self._vectors[vector].data[member].getfloatvalue())

    def _chosen(self, vector: str) -> str:
        return next(str(name) for name, value in self._vectors[vector].items() if value == "On")

    def _is_on(self, vector: str, member: str) -> bool:
        return bool(self._vectors[vector][member] == "On")

    def _scene(self) -> Scene:
        """Return the scene that the properties describe."""
        number, is_on = self._number, self._is_on
        return replace(
            self._plain,
            site=Site(number("GEOGRAPHIC_COORD", "LAT"), number("GEOGRAPHIC_COORD", "LONG")),
            lens=replace(
                self._plain.lens,
                width=int(number("SKY_SIZE", "WIDTH")),
                height=int(number("SKY_SIZE", "HEIGHT")),
                projection=PROJECTIONS[self._chosen("SKY_PROJECTION")],
                top_azimuth_deg=number("SKY_ORIENTATION", "TOP_AZIMUTH"),
            ),
            sensor=replace(
                self._plain.sensor,
                bayer=PATTERNS[self._chosen("SKY_BAYER")],
                temperature_c=number("CCD_TEMPERATURE", "CCD_TEMPERATURE_VALUE"),
            ),
            weather=replace(
                self._plain.weather,
                cloud_cover=number("SKY_WEATHER", "CLOUD_COVER"),
                light_pollution=number("SKY_WEATHER", "LIGHT_POLLUTION"),
            ),
            seed=int(number("SKY_SEED", "SEED")),
            has_moon=is_on("SKY_OBJECTS", "MOON"),
            has_meteors=is_on("SKY_OBJECTS", "METEORS"),
            has_satellites=is_on("SKY_OBJECTS", "SATELLITES"),
        )

    def _order(self, duration_s: float) -> _Order:
        scene, kind = self._scene(), FRAME_KINDS[self._chosen("CCD_FRAME_TYPE")]
        offset = int(self._number("CCD_OFFSET", "OFFSET"))
        # The two directions are binned alike, as these cameras do.
        binning = int(self._number("CCD_BINNING", "HOR_BIN"))
        exposure = Exposure(kind, duration_s, self._number("CCD_GAIN", "GAIN"), binning, offset)
        left, top = int(self._number("CCD_FRAME", "X")), int(self._number("CCD_FRAME", "Y"))
        if scene.sensor.bayer is not None:  # a part of the chip begins with a whole square of the mosaic
            left, top = left - left % 2, top - top % 2
        width = min(int(self._number("CCD_FRAME", "WIDTH")), scene.lens.width - left)
        height = min(int(self._number("CCD_FRAME", "HEIGHT")), scene.lens.height - top)
        is_compressed = self._is_on("CCD_COMPRESSION", "INDI_ENABLED")
        now = self._clock.now()
        started_at = now.replace(
            microsecond=now.microsecond // 1000 * 1000
        )  # as exact as DATE-OBS: header and scene give the frame
        return _Order(scene, exposure, started_at, offset, left, top, max(width, binning), max(height, binning), is_compressed)


def _frame(order: _Order) -> tuple[bytes, int]:
    """Return the bytes of a frame for the client, and their number before compression."""
    exposure, scene = order.exposure, order.scene
    whole = render(scene, replace(exposure, binning=1), order.started_at)
    pixels = binned(whole[order.top : order.top + order.height, order.left : order.left + order.width], exposure.binning)
    header = fits.Header(
        exposure=exposure,
        offset_adu=order.offset_adu,
        started_at=order.started_at,
        bayer=scene.sensor.bayer if exposure.binning == 1 else None,  # binning mixes the colours
        temperature_c=scene.sensor.temperature_c,
        instrument=DEVICE,
        pixel_size_um=PIXEL_SIZE_UM,
        latitude_deg=scene.site.latitude_deg,
        longitude_deg=scene.site.longitude_deg,
    )
    data = fits.encode(pixels, header)
    return (zlib.compress(data, 1) if order.is_compressed else data), len(data)
