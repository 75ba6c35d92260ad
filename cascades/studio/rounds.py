"""The studio loop: fit to what people said so far, and see on the same held-out scenes whether it got better.

Whole shots are held out in the order of a hash of their name; a shot once held out stays so however many labels come
later, and is never fitted to. Every round's cascade is kept; earlier ones are scored again when more is known of the held-out scenes,
so that the curves of all rounds are over the same pictures and faces.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cascades.detect import Detector, loosened
from cascades.fit import FitOptions
from cascades.looked_for import USUAL_MIN_SCORE, DetectOptions, LoadedCascade
from cascades.make import MadeCascade, make_cascade
from cascades.registry import card_of, update_card
from cascades.scoring.calibration import calibrate
from cascades.scoring.evaluate import as_json, find_each, scores_of
from cascades.scoring.matching import Search, is_wanted, outcomes_of, picture_keys, search_each
from cascades.truth.labelled import Picture, Truth
from cascades.truth.reading import join_truths
from cascades.truth.workspace import placed, settled, workspace_truth
from pipeline.core.errors import InputError, UsageError
from pipeline.core.files import digest_of
from pipeline.core.progress import Progress
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace, now

HELD_OUT_FRACTION = 0.25
"""of the labelled faces"""
FEWEST_HELD_OUT = 3
"""faces without which no curve is drawn"""
ROUNDS_SCORED = 6
"""the latest rounds that are scored again"""
CURVE_KEPT = 60
"""points of a round's curve"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRound:
    """A cascade fitted to the workspace's labels, and how it compares."""

    made: MadeCascade
    """its record with the card as it is now"""
    character: str | None
    """whose faces were positive; None for everyone's"""
    rounds: tuple[dict[str, Any], ...]
    """as in the card, oldest first"""
    untold: str
    """why there is no held-out curve; empty when there is one"""


def fit_round(
    workspace: Workspace,
    name: str,
    *,
    character: str | None = None,
    truth: Truth | None = None,
    negatives: Sequence[Path] = (),
    options: FitOptions | None = None,
    out: Path | None = None,
    held_out_fraction: float = HELD_OUT_FRACTION,
    iou: float = 0.5,
    progress: Progress | None = None,
) -> FittedRound:
    """Fits `name` to the workspace's labels (and `truth`, when given) and scores it beside its earlier rounds.

    Args:
        workspace: whose labels are learned from. Call under the writer's lock.
        name: of the cascade; one of that name is replaced, its XML and its rounds are kept.
        character: whose faces; None for the one that `name` was fitted to or is called after, else everyone's.
        truth: boxes from elsewhere that are learned from as well; their shots are never held out.
        negatives: pictures without the character.
        options: of the fit.
        out: also write the XML here.
        held_out_fraction: of the labelled faces, about.
        iou: overlap that counts as found.
        progress: told of everything.

    Raises:
        TruthError: no label is of use, or too few.
    """
    if not 0 <= held_out_fraction <= 0.8:
        raise UsageError(f"held_out_fraction must be 0 to 0.8, got {held_out_fraction:g}")
    before = workspace.catalogue.get(Cascade, name)
    labels = workspace_truth(workspace, None if truth else character)
    given = None if truth is None else placed(workspace, truth)
    everything = labels if given is None else settled(join_truths(given, labels))
    who = character or _whose(name, before, everything.characters)
    options = options or FitOptions()
    known = _scenes(before)
    known["fitted"] |= set() if given is None else {scene_of(p) for p in given.pictures}
    fitting, held_out = split_held_out(everything, who, held_out_fraction, options.seed, **known)
    faces = _faces(held_out, who)
    # the held-out shots tell how good it is: no need to keep more of the few faces from the fit
    fit = replace(options, held_out_fraction=0.0) if faces >= FEWEST_HELD_OUT else options
    made = make_cascade(
        workspace, name, fitting, negatives=negatives, character=who, options=fit, out=out, progress=progress
    )
    rounds = [*_earlier(before), _entry(made.record, fitting, who)]
    more: dict[str, Any] = {}
    untold = ""
    if faces < FEWEST_HELD_OUT:
        untold = (
            f"{faces} faces in the held-out shots, at least {FEWEST_HELD_OUT} are needed; label faces in more shots"
        )
    else:
        more = _score(workspace, rounds, held_out, who, iou, progress)
    scenes = {"held_out": _scene_keys(held_out), "fitted": _scene_keys(fitting)}
    record = update_card(workspace, name, more | {"rounds": _numbered(rounds), "scenes": scenes})
    assert record is not None
    return FittedRound(made=replace(made, record=record), character=who, rounds=tuple(_numbered(rounds)), untold=untold)


