"""A timeline as subtitles, SubRip and WebVTT: who feels what, one line per character.

Cues never overlap: where several faces are shown at once they share a cue, and a new one begins where anything changes.
Times count from the episode's first frame, as players do, and are the exact ones rounded to the millisecond.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from html import escape

from pipeline.core.records import UNSURE
from pipeline.timeline.records import Span, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """What is shown for a while."""

    start_ms: int
    """from the episode's first frame"""
    end_ms: int
    """after `start_ms`"""
    lines: tuple[str, ...]
    """at least one, none empty, none with a line break"""


def cues_of(timeline: Timeline) -> list[Cue]:
    """The cues in time order; what is shorter than a millisecond is left out."""
    edges = sorted({pts for span in timeline.spans for pts in (span.start_pts, span.end_pts)})
    begins: dict[int, list[Span]] = {}
    for span in timeline.spans:
        begins.setdefault(span.start_pts, []).append(span)
    shown: list[Span] = []
    cues: list[Cue] = []
    for start, end in itertools.pairwise(edges):
        shown = [span for span in shown if span.end_pts > start] + begins.get(start, [])
        lines = tuple(dict.fromkeys(line_of(span) for span in sorted(shown, key=lambda s: (s.character, s.track))))
        cue = Cue(start_ms=_milliseconds(timeline, start), end_ms=_milliseconds(timeline, end), lines=lines)
        if not lines or cue.end_ms <= cue.start_ms:
            continue
        if cues and cues[-1].lines == lines and cues[-1].end_ms == cue.start_ms:
            cue = Cue(start_ms=cues.pop().start_ms, end_ms=cue.end_ms, lines=lines)
        cues.append(cue)
    return cues


def line_of(span: Span) -> str:
    """`tom: happy (93 %)`; one line whatever the names hold."""
    name = " ".join(span.character.split()) or "somebody"
    said = f"{name}: {' '.join(span.emotion.split())}"
    said = "".join(c for c in said if c.isprintable()).replace("-->", "\u2192")
    return said if span.emotion == UNSURE else f"{said} ({span.probability:.0%})"


def srt_of(timeline: Timeline) -> str:
    """SubRip. Players read `<i>` and `{\\an8}` as markup, so angle and curly brackets are replaced."""
    plain = str.maketrans({"<": "\u2039", ">": "\u203a", "{": "(", "}": ")", "\\": "/"})
    return "".join(
        f"{number}\n{_span(cue, ',')}\n{_text(cue, lambda line: line.translate(plain))}\n\n"
        for number, cue in enumerate(cues_of(timeline), start=1)
    )


def vtt_of(timeline: Timeline) -> str:
    """WebVTT (W3C 2019), its cue text escaped."""
    cues = "".join(
        f"{number}\n{_span(cue, '.')}\n{_text(cue, lambda line: escape(line, quote=False))}\n\n"
        for number, cue in enumerate(cues_of(timeline), start=1)
    )
    return f"WEBVTT\n\n{cues}"


def _text(cue: Cue, escaped: Callable[[str], str]) -> str:
    return "\n".join(escaped(line) for line in cue.lines)


def _span(cue: Cue, point: str) -> str:
    return f"{_time(cue.start_ms, point)} --> {_time(cue.end_ms, point)}"


def _time(total_ms: int, point: str) -> str:
    seconds, ms = divmod(total_ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{ms:03d}"


def _milliseconds(timeline: Timeline, pts: int) -> int:
    exact = (pts - timeline.episode.start_pts) * timeline.episode.time_base * 1000
    return max(0, int(exact + Fraction(1, 2)))
