"""A bundle on its way in the data folder: resumed, hashed, swept, and never two of them."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.domain.errors import DiskFullError, InputError
from appliance.domain.update import Announced, BundleState, Manifest, Refused, RestartPlan, Signer, Source
from appliance.store.bundles import BundleStore
from appliance.store.files import DataFolder

NOW = datetime(2026, 11, 29, 20, tzinfo=UTC)
DATA = os.urandom(300_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.open()
    return made


@pytest.fixture
def bundles(folder: DataFolder) -> BundleStore:
    return BundleStore(folder)


def announced(data: bytes = DATA) -> Announced:
    return Announced(len(data), hashlib.sha256(data).hexdigest(), Source.UPLOAD, "ada", NOW)


def names(folder: DataFolder) -> list[str]:
    return sorted(path.name for path in folder.path_of("updates").iterdir())


def test_it_arrives_in_pieces_over_a_restart_and_is_the_same_at_the_end(folder: DataFolder, bundles: BundleStore) -> None:
    assert bundles.begin(announced()).have == 0
    assert bundles.add(DIGEST, DATA[:100_000], 0).have == 100_000
    again = BundleStore(folder)
    again.sweep()
    assert again.begin(announced()).have == 100_000
    assert again.add(DIGEST, DATA[150_000:], 150_000).have == 100_000, "what does not go on there is not taken"
    assert again.add(DIGEST, DATA[100_000:], 100_000).have == len(DATA)
    assert again.finish(DIGEST).state is BundleState.NEW
    assert again.path.read_bytes() == DATA
    assert again.arriving() is None
    assert names(folder) == ["bundle.json", "bundle.raucb"]


def test_bytes_that_are_not_what_was_announced_are_given_up(folder: DataFolder, bundles: BundleStore) -> None:
    bundles.begin(announced())
    bundles.add(DIGEST, bytes(len(DATA)), 0)
    with pytest.raises(InputError, match="its SHA-256 is another one"):
        bundles.finish(DIGEST)
    assert names(folder) == []


def test_what_nobody_announced_or_is_too_long_is_refused(bundles: BundleStore) -> None:
    with pytest.raises(InputError, match="announce it first"):
        bundles.add(DIGEST, b"x", 0)
    bundles.begin(announced())
    with pytest.raises(InputError, match="announce it first"):
        bundles.add("0" * 64, b"x", 0)
    with pytest.raises(InputError, match="more bytes than were announced"):
        bundles.add(DIGEST, DATA + b"x", 0)


def test_without_room_nothing_begins(bundles: BundleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataFolder, "free_bytes", lambda _: 64 << 20)
    with pytest.raises(DiskFullError):
        bundles.begin(announced())
    assert bundles.arriving() is None


def test_another_one_takes_the_place_of_what_is_here(folder: DataFolder, bundles: BundleStore) -> None:
    bundles.begin(announced())
    bundles.add(DIGEST, DATA, 0)
    bundles.finish(DIGEST)
    bundles.begin(announced(b"another" * 1000))
    assert (bundles.bundle(), names(folder)) == (None, ["arriving.json"])


def test_leftovers_are_swept_and_records_that_are_damaged_count_as_none(folder: DataFolder, bundles: BundleStore) -> None:
    place = folder.path_of("updates")
    for name in ("arriving.bin", "bundle.raucb", "stray.raucb", "old.part"):
        (place / name).write_bytes(b"left")
    (place / "bundle.json").write_text('{"state": 7}')
    (place / "refused.json").write_text("[" * 100_000)
    (place / "restart.json").write_text('{"due_at": "2026-11-30T05:00:00", "version": "1.0.0", "by": ""}')
    assert bundles.sweep() == 4
    assert (bundles.bundle(), bundles.arriving(), bundles.refused(), bundles.plan()) == (None, None, None, None)
    assert names(folder) == ["bundle.json", "refused.json", "restart.json"]


def test_a_record_of_a_bundle_that_has_gone_goes_too(folder: DataFolder, bundles: BundleStore) -> None:
    bundles.begin(announced())
    bundles.add(DIGEST, DATA, 0)
    bundles.finish(DIGEST)
    bundles.path.unlink()
    bundles.sweep()
    assert bundles.bundle() is None
    assert names(folder) == []


def test_what_is_kept_reads_the_same_again(folder: DataFolder, bundles: BundleStore) -> None:
    bundles.begin(announced())
    bundles.add(DIGEST, DATA, 0)
    bundle = bundles.finish(DIGEST)
    manifest, signer = Manifest("1.2.0", "nightjar-test", "two\nlines", "verity"), Signer("signer", "AB:CD", NOW)
    bundles.keep_checked(bundle, manifest, signer)
    seen = BundleStore(folder).bundle()
    assert seen is not None
    assert (seen.state, seen.manifest, seen.signer, seen.announced) == (BundleState.CHECKED, manifest, signer, announced())
    bundles.keep_installed(seen)
    assert not bundles.path.exists()
    bundles.sweep()
    assert bundles.bundle() is not None, "what is in the other half is still told"
    refused, plan = Refused(NOW, Source.STICK, "1.0.0", "older"), RestartPlan(NOW, "1.2.0", "ada")
    bundles.refuse(refused)
    bundles.keep_plan(plan)
    assert (BundleStore(folder).refused(), BundleStore(folder).plan(), bundles.bundle()) == (refused, plan, None)
    assert (bundles.drop_plan(), bundles.drop_plan()) == (True, False)
