import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.charts import Line, axis, legend, line_chart, log_axis, whole_axis

NAME = '"><script>alert(1)</script>'
numbers = st.floats(-1e6, 1e6, allow_nan=False)


def test_a_chart_is_sound_xml_whatever_its_lines_are_called() -> None:
    line = Line(name=NAME, points=((1.0, 0.5), (2.0, 0.25)), hue="k0")
    x, y = whole_axis(NAME, [1, 2]), axis(NAME, [0.5, 0.25], low=0.0)
    drawn = ElementTree.fromstring(str(line_chart([line], x, y, summary=NAME, mark=(2.0, NAME))))
    assert drawn.get("aria-label") == NAME
    assert not list(drawn.iter("script"))
    assert [title.text for title in drawn.iter("title")] == [f"{NAME}: 0.5 at {NAME} 1", f"{NAME}: 0.25 at {NAME} 2"]
    assert NAME not in str(legend([line]))


@given(st.lists(numbers, min_size=1, max_size=20))
def test_an_axis_holds_all_its_values_and_a_few_marks(values: list[float]) -> None:
    found = axis("value", values)
    assert found.low < found.high
    unseen = 1e-6 * (found.high - found.low)  # far less than a pixel
    assert found.low <= min(values) + unseen
    assert found.high >= max(values) - unseen
    assert 1 <= len(found.marks) <= 8
    assert all(-0.001 <= found.share(mark) <= 1.001 for mark in found.marks)


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=20))
def test_epochs_are_marked_at_whole_numbers_from_first_to_last(values: list[int]) -> None:
    found = whole_axis("epoch", [float(v) for v in values])
    assert all(mark == int(mark) for mark in found.marks)
    assert list(found.marks) == sorted(found.marks)
    assert len(found.marks) <= 10


def test_a_logarithmic_axis_has_decades() -> None:
    found = log_axis("rate", [0.5, 2e-4, 0.0])
    assert found.marks == pytest.approx((1e-4, 1e-3, 1e-2, 1e-1, 1.0))
    assert math.isclose(found.share(1e-2), 0.5)
    assert found.share(0.0) <= 0


def test_long_lines_are_thinned_but_keep_their_ends() -> None:
    points = tuple((float(n), n / 5000) for n in range(1, 5001))
    x, y = whole_axis("epoch", [1, 5000]), axis("loss", [0, 1])
    drawn = line_chart([Line(name="train", points=points, hue="k0")], x, y, summary="loss")
    assert str(drawn).count(",") < 700
    assert "<circle" not in drawn
    assert len(drawn) < 12_000


def test_one_epoch_makes_a_chart() -> None:
    line = Line(name="train", points=((1.0, 2.0),), hue="k0")
    drawn = line_chart([line], whole_axis("epoch", [1.0]), axis("loss", [2.0], low=0.0), summary="loss")
    assert str(drawn).count("<circle") == 1
    assert "nan" not in drawn
