"""The second look in colour: what it learns, what it refuses, and how detection uses it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cascades.detect import Detector, loosened
from cascades.fit import Fitted
from cascades.looked_for import USUAL_MIN_SCORE, DetectOptions, LoadedCascade
from cascades.make import make_cascade
from cascades.model import CascadeModel
from cascades.registry import load_cascade
from cascades.truth.labelled import Picture, Truth, TruthBox
from cascades.verifier.learn import proposing, verifier_for
from cascades.verifier.model import Example, Verifier, learn_verifier, read_verifier, verifier_path
from cascades.xml import write_xml
from pipeline.core.errors import CascadeError, TruthError
from pipeline.core.files import write_bytes
from pipeline.core.images import RGB, encode_png
from pipeline.core.workspace import Workspace
from tests.cascades.conftest import SMALL
from tests.cascades.drawing import clutter, write_backgrounds, write_scenes

RED, GREEN = (220, 90, 80), (90, 200, 100)


def coloured_face(image: RGB, left: int, top: int, side: int, skin: tuple[int, int, int]) -> None:
    def at(x: float, y: float) -> tuple[int, int]:
        return round(left + x * side), round(top + y * side)

    cv2.circle(image, at(0.5, 0.5), round(side * 0.48), skin, -1)
    for x in (0.32, 0.68):
        cv2.circle(image, at(x, 0.38), max(round(side * 0.09), 1), (20, 20, 20), -1)
    cv2.line(image, at(0.33, 0.72), at(0.67, 0.72), (20, 20, 20), max(round(side * 0.08), 1))


def scene(random: np.random.Generator) -> tuple[RGB, list[tuple[int, int, int]]]:
    """A picture with a red and a green face: (left, top, side) of each."""
    image = np.repeat(clutter(random, 220, 120)[:, :, None], 3, axis=2)
    places = [(int(random.integers(4, 40)), 20, 56), (int(random.integers(115, 150)), 40, 56)]
    for (left, top, side), skin in zip(places, (RED, GREEN), strict=True):
        coloured_face(image, left, top, side, skin)
    return image, places


def corners(place: tuple[int, int, int]) -> np.ndarray:
    left, top, side = place
    return np.array([[left, top, left + side, top + side]], dtype=np.float64)


def learned(seed: int = 0) -> Verifier:
    examples = []
    for number in range(8):
        image, (red, green) = scene(np.random.default_rng([seed, number]))
        wrong = np.array([[60.0, 60.0, 100.0, 100.0], [150.0, 5.0, 190.0, 45.0]])
        examples.append(Example(image, corners(red), corners(green), np.zeros((0, 4)), wrong))
    return learn_verifier(examples)


def test_a_face_of_the_wrong_colour_is_refused() -> None:
    verifier = learned()
    for number in range(20, 26):
        image, (red, green) = scene(np.random.default_rng(number))
        right, wrong = verifier.evidence(image, np.concatenate([corners(red), corners(green)]))
        assert right > 0 > wrong


def test_the_same_examples_give_the_same_bytes_and_reading_changes_nothing() -> None:
    content = learned().to_bytes()
    assert learned().to_bytes() == content
    assert read_verifier(content).to_bytes() == content
    image, _ = scene(np.random.default_rng(5))
    boxes = np.array([[0.0, 0.0, 30.0, 30.0], [-20.0, -20.0, 500.0, 400.0], [10.0, 10.0, 11.0, 11.0]])
    assert read_verifier(content).evidence(image, boxes).tolist() == learned().evidence(image, boxes).tolist()
    assert learned().evidence(image, np.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: row | {"weights": row["weights"][:-8]},
        lambda row: row | {"weights": "!!!"},
        lambda row: row | {"bias": float("nan")},
        lambda row: row | {"bias": "much"},
        lambda row: row | {"format": 99},
        lambda row: row | {"context": -1},
        lambda row: {"format": 1},
        lambda row: [row],
        lambda row: None,
    ],
)
def test_damaged_verifiers_are_refused(damage: object) -> None:
    row = json.loads(learned().to_bytes())
    content = json.dumps(damage(row)).encode()  # type: ignore[operator]
    with pytest.raises(CascadeError, match="fit the cascade again"):
        read_verifier(content)
    with pytest.raises(CascadeError, match="fit the cascade again"):
        read_verifier(content[:-5] + b"\xff")


def test_without_faces_or_without_anything_else_nothing_is_learned() -> None:
    image, (red, _) = scene(np.random.default_rng(1))
    nothing = np.zeros((0, 4))
    with pytest.raises(TruthError, match="a verifier needs both"):
        learn_verifier([Example(image, nothing, nothing, nothing, corners(red))])
    with pytest.raises(TruthError, match="a verifier needs both"):
        learn_verifier([])


def test_detection_scores_by_it_and_the_xml_stays_as_it_is(ann: Fitted, tmp_path: Path) -> None:
    truth = _pictures(tmp_path, 8)
    verifier = verifier_for(ann.model, truth, "red", 30)
    assert verifier is not None
    xml = write_xml(ann.model)
    plain = LoadedCascade(character="red", digest="x", content=xml)
    verified = LoadedCascade(character="red", digest="x", content=xml, verifier=verifier.to_bytes())
    assert (
        len({plain.key, verified.key, LoadedCascade(character="red", digest="x", content=xml, min_score=1.0).key}) == 3
    )
    options = DetectOptions(min_face_px=30)
    for number in range(40, 44):
        image, (red, _green) = scene(np.random.default_rng(number))
        loose = Detector([plain, verified], loosened(options)).detect(image)
        assert len(loose[0].boxes) >= len(loose[1].boxes) > 0
        (sure,) = Detector([verified], options).detect(image)
        assert (sure.scores >= USUAL_MIN_SCORE).all()
        assert all(abs(box[0] - red[0]) < 30 for box in sure.boxes.tolist())


def test_a_looser_threshold_of_its_own_replaces_the_options(ann: Fitted) -> None:
    image, _ = scene(np.random.default_rng(50))
    xml = write_xml(ann.model)
    everything = LoadedCascade(character="a", digest="x", content=xml, min_score=0.0)
    nothing = LoadedCascade(character="a", digest="x", content=xml, min_score=1e9)
    found = Detector([everything, nothing], DetectOptions(min_face_px=30, min_neighbors=1)).detect(image)
    assert len(found[0].boxes) > 0
    assert len(found[1].boxes) == 0


def test_proposing_takes_the_first_stages(ann: Fitted) -> None:
    model: CascadeModel = proposing(ann.model)
    assert model.stages == ann.model.stages[: len(model.stages)]
    assert 1 <= len(model.stages) < len(ann.model.stages)


def test_a_fit_keeps_it_in_the_workspace_and_beside_the_xml(tmp_path: Path) -> None:
    truth = write_scenes(tmp_path / "scenes", 14)
    negatives = write_backgrounds(tmp_path / "neg", 20)
    workspace = Workspace(tmp_path / "workspace")
    out = tmp_path / "ann.xml"
    made = make_cascade(
        workspace, "ann", truth, negatives=[negatives], character="ann", options=SMALL, out=out, take_lock=True
    )
    from_workspace, from_file = load_cascade(workspace, "ann"), load_cascade(workspace, str(out))
    assert from_workspace.verifier
    assert from_workspace.verifier == from_file.verifier == verifier_path(out).read_bytes()
    assert made.card["verifier"]
    write_bytes(verifier_path(out), b"{}")
    with pytest.raises(CascadeError, match="verifier is damaged"):
        Detector([load_cascade(workspace, str(out))])
    with pytest.raises(CascadeError, match="no score threshold"):
        load_cascade(workspace, str(out), 0.9)


def test_faces_without_surroundings_give_no_verifier(ann: Fitted) -> None:
    patches = np.zeros((20, 24, 24), dtype=np.uint8)
    assert verifier_for(ann.model, Truth("p.npz", (), patches, ()), None, 30) is None


def _pictures(folder: Path, count: int) -> Truth:
    pictures = []
    for number in range(count):
        image, (red, green) = scene(np.random.default_rng([9, number]))
        path = folder / f"{number}.png"
        write_bytes(path, encode_png(image))
        boxes = tuple(
            TruthBox(left=left, top=top, right=left + side, bottom=top + side, character=who)
            for (left, top, side), who in ((red, "red"), (green, "green"))
        )
        pictures.append(Picture(name=path.name, path=path, frame=None, group=path.name, boxes=boxes))
    return Truth("drawn", tuple(pictures), None, ())