def split_held_out(
    truth: Truth,
    character: str | None,
    fraction: float,
    seed: int,
    held: Collection[str] = (),
    fitted: Collection[str] = (),
) -> tuple[Truth, Truth]:
    """(to fit, held out): whole shots, in the order of a hash of `seed` and the shot, until `fraction` of the faces.

    Shots that were `held` out or `fitted` before stay on their side. Shots without a face (where people only refused)
    are held out by the hash alone. At least half of the faces are left to fit to.
    """
    faces: Counter[str] = Counter()
    for picture in truth.pictures:
        faces[scene_of(picture)] += sum(is_wanted(box, character) for box in picture.boxes)
    chance = {scene: _chance(scene, seed) for scene in faces}
    apart = {scene for scene in faces if scene in held}
    total, count = sum(faces.values()), sum(faces[scene] for scene in apart)
    for scene in sorted(set(faces) - apart - set(fitted), key=lambda s: (chance[s], s)):
        if not faces[scene]:
            apart |= {scene} if chance[scene] < fraction else set()
        elif count < fraction * total and count + faces[scene] <= total / 2:
            apart.add(scene)
            count += faces[scene]
    inside = tuple(p for p in truth.pictures if scene_of(p) in apart)
    outside = tuple(p for p in truth.pictures if scene_of(p) not in apart)
    return replace(truth, pictures=outside), replace(truth, pictures=inside, rejected=())


def scene_of(picture: Picture) -> str:
    """What is held out or fitted to as a whole: the picture's group, else the picture."""
    return picture.group or picture.name


def shared_pictures(card: dict[str, Any], truth: Truth, truth_sha256: str = "") -> int:
    """How many pictures of `truth` the cascade of this card was fitted to; all when it is the same file."""
    data = card.get("data")
    data = data if isinstance(data, dict) else {}
    if truth_sha256 and data.get("truth_sha256") == truth_sha256:
        return len(truth.pictures)
    fitted = data.get("pictures")
    return len(set(picture_keys(truth)) & set(fitted)) if isinstance(fitted, list) else 0


