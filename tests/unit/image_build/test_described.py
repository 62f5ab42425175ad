"""What lies beside the image: the list of everything in it, and the entry for Raspberry Pi Imager."""

import json
from pathlib import Path

from imagebuild import sbom
from imagebuild.imager import entry
from imagebuild.lock import Package

LIBC = Package("image", "libc6", "2.41-12", "arm64", "a" * 64, 12)
GIT = Package("image", "git", "1:2.47+x", "arm64", "b" * 64, 34)
EPOCH = 1_700_000_000


def _site(folder: Path) -> Path:
    info = folder / "waitress-3.0.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: waitress\nVersion: 3.0.2\nLicense-Expression: ZPL-2.1\n\nText\n")
    return folder


def test_both_lists_name_every_package_with_its_hash(tmp_path: Path) -> None:
    parts = [*sbom.debian_parts([LIBC, GIT], "trixie"), *sbom.python_parts(_site(tmp_path))]
    urls = {
        "pkg:deb/debian/libc6@2.41-12?arch=arm64&distro=trixie",
        "pkg:deb/debian/git@1%3A2.47%2Bx?arch=arm64&distro=trixie",
        "pkg:pypi/waitress@3.0.2",
    }
    spdx = json.loads(sbom.spdx(parts, "1.2.3", EPOCH))
    found = {one["externalRefs"][0]["referenceLocator"]: one for one in spdx["packages"]}
    assert set(found) == urls | {"pkg:generic/nightjar@1.2.3"}
    assert found["pkg:pypi/waitress@3.0.2"]["licenseDeclared"] == "ZPL-2.1"
    assert spdx["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    assert len({one["SPDXID"] for one in spdx["packages"]}) == 4
    related = {one["relatedSpdxElement"] for one in spdx["relationships"]}
    assert related == {one["SPDXID"] for one in spdx["packages"]}
    cyclonedx = json.loads(sbom.cyclonedx(parts, "1.2.3", EPOCH))
    assert {one["purl"] for one in cyclonedx["components"]} == urls
    assert {one["hashes"][0]["content"] for one in cyclonedx["components"] if "hashes" in one} == {"a" * 64, "b" * 64}


def test_the_same_parts_in_another_order_make_the_same_lists() -> None:
    parts = sbom.debian_parts([LIBC, GIT], "trixie")
    for form in (sbom.spdx, sbom.cyclonedx):
        assert form(parts, "1", EPOCH) == form(parts[::-1], "1", EPOCH)
        assert form(parts, "1", EPOCH) != form(parts[:1], "1", EPOCH)


def test_imager_is_told_what_its_schema_asks_for(tmp_path: Path) -> None:
    packed = tmp_path / "nightjar-1.2.3-arm64.img.xz"
    packed.write_bytes(b"packed")
    listed = json.loads(entry(packed, version="1.2.3", epoch=EPOCH, size=99, sha256="c" * 64, address="https://example.org/n/"))
    assert list(listed) == ["os_list"]
    (one,) = listed["os_list"]
    asked = {"name": str, "description": str, "icon": str, "url": str, "extract_size": int, "extract_sha256": str}
    assert {name: type(one[name]) for name in asked} == asked
    assert (one["image_download_size"], one["release_date"]) == (6, "2023-11-14")
    assert one["url"] == "https://example.org/n/nightjar-1.2.3-arm64.img.xz"
    assert one["init_format"] == "rpi-preseed", "by the others Imager writes a script that runs as root"
