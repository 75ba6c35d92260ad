"""Honest scores from few boxes: every picture is searched by a cascade that was fitted without it (cross-validation).

The scenes are dealt into folds by a hash, about as many faces in each; for each fold a cascade is fitted to the others
with the same options. What is scored is how such a fit does on scenes it has not seen; the cascades are thrown away.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cascades.detect import Detector, loosened
from cascades.fit import FitOptions, fit_cascade
from cascades.looked_for import DetectOptions, LoadedCascade
from cascades.sampling.samples import gather_samples
from cascades.scoring.evaluate import finder_of
from cascades.scoring.matching import Search, Searched, is_wanted, search
from cascades.studio.rounds import scene_of
from cascades.truth.labelled import Truth
from cascades.verifier.learn import verifier_for
from cascades.xml import write_xml
from pipeline.core.errors import TruthError, UsageError
from pipeline.core.progress import Progress, Silent

FOLDS = 4


def out_of_fold(
    truth: Truth,
    character: str | None,
    negatives: Sequence[Path] = (),
    options: FitOptions | None = None,
    folds: int = FOLDS,
    detect: DetectOptions | None = None,
    progress: Progress | None = None,
) -> Search:
    """What cascades find on the pictures of `truth` that each of them was not fitted to; for `cascades.scoring.evaluate`.

    Args:
        truth: boxes on pictures.
        character: whose faces; None for everyone's.
        negatives: pictures without the character, for every fit.
        options: of every fit. Nothing more is held out inside a fit.
        folds: how many fits; at most as many as there are scenes with a face.
        detect: how faces are looked for.
        progress: told of everything.

    Raises:
        TruthError: fewer than two scenes have a face, or a fit fails.
        UsageError: fewer than two folds.
    """
    if folds < 2:
        raise UsageError(f"cross-validation needs 2 folds or more, got {folds}")
    progress = progress or Silent()
    fit = replace(options or FitOptions(), held_out_fraction=0.0)
    fold_of = deal(truth, character, folds, fit.seed)
    found: list[Searched] = []
    for fold in range(max(fold_of.values()) + 1):
        inside = tuple(p for p in truth.pictures if fold_of[scene_of(p)] == fold)
        outside = tuple(p for p in truth.pictures if fold_of[scene_of(p)] != fold)
        fitting = replace(truth, pictures=outside)
        samples = gather_samples(fitting, negatives, character, fit.sampling, progress)
        model = fit_cascade(samples, fit, progress).model
        verifier = verifier_for(model, fitting, character, samples.smallest_px, progress) if fit.verify else None
        content = write_xml(model)
        loaded = LoadedCascade(
            character=character or "",
            digest=hashlib.sha256(content).hexdigest(),
            content=content,
            verifier=verifier.to_bytes() if verifier else b"",
        )
        finder = finder_of(Detector([loaded], loosened(detect or DetectOptions())))
        found += search(finder, replace(truth, pictures=inside, rejected=()), character, progress).pictures
    return Search(tuple(found), truth.rejected)


def deal(truth: Truth, character: str | None, folds: int, seed: int) -> dict[str, int]:
    """Scene -> its fold: scenes with many faces first, each to the fold with the fewest faces so far.

    Raises:
        TruthError: fewer than two scenes have a face.
    """
    faces: dict[str, int] = {}
    for picture in truth.pictures:
        scene = scene_of(picture)
        faces[scene] = faces.get(scene, 0) + sum(is_wanted(box, character) for box in picture.boxes)
    with_faces = sum(count > 0 for count in faces.values())
    if with_faces < 2:
        raise TruthError(f"{truth.name}: {with_faces} scenes with a face; cross-validation needs two or more")
    load = [0] * min(folds, with_faces)
    pictures = [0] * len(load)
    fold_of = {}
    for scene in sorted(faces, key=lambda s: (-faces[s], hashlib.sha256(f"{seed} {s}".encode()).digest())):
        fold = min(range(len(load)), key=lambda f: (load[f] if faces[scene] else 0, pictures[f], f))
        load[fold] += faces[scene]
        pictures[fold] += 1
        fold_of[scene] = fold
    return fold_of
