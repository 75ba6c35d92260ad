"""The script of an episode: the opening, then shots until the time is up, some of them reusing earlier drawings."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from pipeline.cartoon.acting import Camera, Performance, Timing
from pipeline.cartoon.backdrops import PLACES
from pipeline.cartoon.casting import LARGEST, Moods, Take, some_camera, some_light, some_timing
from pipeline.cartoon.plan import Layer, ShotPlan
from pipeline.cartoon.scenes import SCENES
from pipeline.cartoon.truth import TransitionKind

REUSED = 0.15
"""share of the shots that show drawings of an earlier one again"""
FADES, DISSOLVES = 0.06, 0.1
"""share of the boundaries, beside the one of each that every episode has"""
STORY_SHOTS = 4
"""an episode has at least so many shots after its opening"""


def opening(seed: int, frames: int, fps: int, aspect: float) -> list[ShotPlan]:
    """The two shots that every episode of the series begins with: the title, and the trio."""
    rng = Random(f"{seed}/opening")
    first = frames // 2
    moods = Moods(rng)
    takes = [
        Take(rng=rng, moods=moods, frames=length, step=2, fps=fps, aspect=aspect) for length in (first, frames - first)
    ]
    names = ["otto", "mara", "pim"]
    rise = [round(first * 0.15 * (n + 1)) for n in range(3)]
    title = [
        takes[0].actor(name, 0.2, (rise[n], (n - 1) * 0.5, 0.8), (rise[n] + first // 4, (n - 1) * 0.5, 0.24))
        for n, name in enumerate(names)
    ]
    trio = [takes[1].actor(name, 0.3, (0, (n - 1) * 0.5, 0.0)) for n, name in enumerate(names)]
    scenes: list[tuple[str, str, int, list[Layer]]] = [
        ("title", "rays", first, [*map(_at_ease, title), takes[0].thing("title", 0.42, (0, 0.0, -0.24))]),
        ("trio", "street", frames - first, [*map(_at_ease, trio)]),
    ]
    shots = []
    for number, (kind, place, length, layers) in enumerate(scenes):
        shots.append(
            ShotPlan(
                id=f"/{number}", kind=kind, frames=length, place=place, place_seed=f"{seed}/opening{number}",
                light=some_light(rng), camera=Camera(), timing=Timing(step=2), hand=number, layers=tuple(layers), opening=True,
            )
        )  # fmt: skip
    return shots


def _at_ease(performance: Performance) -> Performance:
    """With arms down, so that nobody's face is covered."""
    return replace(performance, arms=(80, 80))


def _lengths(rng: Random, frames: int, fps: int) -> list[int]:
    """Shot lengths that add up to `frames`: 1.3 to 5 seconds, shorter ones where the episode is short."""
    longest = min(5 * fps, frames / STORY_SHOTS)
    shortest = min(1.3 * fps, longest / 1.5)
    lengths: list[int] = []
    while sum(lengths) < frames:
        lengths.append(round(rng.triangular(shortest, longest, 2.4 * fps if 2.4 * fps < longest else None)))
    lengths[-1] -= sum(lengths) - frames
    if lengths[-1] < shortest * 0.8:
        last = lengths.pop()
        lengths[-1] += last
    return lengths


def _fresh(rng: Random, moods: Moods, frames: int, fps: int, aspect: float) -> ShotPlan:
    """A new shot; its id comes later."""
    kind = rng.choices(list(SCENES), [share for _, share in SCENES.values()])[0]
    timing = some_timing(rng, frames)
    take = Take(rng=rng, moods=moods, frames=frames, step=timing.step, fps=fps, aspect=aspect)
    layers = SCENES[kind][0](take)
    largest = max((layer.size for layer in layers if isinstance(layer, Performance)), default=LARGEST)
    return ShotPlan(
        id="", kind=kind, frames=frames, place=rng.choice(list(PLACES)), place_seed=str(rng.randrange(10**9)),
        light=some_light(rng), camera=some_camera(rng, frames, aspect, largest), timing=timing,
        hand=rng.choices((0, 1, 2, 3), (4, 2, 2, 2))[0], layers=tuple(layers),
    )  # fmt: skip


def _again(rng: Random, earlier: ShotPlan, frames: int) -> ShotPlan:
    """An earlier shot's drawings at another place and light."""
    return replace(
        earlier, id="", frames=frames, place=rng.choice(list(PLACES)), place_seed=str(rng.randrange(10**9)),
        light=some_light(rng), transition="cut", reuses=earlier.id,
    )  # fmt: skip


