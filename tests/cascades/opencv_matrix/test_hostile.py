"""The reader under fire: whatever a damaged file holds, it is refused in words, or safe everywhere."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cascades.apply import WindowJudge
from cascades.model import CascadeModel
from cascades.xml import read_xml, write_old_xml, write_xml
from pipeline.core.errors import CascadeError
from tests.cascades.opencv_matrix.harness import OpenCv
from tests.cascades.random_models import random_cascade, random_windows

thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
_random = np.random.default_rng(11)
SOUND = [
    write_xml(random_cascade(_random, tilted="mixed", depth=1, trees=3)),
    write_xml(random_cascade(_random, tilted="mixed", depth=3, trees=2, width=17)),
    write_xml(random_cascade(_random, kind="LBP", depth=2, trees=2)),
    write_old_xml(random_cascade(_random, tilted="mixed", depth=2, trees=2)),
]
NASTY = [
    "-1", "0", "1", "2", "23", "24", "25", "255", "256", "257", "-0", "0.", "0.5", "-32768", "2147483647", "2147483648",
    "-2147483648", "4294967295", "4294967296", "-4294967297", "1e38", "3.4028235e38", "1e39", "1e-46", "1e309", "1e999999",
    "nan", ".Nan", "inf", "-.Inf", "", " ", "x", "0x10", "1_0", "+5", "1 2", "9" * 400, "\u0663", "&amp;", "<_>1</_>",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound file with a few numbers, elements or bytes spoilt."""
    content = draw(st.sampled_from(SOUND))
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.integers(0, 4)):
            case 0 | 1:
                numbers = list(re.finditer(rb"(?<=[> ])-?[\d.e+-]+(?=[< ])", content))
                if numbers:
                    spot = draw(st.sampled_from(numbers))
                    content = content[: spot.start()] + draw(st.sampled_from(NASTY)).encode() + content[spot.end() :]
            case 2:  # a line twice, elsewhere, or not at all
                lines = content.split(b"\n")
                place, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
                line = lines[place]
                if draw(st.booleans()):
                    del lines[place]
                if draw(st.booleans()):
                    lines.insert(other, line)
                content = b"\n".join(lines)
            case 3:  # an element's name
                names = list(re.finditer(rb"(?<=[</])[\w]+(?=>)", content))
                if len(names) > 1:
                    one, two = draw(st.sampled_from(names)), draw(st.sampled_from(names))
                    content = content.replace(b"<" + one[0] + b">", b"<" + two[0] + b">", 1)
                    content = content.replace(b"</" + one[0] + b">", b"</" + two[0] + b">", 1)
            case _:
                at = draw(st.integers(0, max(len(content) - 1, 0)))
                content = content[:at] + draw(st.binary(max_size=4)) + content[at + draw(st.integers(0, 8)) :]
    return content


def check(content: bytes, opencvs: list[OpenCv]) -> bool:
    """Whether it is accepted; if so it is safe to write, to read, to evaluate and to give to OpenCV."""
    reason = ""
    try:
        model = read_xml(content, "damaged.xml")
    except CascadeError as told:
        reason = str(told)
    if reason:
        assert reason.startswith("damaged.xml: ")
        assert len(reason) < 500
        return False
    assert read_xml(write_xml(model)) == model
    with np.errstate(all="ignore"):
        windows = random_windows(np.random.default_rng(0), model.width, model.height, 12)
    ours = WindowJudge(model).windows(windows).stages_passed == len(model.stages)
    for opencv in opencvs:
        assert opencv.passed(write_xml(model), windows).tolist() == ours.tolist()
    return True


@settings(thorough, max_examples=100)
@given(damaged())
def test_a_damaged_file_is_refused_in_words_or_safe_everywhere(fifth: OpenCv, content: bytes) -> None:
    check(content, [fifth])


@pytest.mark.slow
@settings(thorough, max_examples=4000)
@given(damaged())
def test_many_damaged_files_are_refused_in_words_or_safe_everywhere(
    fifth: OpenCv, fourth: OpenCv, content: bytes
) -> None:
    check(content, [fifth, fourth])


@settings(thorough, max_examples=40)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_noise_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(CascadeError):
        read_xml(content)


def test_sound_files_are_accepted_so_the_damage_is_what_is_tested(fifth: OpenCv) -> None:
    assert all(check(content, [fifth]) for content in SOUND)


def test_a_tree_of_many_nodes_reaches_opencv_whole(opencv: OpenCv) -> None:
    """A line of half a megabyte in the file."""
    model = random_cascade(np.random.default_rng(3), stages=1, trees=1)
    tree, chain = model.stages[0].trees[0], 20_000
    nodes = tuple(replace(tree.nodes[0], left=i + 1 if i + 1 < chain else -i, right=-i) for i in range(chain - 1))
    nodes += (replace(tree.nodes[0], left=-(chain - 1), right=-chain),)
    leaves = tuple(float(np.float32(i % 7 - 3)) for i in range(chain + 1))
    long: CascadeModel = replace(
        model, stages=(replace(model.stages[0], trees=(replace(tree, nodes=nodes, leaves=leaves),)),) * 2
    )
    long = read_xml(write_xml(long))
    windows = random_windows(np.random.default_rng(4), 24, 24, 40)
    ours = WindowJudge(long).windows(windows).stages_passed == 2
    assert opencv.passed(write_xml(long), windows).tolist() == ours.tolist()
