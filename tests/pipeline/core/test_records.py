from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.places import Box, Timestamp


def test_a_box_without_area_is_refused_with_what_it_got() -> None:
    with pytest.raises(ValueError, match="left < right and top < bottom, got 5,0,5,9"):
        Box(left=5, top=0, right=5, bottom=9)


def test_a_timestamp_reads_as_hours_minutes_seconds() -> None:
    assert Timestamp(pts=90061, time_base=Fraction(1, 24)).timecode == "1:02:32.541"
    assert Timestamp(pts=-24, time_base=Fraction(1, 24)).timecode == "-0:00:01.000"


@given(st.integers(-(10**9), 10**9), st.fractions(min_value=Fraction(1, 10**6), max_value=1))
def test_seconds_are_exact_to_a_float(pts: int, time_base: Fraction) -> None:
    assert Timestamp(pts=pts, time_base=time_base).seconds == float(pts * time_base)


def test_a_time_base_must_be_positive() -> None:
    with pytest.raises(ValueError, match="time_base must be positive, got 0"):
        Timestamp(pts=1, time_base=Fraction(0))
