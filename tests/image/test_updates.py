"""Updates of the booted image: into the other system and back, and every bad one left by itself for the one before.

The image has to hold the keyring of the development keys here (`./build.sh keys`), as it does when built without `--keyring`.
Good ones come by the panel, as an upload and on a stick. Bad ones are brought past it: root in the machine asks RAUC for them.
"""

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagebuild import keyring, keys
from imagebuild.bootfiles import SECOND_COPY_AT
from imagebuild.bundle import COMPATIBLE, MANIFEST
from tests.image import releases
from tests.image.card import COMMANDS
from tests.image.owner import owned, take_pictures
from tests.image.releases import Releases, Tree
from tests.image.updated import (
    HOUR,
    JUDGE_S,
    NOTES,
    PLACE,
    Updated,
    bring_by_stick,
    install,
    order_restart,
    told,
    upload_and_check,
)
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*COMMANDS, *releases.COMMANDS), pytest.mark.timeout(7200)]

SUMS = "for name in boot_a boot_b root_a root_b bootstate; do head -c 8M /dev/nightjar/$name | sha256sum; done"
FLIP = """
path, at = given
with open(path, "r+b") as file:
    file.seek(at)
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 1]))
"""


@pytest.fixture(scope="module")
def made(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(image, tmp_path_factory.mktemp("releases"), keys.Keys(keys.FOLDER))


@pytest.fixture(scope="module")
def card(image: Path, u_boot: Path, tmp_path_factory: pytest.TempPathFactory, *, is_busy: bool) -> Iterator[Updated]:
    """Return a card of these tests' own: what they leave on it is no card as it ships."""
    with Updated(image, u_boot, tmp_path_factory.mktemp("updated"), is_counted=is_busy) as started:
        yield started


@pytest.fixture(scope="module")
def panel(card: Updated) -> Panel:
    found = owned(card)
    take_pictures(found, 3)
    return found


@dataclass
class Bundles:
    """Makes bundles that are no systems, to be refused; what they hold is small."""

    folder: Path
    count: int = 0

    def make(self, signer: keys.Keys, version: str = "9.0.0", root: bytes = b"hsqs", changed: tuple[str, str] = ("", "")) -> Path:
        """Return a bundle as RAUC makes it, whether or not an appliance would take it.

        Parameters
        ----------
        signer : Keys
        version : str
        root : bytes
            In the place of the system.
        changed : tuple of str
            A word of the manifest, and what stands there in its place.
        """
        self.count += 1
        content, made = self.folder / f"content-{self.count}", self.folder / f"small-{self.count}.raucb"
        content.mkdir()
        (content / "root.squashfs").write_bytes(root)
        (content / "boot.vfat").write_bytes(random.Random(1).randbytes(1 << 20))  # of smaller ones RAUC makes no bundle
        text = MANIFEST.format(compatible=COMPATIBLE, version=version, notes="")
        assert changed[0] in text
        (content / "manifest.raucm").write_text(text.replace(*changed))
        signed = (f"--cert={signer.signer}", f"--key={signer.signer_key}")
        subprocess.run(["rauc", *signed, "bundle", content, made], check=True, capture_output=True)
        shutil.rmtree(content)
        return made


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path)


def other_signer(folder: Path, since: datetime) -> keys.Keys:
    """Return the keys here after their signer was replaced at some time; those here stay as they are."""
    shutil.copytree(keys.FOLDER, folder)
    return keys.replace_signer(folder, "Another", since)


def test_the_image_takes_bundles_of_the_keys_here(card: Updated) -> None:
    held = card.must("cat", "/usr/share/nightjar/update-keyring.pem")
    assert held == keys.Keys(keys.FOLDER).keyring.read_text(), "build it without --keyring, or with that of ./build.sh keys"


