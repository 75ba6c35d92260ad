"""Hashing, all near pairs, the second check and the packing of splits, each beside its peer or what is asked of it.

`python -m benchmarks.near_duplicates [--shared DIR] [--workspace DIR]`: with DIR/clips also hashes of windows of real
frames, and with a workspace those of what `mine` found there. Everything runs on one thread; seconds are user + system.
"""

import argparse
import io
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

os.environ["TOONSIFT_THREADS"] = "1"

import imagehash
import numpy as np
from PIL import Image

from pipeline.cartoon import CartoonOptions, draw_series
from pipeline.core.geometry import clip, grow
from pipeline.core.images import RGB, cut, decode_rgb, encode_png
from pipeline.core.places import Box
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions
from pipeline.duplicates import HASH_KIND, DedupeOptions, Likeness, hashes_of, looks_of, pairs_within
from pipeline.duplicates.hashing import Hashes, as_numbers
from pipeline.duplicates.index import planned
from pipeline.duplicates.looks import LOOK_SIZE
from pipeline.duplicates.tables import compare_all
from pipeline.frames import decode
from pipeline.splits import Candidate, SplitOptions, share_out

FEW, MANY, NEW = 159_035, 1_000_000, 2_500
HELD_FRAMES = 24
"""windows stay where they are for so long, as a face does"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--workspace", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        crops, drawings = drawn_faces(Path(place))
        hashing(crops)
        second_check(crops, drawings)
        sets = {"random, a tenth planted near another": planted(MANY)}
        sets["windows of drawn frames"] = windows(sorted(Path(place).glob("*.mp4")), 300_000)
    if given.shared:
        clips = sorted(p for p in (given.shared / "clips").rglob("*") if p.suffix in (".mp4", ".mkv"))
        sets["windows of real frames"] = windows(clips, MANY)
    if given.workspace:
        stored = Workspace(given.workspace).catalogue.hashes(HASH_KIND)
        sets["crops that `mine` found"] = as_numbers(list(stored.values()))
    half = planted(MANY, seed=1)
    half[::2] = half[0]
    sets |= {"all equal": np.zeros(MANY, np.uint64), "half of them equal": half}
    sets["only 24 bits ever differ"] = planted(MANY // 4, seed=2, bits=24)
    all_pairs(sets)
    new_ones(sets["random, a tenth planted near another"])
    packing()
    print(
        f"\nmost memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB", end=""
    )
    print(" (2,048 may be used for a million hashes)")


def least(calls: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """CPU seconds of each, the least of several turns."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - began)
    return best


def drawn_faces(folder: Path) -> tuple[list[RGB], list[str]]:
    """Faces of a drawn series, cut out as a detector would, a little off; and which drawing each shows."""
    series = draw_series(folder, CartoonOptions(episodes=3, seconds=60, seed=5))
    random, margin = np.random.default_rng(0), CropOptions().margin_fraction
    crops, drawings = [], []
    for episode in series.episodes:
        wanted = {min(hold.start + 1, hold.end - 1): hold for hold in episode.holds}
        for number, frame in enumerate(decode(folder / episode.file)):
            for face in wanted[number].faces if number in wanted else ():
                if face.visible < 0.6 or face.box.width < 40:
                    continue
                box = grow(face.box, margin)
                off = random.normal(0, 0.02 * box.width, 4).round().astype(int).tolist()
                moved = Box(
                    left=box.left + off[0], top=box.top + off[1], right=box.right + off[2], bottom=box.bottom + off[3]
                )
                inside = clip(moved, frame.image.shape[1], frame.image.shape[0])
                if inside:
                    crops.append(cut(frame.image, inside.left, inside.top, inside.right, inside.bottom))
                    drawings.append(face.drawing)
    return crops, drawings


