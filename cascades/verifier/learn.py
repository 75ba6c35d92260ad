"""What a verifier learns from: labelled pictures, and what the first stages of a cascade propose on them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cascades.detect import Detector, loosened
from cascades.looked_for import DetectOptions, LoadedCascade
from cascades.model import CascadeModel
from cascades.scoring.matching import as_corners, is_wanted
from cascades.truth.labelled import Picture, Truth
from cascades.truth.reading import open_pictures
from cascades.verifier.model import Example, Verifier, VerifyOptions, learn_verifier
from cascades.xml import write_xml
from pipeline.core.errors import TruthError
from pipeline.core.progress import Progress, Silent

PROPOSING_SHARE = 0.55
"""of a cascade's stages, the first ones: what they wrongly let through is what a verifier learns to refuse"""
MOST_PROPOSED = 200
"""boxes of one picture that it learns from"""


def verifier_for(
    model: CascadeModel,
    truth: Truth,
    character: str | None,
    smallest_px: int,
    progress: Progress | None = None,
    options: VerifyOptions | None = None,
) -> Verifier | None:
    """Learns to score what `model` finds for `character` (None: everyone's).

    None where the truth has no pictures with faces in their surroundings, or nothing that is no face.
    """
    pictures = [picture for picture in truth.pictures if not picture.is_crop]
    if truth.patches is not None or not pictures:
        return None
    first = LoadedCascade(character=character or "", digest="", content=write_xml(proposing(model)))
    detector = Detector([first], replace(loosened(DetectOptions()), min_face_px=smallest_px, nms_overlap=1.0))
    try:
        examples = _examples(detector, pictures, character, progress or Silent())
        return learn_verifier(examples, options or VerifyOptions())
    except TruthError:
        return None


def proposing(model: CascadeModel) -> CascadeModel:
    """The first stages of a cascade, which let nearly every face through and a good deal more."""
    return replace(model, stages=model.stages[: math.ceil(PROPOSING_SHARE * len(model.stages))])


def _examples(
    detector: Detector, pictures: list[Picture], character: str | None, progress: Progress
) -> Iterator[Example]:
    with progress.step("looking twice", len(pictures), "pictures") as step:
        for picture, image in open_pictures(pictures, []):
            proposed = detector.detect(image)[0].boxes[:MOST_PROPOSED].astype(np.float64)
            faces = as_corners([b for b in picture.boxes if is_wanted(b, character)])
            others = as_corners([b for b in picture.boxes if not b.ignored and not is_wanted(b, character)])
            yield Example(image, faces, others, as_corners([b for b in picture.boxes if b.ignored]), proposed)
            step.advance()
