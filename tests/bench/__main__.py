"""`./build.sh bench`: what one 12-megapixel frame costs, against the JPEG encoding that nobody can do without.

`develop` runs in a process of its own, as a user would run it, so that its memory is its own. The yardstick, simplejpeg at
quality 90, encodes the very picture that came out, in the same run, before and after: a machine that is slow today is slow
for both.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from tests.bench import frames

SIZES = {"imx462": (1920, 1080), "asi533": (3552, 3552), "imx477": (4056, 3040)}
MOST_ENCODINGS = 5.0
MOST_MEMORY_MB = 350.0


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over all repeats but the first, which pays for what is made once."""

    stages: dict[str, float]
    """CPU milliseconds of every stage."""
    develop_cpu_ms: float
    develop_wall_ms: float
    encode_cpu_ms: float
    peak_rss_mb: float

    @property
    def encodings(self) -> float:
        """CPU of a frame in encodings of its picture."""
        return self.develop_cpu_ms / self.encode_cpu_ms


def measure(folder: Path, *, size: str, repeat: int) -> Result:
    """Make a frame in `folder`, develop it and encode what came out."""
    made = frames.make(*SIZES[size])
    light, dark, out, timings = folder / "light.fits", folder / "dark.fits", folder / "out", folder / "timings.json"
    light.write_bytes(frames.fits(made.light))
    dark.write_bytes(frames.fits(made.dark, kind="Dark Frame"))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "appliance",
        "develop",
        light,
        "--dark",
        dark,
        "--out",
        out,
        "--timings",
        timings,
        "--repeat",
    ]
    subprocess.run([*command, "1"], check=True)
    picture = simplejpeg.decode_jpeg(_largest(out).read_bytes(), colorspace="BGR")
    encode_ms = _encode_cpu_ms(picture, repeat)
    subprocess.run([*command, str(repeat + 1)], check=True)
    encode_ms += _encode_cpu_ms(picture, repeat)
    found = json.loads(timings.read_text(encoding="utf-8"))
    return Result(
        {name: statistics.median(stage["cpu_ms"][1:]) for name, stage in found["stages"].items()},
        statistics.median(found["total"]["cpu_ms"][1:]),
        statistics.median(found["total"]["wall_ms"][1:]),
        statistics.median(encode_ms),
        found["peak_rss_mb"],
    )


def _largest(folder: Path) -> Path:
    return max(folder.rglob("*.jpg"), key=lambda path: path.stat().st_size)


def _encode_cpu_ms(picture: np.ndarray, repeat: int) -> list[float]:
    def once() -> float:
        started = time.process_time()
        simplejpeg.encode_jpeg(picture, quality=90, colorspace="BGR", colorsubsampling="420")
        return (time.process_time() - started) * 1000

    return [once() for _ in range(repeat + 1)][1:]


def main() -> int:
    """Print the figures; the exit code is 1 when one is over what is promised for 12 megapixels."""
    parser = argparse.ArgumentParser(prog="./build.sh bench", description="Measure what one frame costs.")
    parser.add_argument("--size", choices=SIZES, default="imx477")
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="frames to develop (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), size=options.size, repeat=max(1, options.repeat))
    width, height = SIZES[options.size]
    print(f"{width} x {height} RGGB, 16 bit, median of {options.repeat}, CPU milliseconds")
    for name, milliseconds in result.stages.items():
        print(f"  {name:<24}{milliseconds:8.1f}")
    print(f"  {'whole frame':<24}{result.develop_cpu_ms:8.1f}   wall {result.develop_wall_ms:.1f}")
    print(f"  {'simplejpeg q90 4:2:0':<24}{result.encode_cpu_ms:8.1f}")
    print(f"frame / encoding           {result.encodings:6.2f}   at most {MOST_ENCODINGS:g}")
    print(f"peak memory                {result.peak_rss_mb:6.0f} MB   at most {MOST_MEMORY_MB:g}")
    return int(result.encodings > MOST_ENCODINGS or result.peak_rss_mb > MOST_MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