def hashing(crops: list[RGB]) -> None:
    some = crops[:1000]
    files = [encode_png(crop) for crop in some[:300]]
    theirs = np.array([int(str(imagehash.phash(Image.fromarray(crop))), 16) for crop in crops], np.uint64)
    side = np.median([min(crop.shape[:2]) for crop in crops])
    print(f"hashing: {len(crops)} drawn faces (median side {side:.0f} pixels), bits as imagehash: ", end="")
    print(f"{(hashes_of(crops) == theirs).mean():.4%} of the hashes")
    calls: dict[str, Callable[[], object]] = {}
    peers = {"phash": imagehash.phash, "dhash": imagehash.dhash}
    for name, peer in peers.items():
        calls[f"imagehash.{name}"] = lambda peer=peer: [peer(Image.fromarray(crop)) for crop in some]  # type: ignore[misc]
        calls[name] = lambda name=name: hashes_of(some, name)  # type: ignore[misc]
    calls["look"] = lambda: looks_of(some)
    calls["PNG to imagehash.phash"] = lambda: [imagehash.phash(Image.open(io.BytesIO(file))) for file in files]
    calls["PNG to phash"] = lambda: hashes_of([decode_rgb(file, "") for file in files])
    seconds = least(calls)
    rate = {name: (len(files) if "PNG" in name else len(some)) / spent for name, spent in seconds.items()}
    for name in peers:
        ratio = rate[name] / rate[f"imagehash.{name}"]
        print(f"  {name}: {rate[name]:,.0f} crops per CPU s, imagehash {rate[f'imagehash.{name}']:,.0f}: ", end="")
        print(f"{ratio:.1f} times{' (4 asked for)' if name == 'phash' else ''}")
    print(f"  from PNG files: {rate['PNG to phash']:,.0f}, imagehash {rate['PNG to imagehash.phash']:,.0f}: ", end="")
    print(
        f"{rate['PNG to phash'] / rate['PNG to imagehash.phash']:.1f} times; look: {rate['look']:,.0f} crops per CPU s"
    )


def second_check(crops: list[RGB], drawings: list[str]) -> None:
    """Precision and recall per distance, with and without checks besides pHash."""
    i, j = np.triu_indices(len(crops), 1)
    names = np.array(drawings)
    # actor.emotion look.hand.turn,...: the same drawing may be turned by a few degrees
    actor_emotion = np.array([".".join(d.split(".")[:2]).rstrip("0123456789") for d in drawings])
    unturned = np.array([".".join(d.split(".")[:3]) for d in drawings])
    bits = {name: np.bitwise_count(h[i] ^ h[j]) for name in ("phash", "dhash") for h in [hashes_of(crops, name)]}
    repeats = names[i] == names[j]
    near = bits["phash"] <= 10
    i, j, repeat = i[near], j[near], repeats[near]
    phash, dhash = bits["phash"][near], bits["dhash"][near]
    looks = looks_of(crops).astype(np.int16)
    off = np.concatenate(
        [np.abs(looks[i[n : n + 9999]] - looks[j[n : n + 9999]]).mean(1) for n in range(0, len(i), 9999)]
    )
    checks = {
        "pHash alone": off >= 0,
        "and look <= 9": off <= 9,
        "and look <= 6": off <= 6,
        "and dHash <= 10": dhash <= 10,
    }
    print(
        f"\nsecond check, {len(crops)} drawn faces, {repeats.sum()} pairs of exact repeats. Of the pairs within so many bits:"
    )
    print(
        "share with the same character and emotion / that are one drawing, also turned / that repeat exactly; recall of these"
    )
    print(f"  {'bits':<16}" + "".join(f"{distance:>30}" for distance in (0, 2, 4, 6, 8, 10)))
    for name, passed in checks.items():
        cells = []
        for distance in (0, 2, 4, 6, 8, 10):
            at = passed & (phash <= distance)
            shares = [
                float(same[at].mean())
                for same in (actor_emotion[i] == actor_emotion[j], unturned[i] == unturned[j], repeat)
            ]
            cells.append(" / ".join(f"{share:.3f}" for share in shares) + f"; {repeat[at].sum() / repeats.sum():.2f}")
        print(f"  {name:<16}" + "".join(f"{cell:>30}" for cell in cells))