def test_what_must_not_be_installed_is_refused_and_nothing_changes(
    card: Updated, panel: Panel, bundles: Bundles, tmp_path: Path
) -> None:
    ours = keys.Keys(keys.FOLDER)
    stranger = keys.make(tmp_path / "stranger", "Stranger", datetime.now(UTC))
    expired = other_signer(tmp_path / "expired", datetime.now(UTC) - timedelta(days=3 * 365))
    cut, unsigned = tmp_path / "cut.raucb", tmp_path / "unsigned.raucb"
    cut.write_bytes(bundles.make(ours).read_bytes()[:-4096])
    unsigned.write_bytes(random.Random(2).randbytes(1 << 20))
    before, lines = card.shell(SUMS), len(card.history())
    refused_by_rauc = {
        "another authority, as a development signer is to a release's image": bundles.make(stranger),
        "truncated": cut,
        "not signed at all": unsigned,
        "a signer whose time is over": bundles.make(expired),
        "the plain form": bundles.make(ours, changed=("verity", "plain")),
        "another machine": bundles.make(ours, changed=(COMPATIBLE, "nightjar-amd64")),
    }
    for what, bundle in refused_by_rauc.items():
        code, said = card.install(bundle)
        assert code == 1, f"{what}: {said}"
    assert len(card.history()) == lines, "RAUC itself refuses them"
    refused_by_root = {
        "is older than": bundles.make(ours, "0.0.1"),
        "its place on the card": bundles.make(ours, "9.1.0", b"hsqs" + bytes(600 << 20)),
        "another kind of machine": bundles.make(ours, changed=(COMPATIBLE, "nightjar-amd64")),
    }
    for reason, bundle in refused_by_root.items():
        code, said = card.install(bundle, "--ignore-compatible", "--ignore-version-limit")
        assert code == 1, said
        assert reason in card.history()[-1]["reason"]
    assert card.shell(SUMS) == before


def test_where_the_card_is_full_nothing_is_installed(card: Updated, panel: Panel, bundles: Bundles) -> None:
    before = card.shell(SUMS)
    card.hand_over(bundles.make(keys.Keys(keys.FOLDER)))
    free = int(card.shell("df --output=avail -B1 /data | tail -1"))
    card.must("fallocate", "-l", str(free - (32 << 20)), "/data/filled")
    assert card.run("rauc", "install", PLACE).code == 1
    card.must("rm", "/data/filled", PLACE)
    assert "remove old nights first" in card.history()[-1]["reason"]
    assert card.shell(SUMS) == before


def test_a_flipped_byte_at_fifty_places_is_refused_and_nothing_changes(card: Updated, bundles: Bundles) -> None:
    bundle = bundles.make(keys.Keys(keys.FOLDER))
    data = bundle.read_bytes()
    in_the_parts, in_the_signed_manifest = range(4096, 1 << 20, 21_000), data.rindex(COMPATIBLE.encode())
    before = card.shell(SUMS)
    card.hand_over(bundle)
    for at in (*in_the_parts, in_the_signed_manifest):
        card.python(FLIP, [PLACE, at])
        assert card.run("rauc", "install", PLACE).code == 1, at
        card.python(FLIP, [PLACE, at])
    assert card.shell(SUMS) == before
    assert card.run("rauc", "info", PLACE).code == 0, "nothing else was wrong with it"
    card.must("rm", PLACE)