def _chance(key: str, seed: int) -> float:
    """0 to 1, the same for the same shot and seed everywhere."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {key}".encode(), digest_size=7).digest(), "big") / (1 << 56)


def _scenes(before: Cascade | None) -> dict[str, set[str]]:
    """Shots that earlier rounds held out or fitted to, as the card remembers them."""
    found: dict[str, set[str]] = {"held": set(), "fitted": set()}
    try:
        kept = card_of(before).get("scenes") if before else None
    except InputError:
        kept = None
    for name, side in (("held", "held_out"), ("fitted", "fitted")):
        listed = kept.get(side) if isinstance(kept, dict) else None
        found[name] = {scene for scene in listed if isinstance(scene, str)} if isinstance(listed, list) else set()
    return found


def _scene_keys(truth: Truth) -> list[str]:
    return sorted({scene_of(picture) for picture in truth.pictures})


def _faces(truth: Truth, who: str | None) -> int:
    return sum(is_wanted(box, who) for picture in truth.pictures for box in picture.boxes)


def _whose(name: str, before: Cascade | None, known: Sequence[str]) -> str | None:
    return next((who for who in (before.character if before else "", name) if who and who in known), None)


def _earlier(before: Cascade | None) -> list[dict[str, Any]]:
    """Rounds of the card; a cascade that was fitted before the first round counts as one that came from elsewhere."""
    if before is None:
        return []
    try:
        card = card_of(before)
    except InputError:
        return []
    kept = [r for r in card.get("rounds") or [] if isinstance(r, dict) and isinstance(r.get("sha256"), str)]
    if kept and kept[-1]["sha256"] == before.sha256:
        return kept
    data = card.get("data") if isinstance(card.get("data"), dict) else {}
    entry = {
        "sha256": before.sha256, "verifier": card.get("verifier", ""), "created": before.created,
        "from": str((data or {}).get("truth", "elsewhere")),
        "faces": (data or {}).get("faces"),
    }  # fmt: skip
    return [*kept, entry]


def _entry(record: Cascade, fitting: Truth, who: str | None) -> dict[str, Any]:
    boxes = [box for picture in fitting.pictures for box in picture.boxes]
    return {
        "sha256": record.sha256,
        "verifier": card_of(record).get("verifier", ""),
        "created": now(),
        "from": "labels",
        "pictures": len(fitting.pictures),
        "faces": sum(is_wanted(box, who) for box in boxes),
        "not_a_face": sum(box.rejected for box in boxes),
        "other_faces": sum(is_wanted(box, None) and not is_wanted(box, who) for box in boxes),
    }


def _score(
    workspace: Workspace,
    rounds: list[dict[str, Any]],
    held_out: Truth,
    who: str | None,
    iou: float,
    progress: Progress | None,
) -> dict[str, Any]:
    """Puts the held-out scores into the rounds that lack them for these scenes; what the newest one's card gains."""
    scenes = held_out_digest(held_out, who, iou)
    newest = rounds[-1]
    stale = [r for r in rounds[-ROUNDS_SCORED:-1] if (r.get("held_out") or {}).get("digest") != scenes]
    for entry in stale:
        entry.pop("held_out", None)
        entry.pop("scores", None)
    stale = [entry for entry in stale if workspace.objects.path(entry["sha256"], ".xml").is_file()]
    loaded = [_loaded(workspace, entry, who) for entry in (*stale, newest)]
    detector = Detector(loaded, loosened(DetectOptions()))
    found = search_each(lambda image_HW3: find_each(detector, image_HW3), held_out, who, progress)
    about = {
        "digest": scenes,
        "iou": iou,
        "pictures": len(held_out.pictures),
        "faces": found[-1].faces,
        "scenes": len({scene_of(p) for p in held_out.pictures}),
    }
    for entry, searched in zip((*stale, newest), found, strict=True):
        entry["held_out"], entry["scores"] = about, _kept(searched, iou)
    calibration = calibrate(outcomes_of(found[-1], iou))
    return {"calibration": calibration.as_card()} if calibration else {}


def held_out_digest(held_out: Truth, who: str | None, iou: float) -> str:
    """What makes two curves comparable: the pictures, their boxes, whose faces, and the overlap."""
    rows = sorted(
        [
            p.path.name,
            p.frame,
            p.pts,
            sorted([b.left, b.top, b.right, b.bottom, is_wanted(b, who), b.ignored] for b in p.boxes),
        ]
        for p in held_out.pictures
    )
    return digest_of([rows, who, iou])[:16]


def _kept(searched: Search, iou: float) -> dict[str, Any]:
    """A round's scores as its card keeps them: the curve thinned."""
    scores = as_json(scores_of(searched, iou, USUAL_MIN_SCORE))
    curve = scores["curve"]
    if len(curve) > CURVE_KEPT:
        curve = [curve[i * (len(curve) - 1) // (CURVE_KEPT - 1)] for i in range(CURVE_KEPT)]
    left_out = ("rejected", "by_face_size", "average_precision_by_iou")
    return {key: value for key, value in scores.items() if key not in left_out} | {"curve": curve}


def _loaded(workspace: Workspace, entry: dict[str, Any], who: str | None) -> LoadedCascade:
    content = workspace.objects.read(entry["sha256"], ".xml")
    verifier = workspace.objects.read(entry["verifier"], ".json") if entry.get("verifier") else b""
    return LoadedCascade(character=who or "", digest=entry["sha256"], content=content, verifier=verifier)


def _numbered(rounds: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry | {"round": number} for number, entry in enumerate(rounds, start=1)]