def planted(count: int, seed: int = 0, bits: int = 64) -> Hashes:
    """Random hashes, a tenth of them up to 8 bits from another."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**bits, count, dtype=np.uint64, endpoint=False)
    targets, sources = random.permutation(count)[: count // 10], random.integers(0, count, count // 10)
    changed = hashes[sources]
    for _ in range(8):
        changed ^= (np.uint64(1) << random.integers(0, bits, len(changed)).astype(np.uint64)) * random.integers(
            0, 2, len(changed)
        ).astype(np.uint64)
    hashes[targets] = changed
    return hashes


def windows(videos: list[Path], wanted: int) -> Hashes:
    """Hashes of windows of every frame that stay in place for a second, as faces do; the first `wanted` by chance."""
    random = np.random.default_rng(0)
    found: list[Hashes] = []
    for boxes, image in _framed(videos, random, 42 if wanted < MANY else 90):
        found.append(hashes_of([image[y : y + side, x : x + side] for x, y, side in boxes]))
    every = np.concatenate(found)
    return random.permutation(every)[:wanted]


def _framed(videos: list[Path], random: np.random.Generator, each: int) -> Iterator[tuple[list[tuple[int, ...]], RGB]]:
    boxes: list[tuple[int, ...]] = []
    for video in videos:
        for number, frame in enumerate(decode(video)):
            height, width = frame.image.shape[:2]
            if number % HELD_FRAMES == 0:
                sides = random.integers(48, min(height, 240), each)
                boxes = [(int(random.integers(width - s)), int(random.integers(height - s)), int(s)) for s in sides]
            yield boxes, frame.image


def all_pairs(sets: dict[str, Hashes]) -> None:
    one = next(iter(sets.values()))[:50_000]
    list(pairs_within(one[:5000], 4)), list(pairs_within(one[:5000], 4, 10))  # compile
    print("\nall pairs within 4 bits (equal hashes count as one), CPU seconds:")
    for name, hashes in sets.items():
        for count in sorted({min(len(hashes), n) for n in (50_000, FEW, MANY)}):
            values = np.unique(hashes[:count])
            began = time.process_time()
            found = sum(len(left) for left, _ in pairs_within(values, 4))
            spent = time.process_time() - began
            asked = {FEW: " (2 asked for)", MANY: " (20 asked for)"}.get(count, "")
            tables = len(planned(values, 4, len(values)).tables)
            print(
                f"  {count:>9,} {name}: {len(values):,} different, {found:,} pairs, {tables} tables: {spent:.2f} s{asked}"
            )
            if count == 50_000 and len(values) > 1:
                began = time.process_time()
                exact = brute(values, 4)
                print(
                    f"  {'':>9} comparing all: {time.process_time() - began:.2f} s, {'the same pairs' if exact == found_set(values, 4) else 'OTHER PAIRS'}"
                )


def brute(values: Hashes, distance: int) -> set[tuple[int, int]]:
    room = 8_000_000
    left, right = np.empty(room, np.int32), np.empty(room, np.int32)
    pairs: set[tuple[int, int]] = set()
    begin = 0
    while begin < len(values):
        begin, found = compare_all(values, len(values), distance, begin, left, right)
        pairs.update(zip(left[:found].tolist(), right[:found].tolist(), strict=True))
    return pairs


def found_set(values: Hashes, distance: int) -> set[tuple[int, int]]:
    return {
        pair
        for left, right in pairs_within(values, distance)
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    }


def new_ones(hashes: Hashes) -> None:
    mixed = np.concatenate([hashes[:NEW] ^ np.uint64(1), hashes])
    began = time.process_time()
    found = sum(len(left) for left, _ in pairs_within(mixed, 4, NEW))
    print(
        f"\nadding {NEW:,} hashes to {len(hashes):,}: {found:,} pairs, {time.process_time() - began:.2f} CPU s (1 asked for)"
    )
    random = np.random.default_rng(0)
    looks = random.integers(0, 256, (len(mixed), LOOK_SIZE), dtype=np.uint8)
    looks[:NEW] = looks[NEW : 2 * NEW]
    ids = [f"c{n}" for n in range(len(mixed))]
    known, options = Likeness(), DedupeOptions(distance=4)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "likeness.npz"
        seconds = []
        for step in (
            lambda: known.add(ids[NEW:], mixed[NEW:], looks[NEW:], options),
            lambda: known.save(path, "k"),
            lambda: Likeness.load(path, "k"),
            lambda: known.add(ids[:NEW], mixed[:NEW], looks[:NEW], options),
        ):
            began = time.process_time()
            step()
            seconds.append(time.process_time() - began)
    print(
        "  with looks, joined to components: all at once {:.2f}, written {:.2f}, read {:.2f}, added {:.2f} CPU s".format(
            *seconds
        )
    )


def packing() -> None:
    """A season: shots of one to thirty crops, most with one character, classes unevenly spread."""
    random = np.random.default_rng(0)
    candidates = []
    for shot in range(2000):
        who, odds = f"c{int(random.zipf(1.6)) % 8}", random.dirichlet(np.full(7, 0.4))
        for _ in range(int(random.integers(1, 30))):
            label = f"emotion {int(random.choice(7, p=odds))}"
            candidates.append(
                Candidate(
                    id=f"crop {len(candidates)}", label=label, character=who, episode=f"e{shot // 100}",
                    shot=f"shot {shot}", track=f"track {shot} {who}", seconds=Fraction(shot % 100),
                )
            )  # fmt: skip
    share_out(candidates[:50], [], SplitOptions())  # compile
    began = time.process_time()
    balance = share_out(candidates, [], SplitOptions()).balance
    spent = time.process_time() - began
    print(
        f"\nsplits: {len(candidates):,} crops in {balance['components']} shots, 7 classes x 8 characters, {spent:.1f} CPU s:"
    )
    print(
        f"  {balance['misplaced']:.2%} of the crops would have to move for an exact share of everything; got {balance['got']}"
    )


if __name__ == "__main__":
    main()