def test_from_a_to_b_by_an_upload_and_to_a_by_a_stick_and_everything_is_still_there(
    card: Updated, panel: Panel, made: Releases, bundles: Bundles, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pictures, settings = panel.frames(), panel.get("/api/v1/settings").json()
    followed = other_signer(tmp_path_factory.mktemp("keys") / "followed", datetime.now(UTC))

    def with_its_keyring(tree: Tree, _: Path) -> None:
        tree.write(keyring.PLACE, followed.keyring.read_text())

    for name, version in (("B", "9.1.0"), ("A", "9.2.0")):
        bundle = made.make(version, with_its_keyring)
        made.keys = followed
        if name == "B":
            upload_and_check(panel, bundle)
        else:
            bring_by_stick(card, panel, bundle, tmp_path)
        bundle.unlink()
        assert (told(panel)["bundle"]["version"], told(panel)["bundle"]["notes"]) == (version, "of a test")
        install(panel)
        assert (card.history()[-1]["outcome"], card.count("good")) == ("installed", 0 if name == "B" else 1)
        before = card.starts()
        order_restart(panel)
        card.until_it_starts(name, before)
        assert (card.system(), card.version()) == (name, version)
        judged = card.until_judged("good", 1 if name == "B" else 2)
        assert (judged["version"], judged["outcome"]) == (version, "good")
        panel.meet(card, 1200)
        assert panel.get("/me").status == 200, "whoever was logged in still is"
        assert (panel.frames(), panel.get("/api/v1/settings").json()) == (pictures, settings)
        assert told(panel)["version"] == version
        code, said = card.install(bundles.make(keys.Keys(keys.FOLDER), "9.9.0"))
        assert (code, "revoked" in said) == (1, True), "the release has brought the list that names the signer before"


def test_the_other_system_is_started_by_hand_and_the_version_shown_is_the_true_one(card: Updated, panel: Panel) -> None:
    assert card.system() == "A"
    before = card.starts()
    assert panel.send("POST", "/api/v1/update/other-half", b"", "application/json").status == 202
    card.until_it_starts("B", before)
    assert card.version() == "9.1.0"
    assert card.until_judged("good", 3)["version"] == "9.1.0"
    panel.meet(card, 1200)
    assert told(panel)["version"] == "9.1.0"


@pytest.mark.parametrize("broken", releases.BROKEN, ids=lambda broken: broken.__name__)
def test_a_bad_release_is_left_within_three_starts(card: Updated, panel: Panel, made: Releases, broken: releases.Change) -> None:
    name, version, falls = card.system(), card.version(), card.count("fell back")
    bad = f"10.{falls}.0"
    bundle = made.make(bad, broken)
    code, said = card.install(bundle)
    bundle.unlink()
    assert code == 0, said
    before = card.starts()
    card.restart_into(name)
    assert card.starts() - before == 4, "three of the bad one, then the one before"
    assert (card.system(), card.version()) == (name, version)
    judged = card.until_judged("fell back", falls + 1)
    assert (judged["version"], judged["from_version"]) == (bad, version)
    assert judged["reason"]
    assert bad in json.loads(card.must("cat", f"{NOTES}/bad.json"))
    panel.meet(card, 1200)
    assert (told(panel)["version"], bad in told(panel)["not_offered"]) == (version, True)
    assert told(panel)["history"][-1]["reason"] == judged["reason"]


@pytest.mark.parametrize("copies", [(0,), (SECOND_COPY_AT,), (0, SECOND_COPY_AT)], ids=["first", "second", "both"])
def test_a_destroyed_boot_state_is_no_dead_stop(card: Updated, copies: tuple[int, ...]) -> None:
    before, name = card.starts(), card.system()
    for at in copies:
        card.shell(f"dd if=/dev/zero of=/dev/nightjar/bootstate bs=512 seek={at // 512} count=1 conv=fsync status=none")
    card.must("systemctl", "--no-block", "reboot")
    wait_for(lambda: card.starts() > before, "a start", HOUR, 1)
    card.forget()
    card.wait_until_booted()
    assert card.system() in ({"A", "B"} if len(copies) == 2 else {name})
    said = ("journalctl", "--unit=nightjar-slot-health", "--no-pager")
    wait_for(lambda: "is well" in card.run(*said).out, "it to be well", JUDGE_S, 5)
    first, second = (
        card.shell(f"dd if=/dev/nightjar/bootstate bs=512 skip={at // 512} count=1 status=none | sha256sum")
        for at in (0, SECOND_COPY_AT)
    )
    assert first == second, "both are whole again"


def test_a_destroyed_other_system_is_given_no_part(card: Updated) -> None:
    other = "B" if card.system() == "A" else "A"
    card.shell(f"dd if=/dev/zero of=/dev/nightjar/root_{other.lower()} bs=1M count=4 conv=fsync status=none")
    card.restart_into(card.system())
    ended = card.run("systemctl", "start", "nightjar-other-slot.service")
    assert ended.code != 0
    assert card.history()[-1]["outcome"] == "refused"
