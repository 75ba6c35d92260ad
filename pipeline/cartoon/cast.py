"""Who plays: the drawn actors, what each of their emotions looks like, and where the face sits in the drawing.

Heads are DiceBear avatars of CC0 styles only: Open Peeps (Pablo Stanley), Lorelei (Lisa Wischofsky), Notionists (Zoish)
and Moods (DiceBear). Identity is the fixed parts (head, hair, skin); emotion is expression, brows, eyes and mouth, some
of them helped by a mark of our own (brows, a tear, sweat, a round mouth). The variants were picked by eye.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType

EMOTIONS = ("afraid", "angry", "happy", "neutral", "sad", "surprised")
"""the classes, the same for every actor"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One way of drawing an emotion."""

    parts: tuple[tuple[str, str], ...]
    """(component of the style, its variant)"""
    marks: tuple[str, ...] = ()
    """drawn over it: names of `marks.MARKS`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """Where things are in an actor's drawing, in units of the style's canvas; verified on overlays."""

    face: tuple[float, float, float, float]
    """center x, center y, half width, half height of the ellipse hair line to chin, ear to ear"""
    head: tuple[float, float, float, float]
    """left, top, right, bottom of what is cut out of the canvas: hair to neck"""
    eyes: tuple[float, float, float, float]
    """x, y of the left eye, x, y of the right one, as seen in the picture"""
    mouth: tuple[float, float]
    """its center"""
    brow: float
    """how far brows sit over the eyes"""
    neck: tuple[float, float, float]
    """below this y only what is between these two x stays; the body hides the rest"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Actor:
    """Somebody who can be put into a shot."""

    name: str
    """unique"""
    character: str
    """the name in the truth; `other` for bystanders"""
    style: str
    """DiceBear style"""
    fixed: Mapping[str, str]
    """what never changes: component or color -> variant or color"""
    looks: Mapping[str, tuple[Look, ...]] = field(repr=False)
    """emotion -> ways of drawing it"""
    anatomy: Anatomy
    """of the drawing"""
    features: tuple[str, ...]
    """the components that make the face; a head without them is blank"""
    exaggeration: float = 1.0
    """how much larger the features are than the style draws them"""
    ink_width: float = 0.0
    """stroke added to every inked line, in canvas units"""
    skin: str = "#ffffff"
    """of the face"""
    hair: str = "#000000"
    """what a head seen from behind is filled with"""
    shirt: str = "#4a7fb5"
    """of the body"""
    build: str = "person"
    """`person` or `blob`"""


def _looks(marks: tuple[str, ...] = (), **parts: str) -> tuple[Look, ...]:
    """Every combination of the variants named (`eyes="happy closed"`), as looks."""
    names = tuple(parts)
    choices = product(*(parts[name].split() for name in names))
    return tuple(Look(parts=tuple(zip(names, choice, strict=True)), marks=marks) for choice in choices)


def _numbered(marks: tuple[str, ...] = (), **parts: str) -> tuple[Look, ...]:
    """As `_looks` for styles that number their variants: `4` stands for `variant04`."""
    named = {
        name: " ".join(f"variant{int(v):02d}" if v.isdigit() else v for v in values.split())
        for name, values in parts.items()
    }
    return _looks(marks, **named)


_PEEP = {
    "angry": _looks(expression="angryWithFang veryAngry rage"),
    "happy": _looks(expression="smile smileBig smileLOL lovingGrin1"),
    "sad": _looks(expression="solemn tired") + _looks(("tear",), expression="solemn tired"),
    "surprised": _looks(("round_mouth",), expression="awe hectic explaining"),
    "afraid": _looks(expression="fear hectic concernedFear") + _looks(("sweat",), expression="fear concerned"),
    "neutral": _looks(expression="serious eyesClosed blank"),
}

_LORELEI = {
    "angry": _numbered(eyebrows="13 4", eyes="8 4", mouth="sad05 sad06"),
    "happy": _numbered(eyebrows="5 9", eyes="19 24", mouth="happy05 happy07 happy16"),
    "sad": _numbered(eyebrows="1", eyes="19 3", mouth="sad04 sad05")
    + _numbered(("tear",), eyebrows="1", eyes="19 10", mouth="sad04"),
    "surprised": _numbered(eyebrows="5 7", eyes="9 16", mouth="sad01")
    + _numbered(("round_mouth",), eyebrows="5 9", eyes="9 13", mouth="happy13"),
    "afraid": _numbered(eyebrows="1", eyes="5 9", mouth="sad06 sad07")
    + _numbered(("sweat",), eyebrows="1", eyes="5 13", mouth="sad07"),
    "neutral": _numbered(eyebrows="2 7", eyes="4 14", mouth="happy14 sad09"),
}

_NOTIONIST = {
    "angry": _numbered(eyebrows="2 9", eyes="1 5", mouth="11 18 26"),
    "happy": _numbered(eyebrows="1 12", eyes="5 3", mouth="3 14 25"),
    "sad": _numbered(eyebrows="13 6", eyes="1 3", mouth="18 19")
    + _numbered(("tear",), eyebrows="13", eyes="5", mouth="18"),
    "surprised": _numbered(eyebrows="1 11", eyes="5 4", mouth="15 29"),
    "afraid": _numbered(("sweat",), eyebrows="13 6", eyes="5 4", mouth="7 26"),
    "neutral": _numbered(eyebrows="4 5", eyes="5 1", mouth="4 21"),
}

