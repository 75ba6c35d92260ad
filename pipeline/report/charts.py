"""Line charts as SVG that follows the page's colours. Every text goes through Markup.format, which escapes it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 14, 40
DOTS_AT_MOST = 40
"""points that are marked one by one; a longer line goes without"""
POINTS_AT_MOST = 600
"""of a line; a longer one is thinned out"""
DASHES = ("none", "6 4", "2 3", "9 3 2 3")
"""so that lines differ without their colour, too"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart."""

    name: str
    """for the legend"""
    points: tuple[tuple[float, float], ...]
    """(x, y), x ascending"""
    hue: str
    """colour class, `k0` to `k7`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from data to pixels, with its marks."""

    name: str
    """what it shows"""
    low: float
    """data value at the start"""
    high: float
    """data value at the end; above `low`"""
    marks: tuple[float, ...]
    """where it is labelled"""
    logarithmic: bool = False
    """base 10"""

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the start, 1 at the end; clipped a little outside."""
        if self.logarithmic:
            value, low, high = (math.log10(max(v, 1e-300)) for v in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return min(1.05, max(-0.05, (value - low) / (high - low)))


def axis(name: str, values: Sequence[float], *, low: float | None = None, high: float | None = None) -> Axis:
    """A linear axis around the values, or exactly from `low` to `high` where they are given."""
    start = min(values, default=0.0) if low is None else low
    end = max(values, default=1.0) if high is None else high
    if end - start < 1e-9:
        start, end = (
            (start, start + 1) if low is not None else (end - 1, end) if high is not None else (start - 0.5, end + 0.5)
        )
    step = _round_step((end - start) / 4)
    if low is None:
        start = math.floor(start / step + 1e-9) * step
    if high is None:
        end = math.ceil(end / step - 1e-9) * step
    marks = [round(n * step, 10) for n in range(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1)]
    return Axis(name=name, low=start, high=end, marks=tuple(marks))


def whole_axis(name: str, values: Sequence[float]) -> Axis:
    """A linear axis from the least to the greatest of the values, marked at whole numbers (epochs, stages)."""
    low, high = min(values, default=1.0), max(values, default=2.0)
    high = max(high, low + 1)
    step = max(1, round(_round_step((high - low) / 6)))
    marks = [
        low,
        *(float(n) for n in range(step, int(high) + 1, step) if n - low >= step * 0.6 and high - n >= step * 0.6),
        high,
    ]
    return Axis(name=name, low=low, high=high, marks=tuple(dict.fromkeys(marks)))


def log_axis(name: str, values: Sequence[float]) -> Axis:
    """A logarithmic axis of whole decades around the positive values."""
    positive = [v for v in values if v > 0] or [0.1, 1.0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    high = max(high, low + 1)
    every = max(1, math.ceil((high - low) / 6))
    return Axis(
        name=name,
        low=10.0**low,
        high=10.0**high,
        marks=tuple(10.0**power for power in range(low, high + 1, every)),
        logarithmic=True,
    )


def line_chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    summary: str,
    mark: tuple[float, str] | None = None,
    borders: Sequence[tuple[float, str]] = (),
) -> Markup:
    """The chart as one <svg> that scales with the page.

    Args:
        lines: drawn in order; the n-th has the n-th of DASHES.
        x: horizontal axis.
        y: vertical axis.
        summary: what it shows, for those who cannot see it.
        mark: an x with a word, drawn as a thin vertical line.
        borders: likewise, with the word at the foot: where one phase ends and the next begins.
    """
    parts = [_grid(x, y)]
    if mark is not None:
        parts.append(_mark(x, mark, TOP + 11))
    parts += [_mark(x, border, HEIGHT - BOTTOM - 6) for border in borders]
    for number, line in enumerate(lines):
        parts.append(_drawn(line, DASHES[number % len(DASHES)], x, y))
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, summary)
    return head + Markup("").join(parts) + Markup("</svg>")


def _mark(x: Axis, mark: tuple[float, str], word_top: float) -> Markup:
    """A thin vertical line with its word at that height, on the side where there is room."""
    at = _x(x, mark[0])
    anchor = "end" if at > WIDTH * 0.6 else "start"
    line = Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(at, TOP, HEIGHT - BOTTOM)
    word = Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>')
    return line + word.format(at + (-5 if anchor == "end" else 5), word_top, anchor, mark[1])


def legend(lines: Sequence[Line]) -> Markup:
    """The lines' names beside a piece of each line."""
    sample = Markup(
        '<span class="key {}"><svg viewBox="0 0 26 8" aria-hidden="true">'
        '<line x1="1" x2="25" y1="4" y2="4" stroke-dasharray="{}"/></svg>{}</span>'
    )
    return Markup(" ").join(sample.format(line.hue, DASHES[n % len(DASHES)], line.name) for n, line in enumerate(lines))


def _drawn(line: Line, dashes: str, x: Axis, y: Axis) -> Markup:
    points = line.points
    if len(points) > POINTS_AT_MOST:
        points = tuple(points[i * (len(points) - 1) // (POINTS_AT_MOST - 1)] for i in range(POINTS_AT_MOST))
    places = [(_x(x, at), _y(y, value)) for at, value in points]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
    drawn = Markup('<polyline class="{}" stroke-dasharray="{}" points="{}"/>').format(line.hue, dashes, path)
    if len(points) <= DOTS_AT_MOST:
        dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.6"><title>{}</title></circle>')
        for (at, value), (left, top) in zip(points, places, strict=True):
            drawn += dot.format(line.hue, left, top, f"{line.name}: {value:.4g} at {x.name} {at:g}")
    return drawn


def _grid(x: Axis, y: Axis) -> Markup:
    parts = []
    for value in y.marks:
        top = _y(y, value)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, top, top)
            + Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(LEFT - 7, top + 4, _said(value, y))
        )
    for value in x.marks:
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                _x(x, value), HEIGHT - BOTTOM + 17, _said(value, x)
            )
        )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x.name
        )
        + Markup('<text class="axis" transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            middle, y.name
        )
    )
    return Markup("").join(parts)


def _x(scale: Axis, value: float) -> float:
    return LEFT + scale.share(value) * (WIDTH - LEFT - RIGHT)


def _y(scale: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - scale.share(value) * (HEIGHT - TOP - BOTTOM)


def _said(value: float, scale: Axis) -> str:
    if scale.logarithmic:
        return f"{value:g}" if 1e-3 <= value < 1e4 else f"1e{round(math.log10(value))}"
    return f"{value:g}"


def _round_step(step: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten at or above `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step * 0.999)
