"""`./build.sh bench`: what one 12-megapixel frame costs, against the JPEG encoding that nobody can do without.

`develop` runs in a process of its own, as a user would run it, so that its memory is its own. The yardstick, simplejpeg at
quality 90, encodes the very picture that came out, in the same run, before and after: a machine that is slow today is slow
for both.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from tests.bench import frames

SIZES = {"imx462": (1920, 1080), "asi533": (3552, 3552), "imx477": (4056, 3040)}
PROMISED_SIZE = "imx477"
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
    light, dark, out, timings = folder / "light.fits", folder / "dark.fits", folder / "out", folder / "timings.json"
    # Linux lets a new process inherit the peak memory of its parent: drawing the sky must not happen in this one.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as elsewhere:
        elsewhere.submit(frames.write, light, dark, *SIZES[size]).result()
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
    subprocess.run([*command, "1"], check=True, stdout=subprocess.DEVNULL)
    picture = simplejpeg.decode_jpeg((out / "light.jpg").read_bytes(), colorspace="BGR")
    encode_ms = _encode_cpu_ms(picture, repeat)
    subprocess.run([*command, str(repeat + 1)], check=True, stdout=subprocess.DEVNULL)
    encode_ms += _encode_cpu_ms(picture, repeat)
    found = json.loads(timings.read_text(encoding="utf-8"))
    return Result(
        {name: statistics.median(stage["cpu_ms"][1:]) for name, stage in found["stages"].items()},
        statistics.median(found["total"]["cpu_ms"][1:]),
        statistics.median(found["total"]["wall_ms"][1:]),
        statistics.median(encode_ms),
        found["peak_rss_mb"],
    )


def _encode_cpu_ms(picture: np.ndarray, repeat: int) -> list[float]:
    def once() -> float:
        started = time.process_time()
        simplejpeg.encode_jpeg(picture, quality=90, colorspace="BGR", colorsubsampling="420")
        return (time.process_time() - started) * 1000

    return [once() for _ in range(repeat + 1)][1:]


def main() -> int:
    """Print the figures; the exit code is 1 when 12 megapixels cost more than is promised."""
    parser = argparse.ArgumentParser(prog="./build.sh bench", description="Measure what one frame costs.")
    parser.add_argument("--size", choices=SIZES, default=PROMISED_SIZE)
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
    print(f"frame / encoding           {result.encodings:6.2f}")
    print(f"peak memory                {result.peak_rss_mb:6.0f} MB")
    if options.size != PROMISED_SIZE:
        return 0
    is_kept = result.encodings <= MOST_ENCODINGS and result.peak_rss_mb <= MOST_MEMORY_MB
    print(f"promised: at most {MOST_ENCODINGS:g} encodings and {MOST_MEMORY_MB:g} MB: {'kept' if is_kept else 'BROKEN'}")
    return int(not is_kept)


if __name__ == "__main__":
    sys.exit(main())
