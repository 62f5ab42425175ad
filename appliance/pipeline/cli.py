"""`python -m appliance develop`: files through the very pipeline that camera frames go through, with the time of each stage."""

import argparse
import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from appliance.domain.errors import FitsError, InputError, StartError
from appliance.domain.frame import BayerPattern, Exposure, FrameKind, Picture, RawFrame
from appliance.imaging import codec, fits
from appliance.imaging.calibrate import MasterDark, master_dark
from appliance.imaging.debayer import mosaic
from appliance.imaging.keogram import Keogram, column_of, height_for
from appliance.imaging.startrail import StarTrail
from appliance.imaging.threads import use_one_thread
from appliance.imaging.workspace import Workspace
from appliance.pipeline.recipe import Developed, develop, finish
from appliance.pipeline.stopwatch import Stopwatch
from appliance.settings.schema import Settings

BYTES_MAX = 160_000_000
"""A larger file is no frame."""
_UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN_DURATION_S = 15.0
"""A file that does not tell its exposure time is taken for a night frame if it is dark enough."""


def run(options: argparse.Namespace) -> int:
    """Develop every file; what cannot be done is said in one line, with exit code 2."""
    try:
        _run(options)
    except (StartError, InputError, FitsError) as error:
        print(f"nightjar: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.repeat < 1:
        raise StartError(f"--repeat is {options.repeat}; it must be 1 at least")
    use_one_thread()
    darkroom = _Darkroom(Settings(), None if options.dark is None else _read_dark(options.dark))
    for _ in range(options.repeat):
        for path in options.files:
            darkroom.develop(path, options.out)
    if options.out is not None:
        darkroom.write_products(options.out)
    if options.timings is not None:
        _write(options.timings, (json.dumps(darkroom.stopwatch.report(), indent=1) + "\n").encode())


class _Darkroom:
    """What stays from file to file, as it does in the service: workspace, keogram and star trail."""

    def __init__(self, settings: Settings, dark: MasterDark | None) -> None:
        self.stopwatch = Stopwatch()
        self._settings, self._dark = settings, dark
        self._workspace = Workspace()
        self._keogram: Keogram | None = None
        self._trail: StarTrail | None = None

    def develop(self, path: Path, out: Path | None) -> None:
        """Read a file, make all that the service makes of a frame, and say in a line what it is."""
        untrusted = _read(path)
        self.stopwatch.start()
        try:
            raw = _raw_frame(untrusted)
            del untrusted
            self.stopwatch.lap("decode")
            developed = develop(raw, self._settings, self._dark, workspace=self._workspace, lap=self.stopwatch.lap)
            self._grow_products(developed)
            finished = finish(developed, raw, self._settings, lap=self.stopwatch.lap)
        except (FitsError, InputError) as error:
            raise InputError(f"{path}: {error}") from error
        self.stopwatch.stop()
        if out is not None:
            _write(out / f"{path.stem}.jpg", finished.jpeg)
            _write(out / f"{path.stem}-thumb.jpg", finished.thumb)
        measured = developed.measurement
        stars = "day" if measured.stars is None else f"{measured.stars} stars"
        print(f"{path.name}: {finished.width} x {finished.height}, mean {measured.mean_adu:.0f} ADU, {stars}")

    def write_products(self, out: Path) -> None:
        """Write the keogram and star trail of all files."""
        quality = self._settings.image.jpeg_quality
        if self._keogram is not None:
            _write(out / "keogram.jpg", codec.encode(self._keogram.picture, quality))
        if self._trail is not None:
            _write(out / "startrail.jpg", codec.encode(self._trail.picture, quality))

    def _grow_products(self, developed: Developed) -> None:
        picture = developed.picture
        if self._keogram is None:
            self._keogram = Keogram(height_for(picture))
        self._keogram.add(column_of(picture, self._keogram.height))
        self.stopwatch.lap("keogram")
        if developed.is_night:
            self._add_to_trail(picture)
        self.stopwatch.lap("star trail")

    def _add_to_trail(self, picture: Picture) -> None:
        if self._trail is None or self._trail.picture.shape != picture.shape:
            self._trail = StarTrail(picture)
        else:
            self._trail.add(picture)


def _raw_frame(untrusted: bytes) -> RawFrame:
    """Return the frame in a FITS file, or the light in a JPEG as a colour sensor would have seen it."""
    if untrusted.startswith(b"\xff\xd8"):
        pattern = BayerPattern.RGGB
        pixels = mosaic(codec.linear_from_display(codec.decode(untrusted)), pattern)
        return RawFrame(pixels, Exposure(FrameKind.LIGHT, _UNKNOWN_DURATION_S, 0.0), _UNKNOWN_START, pattern)
    frame = fits.decode(untrusted)
    duration_s = _UNKNOWN_DURATION_S if frame.exposure_s is None else frame.exposure_s
    exposure = Exposure(frame.kind, duration_s, frame.gain or 0.0, frame.binning)
    return RawFrame(frame.pixels, exposure, frame.started_at or _UNKNOWN_START, frame.bayer, frame.temperature_c)


def _read_dark(path: Path) -> MasterDark:
    try:
        frame = fits.decode(_read(path))
    except FitsError as error:
        raise InputError(f"{path}: {error}") from error
    return master_dark(np.asarray(frame.pixels), frame.exposure_s)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise StartError(f"{path} has {path.stat().st_size} bytes, more than a frame can have")
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise StartError(f"{path} cannot be written: {error.strerror}") from error
