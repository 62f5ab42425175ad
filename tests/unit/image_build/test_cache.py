"""What is built once is not built again, and what was not finished is not taken for built."""

import os
from pathlib import Path

import pytest

from imagebuild.cache import Cache, key_of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Cache()


def test_a_stage_is_made_once_for_each_key(cache: Cache) -> None:
    made: list[str] = []

    def make(folder: Path) -> None:
        made.append("made")
        (folder / "result").write_text("it")

    for key in ("one", "one", "two"):
        assert (cache.get("stage", key, make) / "result").read_text() == "it"
    assert made == ["made", "made"]


def test_of_finished_images_the_last_that_were_used_are_kept(cache: Cache) -> None:
    for number, key in enumerate(("one", "two", "three")):
        os.utime(cache.get("image", key, lambda _: None), ns=(number, number))
    other = cache.get("system", "one", lambda _: None)
    cache.get("image", "one", lambda _: None)
    cache.keep_newest("image", 2)
    assert sorted(folder.name for folder in cache.folder.glob("image-*")) == ["image-one", "image-three"]
    assert other.is_dir()


def test_what_failed_leaves_nothing(cache: Cache) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.get("stage", "one", fail)
    assert list(cache.folder.iterdir()) == []


def test_a_key_changes_with_a_file_and_with_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    one = key_of("text", tmp_path)
    assert key_of("text", tmp_path) == one
    (tmp_path / "a").write_text("y")
    other = key_of("text", tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({one, other, key_of("text", tmp_path), key_of("tex", "t"), key_of("te", "xt")}) == 5
