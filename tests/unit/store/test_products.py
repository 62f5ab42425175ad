"""Products of a night."""

import os
from datetime import UTC, datetime

import pytest

from appliance.domain.errors import StoreError
from appliance.domain.night import NightId
from appliance.store.files import DataFolder
from appliance.store.products import NAMES, ProductFile, ProductStore

NIGHT = NightId("2026-01-31")


def test_a_product_is_written_replaced_read_and_removed(folder: DataFolder) -> None:
    products = ProductStore(folder)
    assert products.read(NIGHT, "keogram.jpg") is None
    products.write(NIGHT, "keogram.jpg", b"one")
    path = products.write(NIGHT, "keogram.jpg", memoryview(b"two"))
    assert path == products.path(NIGHT, "keogram.jpg") == folder.root / "nights/2026-01-31/products/keogram.jpg"
    assert products.read(NIGHT, "keogram.jpg") == b"two"
    products.write(NIGHT, "startrail.jpg", b"state")
    assert products.names(NIGHT) == ("keogram.jpg", "startrail.jpg")
    assert products.remove(NIGHT, "keogram.jpg")
    assert not products.remove(NIGHT, "keogram.jpg")


@pytest.mark.parametrize("name", ["", "other.jpg", "../frames/x.jpg", "keogram.jpg.part", "KEOGRAM.JPG", "keogram.jpg/"])
def test_other_names_are_refused(folder: DataFolder, name: str) -> None:
    products = ProductStore(folder)
    for use in (products.path, products.read, lambda night, name: products.write(night, name, b"x"), products.remove):
        with pytest.raises(StoreError, match="not a product"):
            use(NIGHT, name)


def test_a_night_tells_its_files_with_size_and_last_change(folder: DataFolder) -> None:
    products = ProductStore(folder)
    assert products.files(NIGHT) == ()
    os.utime(products.write(NIGHT, "startrail.jpg", b"trail"), (1769904000, 1769904000))
    os.utime(products.write(NIGHT, "keogram.jpg", b"one"), (1769904060, 1769904060))
    (folder.root / "nights/2026-01-31/products/night.mp4.part").write_bytes(b"half a film")
    assert products.files(NIGHT) == (
        ProductFile("keogram.jpg", 3, datetime(2026, 2, 1, 0, 1, tzinfo=UTC)),
        ProductFile("startrail.jpg", 5, datetime(2026, 2, 1, 0, 0, tzinfo=UTC)),
    )


def test_every_product_has_a_path(folder: DataFolder) -> None:
    assert {ProductStore(folder).path(NIGHT, name).name for name in NAMES} == NAMES
