"""Subtitles are parsed back, by rules of their own and by ffmpeg."""

import re
import subprocess
from fractions import Fraction
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.frames import ffmpeg_path
from pipeline.timeline.records import Timeline
from pipeline.timeline.subtitles import cues_of, srt_of, vtt_of
from tests.pipeline.timeline.made import episode, face, timeline

HAPPY, SAD, NONE = (0.1, 0.8, 0.1), (0.05, 0.05, 0.9), (0.34, 0.33, 0.33)
TIME = r"(\d\d+):([0-5]\d):([0-5]\d)[.,](\d{3})"


def parsed(text: str) -> list[tuple[int, int, list[str]]]:
    """(start, end, lines) of each cue; fails on anything that is no cue."""
    found: list[tuple[int, int, list[str]]] = []
    body = text.removeprefix("WEBVTT\n\n").rstrip("\n")
    for number, block in enumerate(re.split(r"\n\n", body) if body else [], 1):
        name, times, *lines = block.split("\n")
        assert int(name) == number
        match = re.fullmatch(f"{TIME} --> {TIME}", times)
        assert match, times
        h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups())
        found.append((((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2, lines))
        assert lines
        assert all(lines)
    return found


@pytest.fixture
def two() -> Timeline:
    """tom is happy, then sad; jerry is unsure from the middle on."""
    tom = face("tom", [1000, 1250, 1500, 1750], [HAPPY, HAPPY, SAD, SAD])
    return timeline(tom, face("jerry", [1500, 1750], [NONE, NONE]))


def test_characters_at_once_share_a_cue_and_cues_never_overlap(two: Timeline) -> None:
    assert parsed(srt_of(two)) == [
        (875, 1375, ["tom: happy (80%)"]),
        (1375, 1875, ["jerry: unsure", "tom: sad (90%)"]),
    ]
    assert [(a, b, [unescape(line) for line in lines]) for a, b, lines in parsed(vtt_of(two))] == parsed(srt_of(two))


def test_times_are_the_exact_ones_rounded_and_count_from_the_first_frame() -> None:
    base = Fraction(1001, 30_000)
    whole = timeline(face("tom", [37], [HAPPY], step=2), of=episode(end_pts=60, start_pts=7, base=base))
    (start, end) = ((pts - 7) * base * 1000 for pts in whole.tracks[0].extents[0])
    (found,) = cues_of(whole)
    assert abs(found.start_ms - start) <= Fraction(1, 2)
    assert abs(found.end_ms - end) <= Fraction(1, 2)


NAMES = st.one_of(
    st.text("ab \n-><{}&\\\u2028\x00\u00e9", max_size=12),
    st.sampled_from(["a\n\nb", "x --> y", "<i>", "{\\an8}", "&amp;", "", "\u2028", "\x00"]),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, st.integers(0, 30), st.integers(1, 6), st.integers(0, 2)), max_size=5))
def test_whatever_the_names_are_both_files_say_the_same_and_are_sound(rows: list[tuple[str, int, int, int]]) -> None:
    faces = [
        face(name, [100 * begin + 250 * n for n in range(count)], [(HAPPY, SAD, NONE)[kind]] * count)
        for name, begin, count, kind in rows
    ]
    made = timeline(*faces)
    srt, vtt = parsed(srt_of(made)), parsed(vtt_of(made))
    assert [one[:2] for one in srt] == [one[:2] for one in vtt]
    assert all(start < end for start, end, _ in srt)
    assert all(a[1] <= b[0] for a, b in zip(srt, srt[1:], strict=False))
    assert bool(srt) == bool(rows)
    assert not any("-->" in line or "<" in line for _, _, lines in [*srt, *vtt] for line in lines)


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_ffmpeg_reads_what_is_written(two: Timeline, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text(srt_of(two) if suffix == "srt" else vtt_of(two), encoding="utf-8")
    command = [ffmpeg_path(), "-v", "warning", "-i", str(path), "-f", "srt", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not done.stderr
    assert parsed(done.stdout) == parsed(srt_of(two))
