"""`python -m appliance develop` in a process of its own: files in, pictures and figures out, one line where it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.imaging import codec
from tests.bench import frames
from tests.conftest import ROOT

STAGES = [
    "decode",
    "calibrate",
    "measure",
    "stars",
    "stretch",
    "orient",
    "debayer",
    "keogram",
    "star trail",
    "label",
    "jpeg",
    "thumbnail",
]


def develop(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", "develop", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a light frame and its dark."""
    folder = tmp_path_factory.mktemp("night")
    made = frames.make(1280, 960, stars=300)
    (folder / "light.fits").write_bytes(frames.fits(made.light))
    (folder / "dark.fits").write_bytes(frames.fits(made.dark, kind="Dark Frame"))
    return folder


def test_frames_are_developed_with_a_dark_and_timed(night: Path, tmp_path: Path) -> None:
    timings = tmp_path / "figures" / "timings.json"
    real = ROOT / "tests/data/allsky-thin-cloud.jpg"
    result = develop(night / "light.fits", night / "light.fits", "--dark", night / "dark.fits", "--repeat", "3",
                     "--out", tmp_path / "out", "--timings", timings)  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("light.fits: 1280 x 960") == 6
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "light.jpg",
        "light-thumb.jpg",
        "keogram.jpg",
        "startrail.jpg",
    }
    picture = codec.decode((tmp_path / "out/light.jpg").read_bytes())
    assert np.median(picture[200:700, 400:900], axis=(0, 1)) == pytest.approx([48, 48, 48], abs=8)
    assert codec.decode((tmp_path / "out/keogram.jpg").read_bytes()).shape == (720, 6, 3)
    found = json.loads(timings.read_text())
    assert list(found) == ["frames", "stages", "total", "peak_rss_mb"]
    assert found["frames"] == 6
    assert list(found["stages"]) == STAGES
    for stage in (*found["stages"].values(), found["total"]):
        assert list(stage) == ["wall_ms", "cpu_ms"]
        assert [len(laps) for laps in stage.values()] == [6, 6]
        assert min(stage["wall_ms"]) >= 0
    whole = np.array(found["total"]["cpu_ms"])
    assert whole == pytest.approx(np.sum([stage["cpu_ms"] for stage in found["stages"].values()], axis=0), abs=2)
    assert 40 < found["peak_rss_mb"] < 250
    assert develop(real, "--out", tmp_path / "real").returncode == 0
    assert (tmp_path / "real/allsky-thin-cloud.jpg").stat().st_size > 100_000


def test_without_folders_nothing_is_written(night: Path, tmp_path: Path) -> None:
    before = sorted(night.iterdir())
    assert develop(night / "light.fits").returncode == 0
    assert sorted(night.iterdir()) == before


def test_a_12_megapixel_frame_with_its_dark_stays_below_350_mb(tmp_path: Path) -> None:
    made = frames.make(4056, 3040)
    (tmp_path / "light.fits").write_bytes(frames.fits(made.light))
    (tmp_path / "dark.fits").write_bytes(frames.fits(made.dark))
    timings = tmp_path / "timings.json"
    result = develop(tmp_path / "light.fits", "--dark", tmp_path / "dark.fits", "--repeat", "4", "--timings", timings)
    assert result.returncode == 0, result.stderr
    assert json.loads(timings.read_text())["peak_rss_mb"] <= 350


def test_what_cannot_be_developed_is_said_in_one_line(night: Path, tmp_path: Path) -> None:
    broken, text, empty, cut_jpeg = (tmp_path / name for name in ("broken.fits", "text.fits", "empty.fits", "cut.jpg"))
    broken.write_bytes((night / "light.fits").read_bytes()[:100_000])
    text.write_text("no frame at all\n" * 500)
    empty.touch()
    cut_jpeg.write_bytes((ROOT / "tests/data/allsky-clear.jpg").read_bytes()[:9000])
    small = tmp_path / "small.fits"
    small.write_bytes(frames.fits(np.zeros((64, 64), np.uint16)))
    light = night / "light.fits"
    blocked = tmp_path / "file"
    blocked.touch()
    refused: list[tuple[list[str | Path], str]] = [
        ([broken], "broken.fits: truncated"),
        ([text], "text.fits: no FITS file"),
        ([empty], "empty.fits: 0 bytes are too few"),
        ([cut_jpeg], "cut.jpg: this is not a JPEG"),
        ([tmp_path / "absent.fits"], "absent.fits cannot be read: No such file"),
        ([tmp_path], "cannot be read: Is a directory"),
        ([night / "dark.fits"], "dark.fits: a dark frame is not developed"),
        ([light, "--dark", small], "the dark is 64 x 64 but the frame 1280 x 960"),
        ([light, "--dark", text], "text.fits: no FITS file"),
        ([light, "--dark", cut_jpeg], "cut.jpg: no FITS file"),
        ([light, "--repeat", "0"], "--repeat is 0"),
        ([light, "--out", blocked], "cannot be written: "),
        ([light, "--timings", blocked / "x.json"], "cannot be written: "),
    ]
    for arguments, words in refused:
        result = develop(*arguments)
        assert result.returncode == 2, arguments
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert "Traceback" not in result.stderr


def test_a_frame_before_a_bad_one_is_kept_whole(night: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.fits").write_bytes(b"bad")
    result = develop(night / "light.fits", tmp_path / "bad.fits", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"light.jpg", "light-thumb.jpg"}


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.fits"
    with huge.open("wb") as file:
        file.truncate(4 << 30)
    result = develop(huge)
    assert result.returncode == 2
    assert "more than a frame can have" in result.stderr
