"""Small charts of a night or of the machine as SVG drawings: pure, without script or style, legible at telephone width."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from appliance.web.series import Series
from appliance.web.words import exposure_time, number

_WIDTH = 400
_HEIGHT = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 34, 26
_INK, _FAINT, _TEXT, _TITLE = "#8fb4ff", "#232c40", "#97a3bb", "#e7ebf3"
_FONT = "system-ui, sans-serif"
_STEPS_H = (0.25, 0.5, 1, 2, 3, 6, 24, 72, 168)
"""Between two lines that stand for times."""


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What a chart shows."""

    name: str
    title: str
    column: str
    unit: str
    digits: int
    is_logarithmic: bool = False


CHARTS: Mapping[str, ChartSpec] = {
    spec.name: spec
    for spec in (
        ChartSpec("exposure", "Exposure", "exposure_s", "s", 2, is_logarithmic=True),
        ChartSpec("mean", "Mean brightness", "mean_adu", "ADU", 0),
        ChartSpec("stars", "Stars", "stars", "", 0),
        ChartSpec("temperature", "Sensor temperature", "temperature_c", "°C", 1),
    )
}

MACHINE_CHARTS: Mapping[str, ChartSpec] = {
    spec.name: spec
    for spec in (
        ChartSpec("temperature", "Processor temperature", "temperature_c", "°C", 1),
        ChartSpec("load", "Load", "load", "", 2),
        ChartSpec("memory", "Memory free", "memory_mb", "MB", 0),
        ChartSpec("disk", "Disk free", "disk_gb", "GB", 1),
        ChartSpec("signal", "Wi-Fi signal", "signal_dbm", "dBm", 0),
    )
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to a place, in pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def draw(
    series: Series, spec: ChartSpec, zone: ZoneInfo, width: int = _WIDTH, period: tuple[datetime, datetime] | None = None
) -> str:
    """Return a chart of one column against time.

    Parameters
    ----------
    zone : ZoneInfo
        Of the hours or days along the bottom.
    width : int
        In pixels of the drawing; the height is fixed.
    period : (datetime, datetime) or None
        From when to when; None: as far as there are numbers.
    """
    at, values = series.column("at"), series.column(spec.column)
    known = np.isfinite(values) & ((values > 0) | (not spec.is_logarithmic))
    at, values = at[known], values[known]
    parts = [_text(_LEFT, 20, spec.title, _TITLE, 14, "start", weight=600)]
    if len(at) < 2:
        parts.append(_text(width / 2, _HEIGHT / 2 + 10, "Nothing measured yet", _TEXT, 13, "middle"))
        return _document(width, spec, parts)
    shown = np.log10(values) if spec.is_logarithmic else values
    start, end = (at[0], max(at[-1], at[0] + 60)) if period is None else (period[0].timestamp(), period[1].timestamp())
    across = _Scale(float(start), float(end), _LEFT, width - _RIGHT)
    up = _up_scale(shown)
    parts.append(_text(width - _RIGHT, 20, _label(float(values[-1]), spec), _INK, 14, "end", weight=600))
    parts += _grid_up(up, spec, width)
    parts += _grid_across(across, zone, width)
    parts += _line(at, shown, across, up)
    return _document(width, spec, parts)


def _up_scale(shown: npt.NDArray[np.float64]) -> _Scale:
    low, high = float(shown.min()), float(shown.max())
    margin = max((high - low) * 0.08, abs(high) * 0.01, 1e-6)
    return _Scale(low - margin, high + margin, _HEIGHT - _BOTTOM, _TOP)


def _grid_up(up: _Scale, spec: ChartSpec, width: int) -> list[str]:
    parts = []
    for value in _ticks(up.low, up.high, 5):
        y = up.at(value)
        label = exposure_time(10**value) if spec.is_logarithmic else number(value, _digits(up.high - up.low))
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{width - _RIGHT}" stroke="{_FAINT}"/>')
        parts.append(_text(_LEFT - 8, y + 4, label.replace(" s", "\u202fs"), _TEXT, 11, "end"))
    return parts


def _grid_across(across: _Scale, zone: ZoneInfo, width: int) -> list[str]:
    hours = next((step for step in _STEPS_H if (across.high - across.low) / 3600 / step <= width / 80), _STEPS_H[-1])
    step = timedelta(hours=hours)
    first = datetime.fromtimestamp(across.low, UTC).astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if hours >= 24:
        first = first.replace(hour=0)
    parts = []
    for count in range(200):
        when = first + count * step
        x = across.at(when.timestamp())
        if x > across.end - 8:
            break
        if x >= across.start:
            parts.append(f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="{_FAINT}"/>')
            parts.append(_text(x, _HEIGHT - 8, _mark(when, hours), _TEXT, 11, "middle"))
    return parts


def _mark(when: datetime, hours: float) -> str:
    """Return what stands below a line: the time of day, or the day where lines are days apart."""
    return f"{when.day} {when:%b}" if hours >= 24 else f"{when:%H:%M}"


def _line(at: npt.NDArray[np.float64], shown: npt.NDArray[np.float64], across: _Scale, up: _Scale) -> list[str]:
    """Return the line of means in the band from least to most, a bucket every two pixels, broken where frames are missing."""
    buckets = np.clip(((at - across.low) / (across.high - across.low) * (across.end - across.start) / 2).astype(int), 0, None)
    gap = 3 * max(float(np.median(np.diff(at))), (across.high - across.low) / (across.end - across.start) * 2)
    pieces = np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > gap) + 1)
    parts = []
    for piece in pieces:
        columns = [piece[buckets[piece] == bucket] for bucket in np.unique(buckets[piece])]
        xs = [across.at(float(at[column].mean())) for column in columns]
        means = [up.at(float(shown[column].mean())) for column in columns]
        tops = [up.at(float(shown[column].max())) for column in columns]
        bottoms = [up.at(float(shown[column].min())) for column in columns]
        if len(xs) == 1:
            parts.append(f'<circle cx="{xs[0]:.1f}" cy="{means[0]:.1f}" r="1.6" fill="{_INK}"/>')
            continue
        outline = _points(xs, tops) + " " + _points(xs[::-1], bottoms[::-1])
        parts.append(f'<polygon points="{outline}" fill="{_INK}" fill-opacity="0.25"/>')
        parts.append(
            f'<polyline points="{_points(xs, means)}" fill="none" stroke="{_INK}" stroke-width="1.6" stroke-linejoin="round"/>'
        )
    return parts


def _points(xs: Sequence[float], ys: Sequence[float]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    """Return round values between two bounds: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step) * step
    return [first + count * step for count in range(int((high - first) / step) + 1)]


def _digits(span: float) -> int:
    return max(0, min(3, 1 - math.floor(math.log10(span))))


def _label(value: float, spec: ChartSpec) -> str:
    return exposure_time(value) if spec.is_logarithmic else number(value, spec.digits, spec.unit)


def _text(x: float, y: float, words: str, colour: str, points: int, anchor: str, *, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-family="{_FONT}" font-size="{points}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def _document(width: int, spec: ChartSpec, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}" role="img">'
        f"<title>{escape(spec.title)}</title>{''.join(parts)}</svg>"
    )
