"""What happens in shots: close-ups, talks, walks, crowds, hide-and-seek, empty places."""

from collections.abc import Callable

from pipeline.cartoon.casting import Take, some_actors
from pipeline.cartoon.plan import Layer


def closeup(take: Take) -> list[Layer]:
    """One face, large, sometimes partly out of the picture."""
    rng = take.rng
    size = rng.uniform(0.36, 0.78)
    reach = take.aspect / 2 - size * 0.3 if rng.random() < 0.25 else take.aspect / 2 - size * 0.75
    x, y = rng.uniform(-reach, reach), rng.uniform(-0.12, 0.12)
    names = some_actors(rng, 1)
    layers: list[Layer] = (
        [take.faceless(rng.uniform(0.12, 0.2), -x, rng.uniform(-0.1, 0.1), names)] if rng.random() < 0.3 else []
    )
    layers.append(take.actor(names[0], size, (0, x, y)))
    if rng.random() < 0.2:
        layers.append(take.drift(rng.choice(("balloon", "ball")), rng.uniform(0.2, 0.35), rng.uniform(0.0, 0.35), 2))
    return layers


def talk(take: Take) -> list[Layer]:
    """Two or three who stand together; perhaps something in front of them."""
    rng = take.rng
    names = some_actors(rng, rng.choice((2, 2, 3)))
    layers: list[Layer] = []
    if rng.random() < 0.3:
        layers.append(take.faceless(rng.uniform(0.12, 0.18), rng.uniform(-0.7, 0.7), -0.1, names))
    for number, name in enumerate(names):
        size = rng.uniform(0.18, 0.36)
        x = take.aspect * ((number + 0.5) / len(names) - 0.5) * rng.uniform(0.55, 0.85) + rng.uniform(-0.05, 0.05)
        layers.append(take.actor(name, size, (0, x, rng.uniform(-0.15, 0.1))))
    if rng.random() < 0.4:
        kind, y = rng.choice((("table", 0.42), ("bush", 0.38), ("fence", 0.36), ("balloon", 0.1), ("sign", 0.2)))
        layers.append(take.thing(kind, rng.uniform(0.3, 0.5), (0, rng.uniform(-0.4, 0.4), y)))
    return layers


def crowd(take: Take) -> list[Layer]:
    """Three to five small ones who overlap, and heads without faces among them."""
    rng = take.rng
    layers: list[Layer] = []
    size = rng.uniform(0.125, 0.19)
    x = -rng.uniform(0.28, 0.4) * take.aspect
    names = some_actors(rng, rng.choice((3, 4, 4, 5)))
    for name in names:
        here = size * rng.uniform(0.92, 1.2)
        layers.append(take.actor(name, here, (0, x, rng.uniform(-0.12, 0.12))))
        x += here * rng.uniform(0.9, 2.0)
        if rng.random() < 0.35:
            layers.insert(rng.randrange(len(layers) + 1), take.faceless(here, x, rng.uniform(-0.1, 0.1), names))
            x += here * rng.uniform(0.8, 1.4)
    if rng.random() < 0.3:
        layers.append(take.drift(rng.choice(("ball", "wheel")), rng.uniform(0.15, 0.3), 0.3, 6))
    return layers


def walk(take: Take) -> list[Layer]:
    """One or two who enter and leave the picture."""
    rng = take.rng
    layers: list[Layer] = []
    for number, name in enumerate(some_actors(rng, rng.choice((1, 2)))):
        size = rng.uniform(0.15, 0.3)
        outside, inside = take.aspect / 2 + size * 0.75, rng.uniform(-0.3, 0.3) * take.aspect
        side, y = rng.choice((-1, 1)), rng.uniform(-0.15, 0.1)
        begin, arrive = round(take.frames * 0.1 * number), round(take.frames * rng.uniform(0.35, 0.55))
        leave = round(take.frames * rng.uniform(0.65, 0.8))
        path = [(begin, side * outside, y), (arrive, inside, y), (leave, inside, y)]
        if rng.random() < 0.6:
            path.append((take.frames, rng.choice((-1, 1)) * outside, y))
        layers.append(take.actor(name, size, *path))
    if rng.random() < 0.5:
        layers.append(
            take.thing(rng.choice(("pillar", "sign")), rng.uniform(0.9, 1.2), (0, rng.uniform(-0.5, 0.5), 0.1))
        )
    return layers


def hide(take: Take) -> list[Layer]:
    """They come up behind something and go down again."""
    rng = take.rng
    layers: list[Layer] = []
    names = some_actors(rng, rng.choice((1, 2, 2)))
    for number, name in enumerate(names):
        size = rng.uniform(0.18, 0.34)
        x = take.aspect * ((number + 0.5) / len(names) - 0.5) * 0.7
        low, high = 0.3 + size * 0.4, rng.uniform(-0.05, 0.18)
        up, down = round(take.frames * rng.uniform(0.15, 0.3)), round(take.frames * rng.uniform(0.7, 0.85))
        layers.append(take.actor(name, size, (0, x, low), (up, x, high), (down, x, high), (take.frames, x, low)))
    kind = rng.choice(("fence", "bush", "table", "fence"))
    height = rng.uniform(0.45, 0.6)
    width = {"fence": 4.0, "bush": 2.0, "table": 3.0}[kind] * height
    x = -take.aspect / 2
    while x < take.aspect / 2 + width / 2:
        layers.append(take.thing(kind, height, (0, x, 0.34)))
        x += width * 0.85
    return layers


def over_shoulder(take: Take) -> list[Layer]:
    """A face, and a large head from behind in front of it."""
    rng = take.rng
    side = rng.choice((-1, 1))
    size = rng.uniform(0.24, 0.4)
    name = some_actors(rng, 1)[0]
    layers: list[Layer] = [
        take.actor(name, size, (0, -side * rng.uniform(0.0, 0.3) * take.aspect, rng.uniform(-0.1, 0.05)))
    ]
    other = some_actors(rng, 1, [name])[0]
    x = side * rng.uniform(0.25, 0.4) * take.aspect
    behind = take.actor(other, rng.uniform(0.4, 0.55), (0, x, 0.15), view="behind")
    return [*layers, behind]


def empty(take: Take) -> list[Layer]:
    """No face at all: things, mannequins, backs of heads."""
    rng = take.rng
    layers: list[Layer] = [
        take.faceless(rng.uniform(0.13, 0.35), rng.uniform(-0.6, 0.6), rng.uniform(-0.1, 0.1))
        for _ in range(rng.randint(1, 3))
    ]
    layers.append(
        take.drift(rng.choice(("ball", "wheel", "balloon")), rng.uniform(0.2, 0.45), rng.uniform(-0.1, 0.3), 5)
    )
    return layers


SCENES: dict[str, tuple[Callable[[Take], list[Layer]], float]] = {
    "closeup": (closeup, 0.3),
    "talk": (talk, 0.24),
    "crowd": (crowd, 0.12),
    "walk": (walk, 0.12),
    "hide": (hide, 0.1),
    "over_shoulder": (over_shoulder, 0.08),
    "empty": (empty, 0.04),
}
"""name -> scene, how often"""