def write_script(
    seed: int, name: str, frames: int, fps: int, aspect: float, earlier: Sequence[Sequence[ShotPlan]],
    repeats: bool = False,
) -> list[ShotPlan]:  # fmt: skip
    """The shots of the episode `name`; it depends on the seed, the name and the episodes before, nothing else."""
    if not repeats:
        return _write_plain(seed, name, frames, fps, aspect, earlier)
    before, after = recap(earlier[-1], name, fps) if earlier else [], ending(seed, name, frames, fps, aspect)
    left = frames - sum(shot.frames for shot in (*before, *after))
    plain = _write_plain(seed, name, left, fps, aspect, earlier)
    if earlier:
        rooms = [shot for shot in earlier[-1] if _worth_reusing(shot)][:2]
        own = [n for n, shot in enumerate(plain) if not shot.opening and not shot.reuses and shot.transition == "cut"]
        for n, room in zip(own[1:], rooms, strict=False):
            plain[n] = replace(
                plain[n], place=room.place, place_seed=room.place_seed, light=room.light, camera=room.camera
            )
        firsts = [shot for shot in earlier[0] if shot.opening]
        plain = [replace(s, repeats=f.id) for s, f in zip(plain, firsts, strict=False)] + plain[len(firsts) :]
        last = [shot for shot in earlier[0] if shot.kind == "ending"]
        after = [replace(shot, repeats=first.id) for shot, first in zip(after, last, strict=True)]
    return [*before, *plain, *after]


def recap(earlier: Sequence[ShotPlan], name: str, fps: int) -> list[ShotPlan]:
    """The beginnings of two shots of the episode before, as they were."""
    told = [shot for shot in earlier if _worth_reusing(shot)][-3:-1]
    return [
        replace(shot, id=f"{name}/r{n}", frames=min(shot.frames, 2 * fps), transition="cut", repeats=shot.id)
        for n, shot in enumerate(told)
    ]


def ending(seed: int, name: str, frames: int, fps: int, aspect: float) -> list[ShotPlan]:
    """The two shots that every episode of the series ends with."""
    rng = Random(f"{seed}/ending")
    moods = Moods(rng)
    length = min(2 * fps, frames // 10)
    shots = []
    for number, place in enumerate(("street", "rays")):
        take = Take(rng=rng, moods=moods, frames=length, step=2, fps=fps, aspect=aspect)
        layers = tuple(_at_ease(take.actor(who, 0.28, (0, x, 0.0))) for who, x in (("mara", -0.4), ("otto", 0.4)))
        shots.append(
            ShotPlan(
                id=f"{name}/e{number}", kind="ending", frames=length, place=place, place_seed=f"{seed}/ending{number}",
                light=some_light(rng), camera=Camera(), timing=Timing(step=2), hand=number, layers=layers,
            )
        )  # fmt: skip
    return shots


def _write_plain(
    seed: int, name: str, frames: int, fps: int, aspect: float, earlier: Sequence[Sequence[ShotPlan]]
) -> list[ShotPlan]:
    """The opening and the story."""
    rng = Random(f"{seed}/{name}")
    moods = Moods(rng)
    shots = opening(seed, min(4 * fps, frames // 5), fps, aspect)
    if earlier:
        shots = [replace(shot, reuses=first.id) for shot, first in zip(shots, earlier[0], strict=False)]
    lengths = _lengths(rng, frames - sum(shot.frames for shot in shots), fps)
    story = len(shots)
    for number, length in enumerate(lengths):
        again = {shot.reuses for shot in shots}
        before = [s for episode in (*earlier, shots) for s in episode if _worth_reusing(s) and s.id not in again]
        last_chance = number == len(lengths) - 1 and not any(shot.reuses for shot in shots[story:])
        if before and (last_chance or (number and rng.random() < REUSED)):
            shot = _again(rng, rng.choice(before), length)
        else:
            shot = _fresh(rng, moods, length, fps, aspect)
        shots.append(replace(shot, id=f"{name}/{len(shots)}"))
    transitions = _transitions(rng, len(lengths))
    return [
        replace(shot, id=f"{name}/{number}", transition="cut" if number < story else transitions[number - story])
        for number, shot in enumerate(shots)
    ]


def _worth_reusing(shot: ShotPlan) -> bool:
    return not shot.opening and not shot.reuses and not shot.repeats and shot.kind not in ("empty", "ending")


def _transitions(rng: Random, count: int) -> list[TransitionKind]:
    """How each shot of the story begins: at least one fade and one dissolve, but the first leaves the opening whole."""
    kinds: list[TransitionKind] = rng.choices(
        ("cut", "fade", "dissolve"), (1 - FADES - DISSOLVES, FADES, DISSOLVES), k=count
    )
    kinds[0] = "cut"
    if count >= 3:
        first, second = rng.sample(range(1, count), 2)
        kinds[first], kinds[second] = "fade", "dissolve"
    return kinds
