"""Keogram and star trail grow with the night, are saved every few frames, and go on after a restart."""

import contextlib
import errno
from collections.abc import Callable

import numpy as np
import pytest

from appliance.domain.errors import DiskFullError
from appliance.domain.night import NightId
from appliance.imaging import codec
from appliance.imaging.keogram import column_of
from appliance.pipeline.products import KEOGRAM, SAVE_EVERY, STAR_TRAIL, NightProducts
from appliance.settings.schema import Settings
from appliance.store.products import ProductStore

NIGHT, NEXT = NightId("2026-01-31"), NightId("2026-02-01")
SIZE = (96, 128)


def pictures(count: int) -> list[np.ndarray]:
    """Return smooth pictures, which a JPEG keeps nearly as they are, each with one star at a place of its own."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    made = []
    for number in range(count):
        light = 40 + 10 * np.sin(number / 3) + 150 * np.exp(-((y - 48) ** 2 + (x - 4 - 4 * number) ** 2) / 18)
        made.append(np.repeat(light[..., None], 3, axis=2).astype(np.uint8))
    return made


def beats() -> None:
    """Say nothing."""


def add(service: NightProducts, frames: list[np.ndarray], of: NightId = NIGHT, **changed: object) -> None:
    settings = Settings.model_validate(changed)
    for frame in frames:
        service.add(of, frame, settings, is_night=True)
        service.save_if_due()


def saved(products: ProductStore, name: str, night: NightId = NIGHT) -> np.ndarray:
    data = products.read(night, name)
    assert data is not None
    return codec.decode(data)


def test_the_first_frame_can_be_seen_at_once(products: ProductStore) -> None:
    add(NightProducts(products, beats), pictures(1))
    assert saved(products, KEOGRAM).shape == (96, 1, 3)
    assert saved(products, STAR_TRAIL).shape == (96, 128, 3)


def test_products_are_saved_every_few_frames_and_not_more_often(products: ProductStore) -> None:
    service = NightProducts(products, beats)
    frames = pictures(2 * SAVE_EVERY)
    widths = []
    for frame in frames:
        add(service, [frame])
        widths.append(saved(products, KEOGRAM).shape[1])
    assert widths == [1] * SAVE_EVERY + [1 + SAVE_EVERY] * (SAVE_EVERY - 1) + [1 + SAVE_EVERY]


def test_what_is_saved_is_what_would_be_made_of_all_frames(products: ProductStore) -> None:
    frames = pictures(25)
    service = NightProducts(products, beats)
    add(service, frames)
    service.save()
    keogram = np.stack([column_of(frame, 96) for frame in frames], axis=1)
    assert np.array_equal(saved(products, KEOGRAM), codec.decode(codec.encode(keogram, 90)))
    assert np.array_equal(saved(products, STAR_TRAIL), codec.decode(codec.encode(np.max(frames, axis=0), 90)))


@pytest.mark.parametrize("is_killed", [True, False])
def test_after_a_restart_the_night_goes_on(products: ProductStore, is_killed: bool) -> None:
    frames = pictures(30)
    first = NightProducts(products, beats)
    add(first, frames[:17])
    if not is_killed:
        first.save()
    second = NightProducts(products, beats)
    add(second, frames[17:])
    second.save()
    lost = saved(products, KEOGRAM).shape[1]
    assert lost == (24 if is_killed else 30)  # killed: saved after 1 and 11 frames, 6 of 17 are gone
    trail = saved(products, STAR_TRAIL).astype(int)
    kept = frames[:11] + frames[17:] if is_killed else frames
    assert np.abs(trail - np.max(kept, axis=0)).mean() < 3
    for number in (0, 10, 17, 29):
        assert trail[48, 4 + 4 * number].min() > 150


def test_a_new_night_begins_anew_and_the_old_one_is_saved(products: ProductStore) -> None:
    frames = pictures(9)
    service = NightProducts(products, beats)
    add(service, frames[:5])
    add(service, frames[5:], NEXT)
    service.save()
    assert saved(products, KEOGRAM).shape[1] == 5
    assert saved(products, KEOGRAM, NEXT).shape[1] == 4
    assert saved(products, STAR_TRAIL, NEXT)[48, 4].max() < 90


def test_a_clock_that_jumps_back_finds_its_night_again(products: ProductStore) -> None:
    frames = pictures(9)
    service = NightProducts(products, beats)
    add(service, frames[:3])
    add(service, frames[3:4], NEXT)
    add(service, frames[4:])
    service.save()
    assert saved(products, KEOGRAM).shape[1] == 8


def test_by_day_the_star_trail_rests_and_the_keogram_grows(products: ProductStore) -> None:
    frames = pictures(4)
    service = NightProducts(products, beats)
    add(service, frames[:2])
    for frame in frames[2:]:
        service.add(NIGHT, np.full_like(frame, 250), Settings(), is_night=False)
    service.save()
    assert saved(products, KEOGRAM).shape[1] == 4
    assert saved(products, STAR_TRAIL).mean() < 100


@pytest.mark.parametrize(("name", "setting"), [(KEOGRAM, "keogram"), (STAR_TRAIL, "star_trail")])
def test_what_is_switched_off_is_not_made(products: ProductStore, name: str, setting: str) -> None:
    service = NightProducts(products, beats)
    add(service, pictures(3), night={setting: False})
    service.save()
    assert products.names(NIGHT) == tuple({KEOGRAM, STAR_TRAIL} - {name})


def test_a_turned_picture_begins_a_new_trail_and_fits_into_the_keogram(products: ProductStore) -> None:
    frames = pictures(6)
    service = NightProducts(products, beats)
    add(service, frames[:3])
    add(service, [np.rot90(frame).copy() for frame in frames[3:5]], image={"rotation": "270"})
    add(service, [frames[5][::-1].copy()], image={"flip_vertical": True})
    service.save()
    assert saved(products, KEOGRAM).shape == (96, 6, 3)
    trail = saved(products, STAR_TRAIL)
    assert trail.shape == (96, 128, 3)
    assert trail[48, 4].max() < 90  # nothing of the first frames, which lay the other way up


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def without_comment(data: bytes) -> bytes:
    return codec.encode(codec.decode(data), 90)


def with_state(text: str) -> Callable[[bytes], bytes]:
    return lambda data: codec.with_comment(without_comment(data), text)


@pytest.mark.parametrize("damage", [
    truncated, without_comment, lambda _data: b"", with_state("{"), with_state("[]"), with_state('{"frames": "3"}'),
    with_state('{"frames": 999, "stride": 1, "geometry": 7}'), with_state('{"frames": 3, "stride": 0}'),
])  # fmt: skip
def test_a_damaged_product_is_begun_anew(products: ProductStore, damage: Callable[[bytes], bytes]) -> None:
    first = NightProducts(products, beats)
    add(first, pictures(3))
    first.save()
    for name in (KEOGRAM, STAR_TRAIL):
        data = products.read(NIGHT, name)
        assert data is not None
        products.write(NIGHT, name, damage(data))
    second = NightProducts(products, beats)
    add(second, pictures(2))
    second.save()
    assert saved(products, KEOGRAM).shape[1] == 2


class FullDisk:
    """The products of a disk that is full until somebody makes room."""

    def __init__(self, products: ProductStore) -> None:
        self._products = products
        self.is_full = True
        self.tries = 0

    def read(self, night: NightId, name: str) -> bytes | None:
        return self._products.read(night, name)

    def write(self, night: NightId, name: str, data: bytes) -> None:
        self.tries += 1
        if self.is_full:
            raise DiskFullError("no room") from OSError(errno.ENOSPC, "No space left on device")
        self._products.write(night, name, data)


def test_a_full_disk_costs_no_frame_and_is_not_tried_at_every_frame(products: ProductStore) -> None:
    disk = FullDisk(products)
    service = NightProducts(disk, beats)  # type: ignore[arg-type] # the two methods that it uses
    settings = Settings()
    for frame in pictures(25):
        service.add(NIGHT, frame, settings, is_night=True)
        with contextlib.suppress(DiskFullError):
            service.save_if_due()
    assert disk.tries <= 6
    disk.is_full = False
    service.save()
    assert saved(products, KEOGRAM).shape[1] == 25


def test_a_night_that_cannot_be_saved_does_not_keep_the_next_one_from_starting(products: ProductStore) -> None:
    disk = FullDisk(products)
    service = NightProducts(disk, beats)  # type: ignore[arg-type] # the two methods that it uses
    service.add(NIGHT, pictures(1)[0], Settings(), is_night=True)
    with pytest.raises(DiskFullError):
        service.add(NEXT, pictures(2)[1], Settings(), is_night=True)
    disk.is_full = False
    service.save()
    assert saved(products, KEOGRAM, NEXT).shape[1] == 1
