"""Names on the stick."""

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.export.names import device_folder, place_of_backup, place_of_line, place_of_picture, place_of_product
from appliance.store.products import NAMES

FORBIDDEN_ON_FAT = set('"*/:<>?\\|') | {chr(code) for code in range(32)}


@pytest.mark.parametrize(
    ("host", "folder"),
    [
        ("roof", "roof-7K3M9QXD"),
        ("Roof.local", "roof-7K3M9QXD"),
        ("my cam: the 2nd?", "my-cam-the-2nd-7K3M9QXD"),
        ("con", "con-7K3M9QXD"),
        ("../../etc", "nightjar-7K3M9QXD"),
        ("/", "nightjar-7K3M9QXD"),
        ("", "nightjar-7K3M9QXD"),
        ("ünsere…", "nsere-7K3M9QXD"),
        ("a" * 300, "a" * 63 + "-7K3M9QXD"),
    ],
)
def test_the_device_folder_is_plain_whatever_the_host_name(host: str, folder: str) -> None:
    assert device_folder(host, "7K3M9QXD") == folder


@hypothesis.given(st.text(max_size=300))
def test_no_host_name_makes_a_name_that_fat_cannot_hold(host: str) -> None:
    name = device_folder(host, "7K3M9QXD")
    assert name.isascii()
    assert name == name.strip()
    assert not set(name) & FORBIDDEN_ON_FAT
    assert not name.startswith((".", "-"))
    assert not name.endswith(".")
    assert len(name) <= 72


@pytest.mark.parametrize("device_id", ["", "../x", "a b", "x" * 33, "A\n"])
def test_what_is_no_device_id_is_refused(device_id: str) -> None:
    with pytest.raises(InputError):
        device_folder("roof", device_id)


def test_pictures_lie_by_their_hour() -> None:
    assert place_of_picture("20260131T221530Z-17.jpg") == ("frames", "22", "20260131T221530Z-17.jpg")


@pytest.mark.parametrize(
    "name", ["", "a.jpg", "20260131T221530Z-17.png", "20260131T221530Z-17.jpg\n", "../20260131T221530Z-17.jpg"]
)
def test_what_is_no_picture_has_no_place(name: str) -> None:
    with pytest.raises(InputError):
        place_of_picture(name)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_product_has_a_place_that_a_line_can_name(name: str) -> None:
    assert place_of_line(f"products/{name}") == place_of_product(name) == ("products", name)


def test_a_backup_has_a_place_that_a_line_can_name() -> None:
    name = "nightjar-roof-2026-01-31-221500.nightjar-backup"
    assert place_of_line(name) == place_of_backup(name) == (name,)


@pytest.mark.parametrize(
    "name",
    ["", "nightjar-.nightjar-backup/x", "nightjar-Roof.nightjar-backup", "x.nightjar-backup", "nightjar-a.nightjar-backup\n"],
)
def test_what_is_no_backups_name_has_no_place(name: str) -> None:
    with pytest.raises(InputError):
        place_of_backup(name)
    assert place_of_line(f"backups/{name}") is None
    assert place_of_line(name) is None


@pytest.mark.parametrize(
    "line",
    [
        "", "/", "..", "products/../x", "products/other.jpg", "/products/keogram.jpg", "products//keogram.jpg", "keogram.jpg",
        "frames/20260131T221530Z-17.jpg", "frames/23/20260131T221530Z-17.jpg", "frames/22/../22/20260131T221530Z-17.jpg",
        "thumbs/22/20260131T221530Z-17.jpg", "SHA256SUMS", "PRODUCTS/KEOGRAM.JPG",
    ],
)  # fmt: skip
def test_a_line_that_names_nothing_of_ours_names_nothing(line: str) -> None:
    assert place_of_line(line) is None


def test_no_two_of_our_names_differ_in_letter_case_only() -> None:
    names = ["frames", "products", "backups", "SHA256SUMS", *NAMES, *(f"{hour:02d}" for hour in range(24))]
    assert len({name.casefold() for name in names}) == len(names)