_MOOD = {
    "angry": _looks(eyes="angry", mouth="frown line teeth wavy"),
    "happy": _looks(eyes="happy sparkle pupils", mouth="bigSmile laugh wide"),
    "sad": _looks(("sad_brows",), eyes="lookDown closed", mouth="frown")
    + _looks(("sad_brows", "tear"), eyes="pupils", mouth="frown wavy"),
    "surprised": _looks(("raised_brows",), eyes="bigPupils small lookUp", mouth="open gasp"),
    "afraid": _looks(("sad_brows",), eyes="small uneven", mouth="wavy grin")
    + _looks(("sad_brows", "sweat"), eyes="tallPupils", mouth="wavy teeth"),
    "neutral": _looks(eyes="pupils lookSide calm", mouth="line"),
}

_PEEP_FIXED = {"accessories": "", "mask": "", "facialHair": ""}

OTTO = Actor(
    name="otto",
    character="otto",
    style="open-peeps",
    fixed=MappingProxyType({**_PEEP_FIXED, "head": "pomp", "skinColor": "#d08b5b"}),
    looks=MappingProxyType(_PEEP),
    anatomy=Anatomy(
        face=(422, 392, 148, 174),
        head=(150, 40, 704, 640),
        eyes=(405, 360, 515, 355),
        mouth=(468, 492),
        brow=45,
        neck=(575, 255, 480),
    ),
    features=("expression",),
    ink_width=3,
    skin="#d08b5b",
    hair="#1d1a1c",
    shirt="#3d8f6f",
)

MARA = Actor(
    name="mara",
    character="mara",
    style="lorelei",
    fixed=MappingProxyType(
        {
            "beard": "",
            "earrings": "",
            "freckles": "",
            "glasses": "",
            "hairAccessories": "",
            "head": "variant01",
            "nose": "variant01",
            "hair": "variant32",
            "skinColor": "#fbe0cf",
            "hairColor": "#b0452c",
        }
    ),
    looks=MappingProxyType(_LORELEI),
    anatomy=Anatomy(
        face=(512, 497, 222, 275),
        head=(80, 60, 900, 900),
        eyes=(440, 445, 680, 445),
        mouth=(580, 640),
        brow=90,
        neck=(790, 340, 640),
    ),
    features=("eyebrows", "eyes", "nose", "mouth"),
    exaggeration=1.2,
    ink_width=4,
    skin="#fbe0cf",
    hair="#b0452c",
    shirt="#7a4f9a",
)

PIM = Actor(
    name="pim",
    character="pim",
    style="moods",
    fixed=MappingProxyType({"face": "pebble", "cheeks": "blush", "animation": "none", "faceColor": "#6ee7b9"}),
    looks=MappingProxyType(_MOOD),
    anatomy=Anatomy(
        face=(50, 51, 37, 39), head=(4, -12, 96, 96), eyes=(35, 44, 65, 44), mouth=(50, 66), brow=13, neck=(100, 0, 100)
    ),
    features=("eyes", "mouth", "cheeks"),
    skin="#6ee7b9",
    hair="#57b894",
    shirt="#e2a13c",
    build="blob",
)

GRANNY = Actor(
    name="granny",
    character="other",
    style="open-peeps",
    fixed=MappingProxyType({**_PEEP_FIXED, "head": "grayBun", "skinColor": "#ffdbb4", "headContrastColor": "#c9c6cc"}),
    looks=MappingProxyType(_PEEP),
    anatomy=Anatomy(
        face=(438, 405, 138, 170),
        head=(120, 20, 640, 640),
        eyes=(405, 360, 515, 355),
        mouth=(468, 492),
        brow=45,
        neck=(585, 320, 490),
    ),
    features=("expression",),
    ink_width=0,
    skin="#ffdbb4",
    hair="#c9c6cc",
    shirt="#a8505f",
)

GUARD = Actor(
    name="guard",
    character="other",
    style="notionists",
    fixed=MappingProxyType(
        {
            "beard": "",
            "gesture": "",
            "glasses": "",
            "clothesGraphic": "",
            "clothes": "variant01",
            "hair": "hat",
            "nose": "variant03",
        }
    ),
    looks=MappingProxyType(_NOTIONIST),
    anatomy=Anatomy(
        face=(882, 802, 225, 252),
        head=(450, 300, 1300, 1250),
        eyes=(815, 770, 1060, 775),
        mouth=(930, 955),
        brow=80,
        neck=(1062, 690, 965),
    ),
    features=("eyebrows", "eyes", "nose", "mouth"),
    exaggeration=1.25,
    ink_width=2.5,
    skin="#ffffff",
    hair="#2c2c33",
    shirt="#34507e",
)

CAST = (OTTO, MARA, PIM, GRANNY, GUARD)
"""the actors, the named ones first"""
CHARACTERS = ("mara", "other", "otto", "pim")
"""the names the truth uses"""
ACTORS = MappingProxyType({actor.name: actor for actor in CAST})
"""by name"""
