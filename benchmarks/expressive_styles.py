"""What drawn expressions are made of: per style of DiceBear, which parts show which emotion.

Read off contact sheets by eye. The styles of the drawn series (pipeline/cartoon: open-peeps, lorelei, notionists, moods) are
left out: that is another benchmark's. Only styles under CC0 or CC BY
4.0 are used: Adventurer (Lisa Wischofsky), Big Ears (The Visual Team), Big Smile (Ashley Seo), Croodles (vijay verma),
Dylan (Natalia Spivak), Fun Emoji (Davis Uche), Micah (Micah Lanier), Personas (Draftbit), Toon Head (Johan Melin);
Clay, Critters, Line Face, Marbles, Sprouts, Voxel Art (DiceBear).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

EMOTIONS = ("afraid", "angry", "happy", "neutral", "sad", "surprised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expressive:
    """A style whose parts are known to show emotions."""

    style: str
    """file in the package dicebear_styles"""
    parts: tuple[str, ...]
    """its components, in the order of the looks' columns"""
    looks: Mapping[str, tuple[str, ...]]
    """emotion -> combinations: per part the variants that may stand there, separated by spaces, parts by `|`"""
    face: tuple[float, float, float, float]
    """left, top, right, bottom of the face in shares of the canvas"""
    bare: tuple[str, ...] = ()
    """components that are left away, since they hide the face"""


def _style(
    style: str,
    parts: str,
    face: tuple[float, float, float, float],
    bare: str = "",
    **looks: tuple[str, ...],
) -> Expressive:
    return Expressive(
        style=style,
        parts=tuple(parts.split()),
        looks=MappingProxyType(looks),
        face=face,
        bare=tuple(bare.split()),
    )


STYLES = (
    _style(
        "adventurer",
        "eyebrows eyes mouth",
        (0.16, 0.22, 0.86, 0.94),
        "glasses earrings",
        happy=("09 10 11 12 13|01 02 03 19 23 25 26|01 02 05 22 23 25 26 27 28 30",),
        angry=("01 02 04|05 10 11 12 13 14 17|04 10 11 14 15 18",),
        sad=("05 06 07 15|15 16 18 20 24|04 06 10 14 18 19", "05 06|19 20|04 10 14"),
        surprised=("08 09 10 11 12|01 02 03 08 25 26|03 07 15 18",),
        afraid=("05 06 07 15|08 06 07 15|11 14 15 03",),
        neutral=("03 13 10|04 17 18 25|09 06 08",),
    ),
    _style(
        "big-ears",
        "eyes mouth",
        (0.14, 0.2, 0.86, 1.0),
        happy=("05 11 12 19 20 26 31 32|0201 0203 0301 0303 0304 0701 0702 0703",),
        angry=("01 25 18|0401 0402 0501 0502 0604 0704 0705",),
        sad=("02 03 06 07 31|0402 0404 0502 0504 0704 0705",),
        surprised=("14 15 20 21 22 24 26|0101 0102 0103 0105",),
        afraid=("14 15 24 26|0501 0502 0601 0602 0604",),
        neutral=("05 07 23 28 30 08|0706 0707 0708 0701",),
    ),
    _style(
        "big-smile",
        "eyes mouth",
        (0.08, 0.1, 0.95, 0.95),
        "accessories",
        happy=("cheery normal starstruck winking|awkwardSmile braces gapSmile kawaii openedSmile teethSmile",),
        angry=("angry|unimpressed openSad",),
        sad=("sad|openSad unimpressed",),
        neutral=("normal sleepy|unimpressed",),
    ),
    _style(
        "clay",
        "eyes mouth",
        (0.08, 0.25, 0.92, 0.98),
        happy=("googly even dots happy wink big|smile laugh smileBig smileTongue toothy open",),
        sad=("down dots googly even|frown pout",),
        surprised=("big googly pinprick|o openSmall dot",),
        afraid=("pinprick tiny|wavy zigzag teeth",),
        neutral=("even googly side|line",),
    ),
    _style(
        "critters",
        "eyes mouth",
        (0.05, 0.2, 0.95, 1.0),
        happy=("round dots bigPupils happy wink|smile grin laugh teeth tooth",),
        angry=("angry|frown sad zigzag teeth line",),
        sad=("round close bigPupils dots|frown sad",),
        surprised=("wide round bigPupils|ooh open",),
        afraid=("wide uneven|wavy zigzag",),
        neutral=("round dots sideeye sleepy|line dot",),
    ),
    _style(
        "croodles",
        "eyes mouth",
        (0.22, 0.25, 0.8, 0.98),
        "beard mustache",
        happy=("01 02 03 11 16|03 05 07 10 11 12 16 17",),
        angry=("04 05 06|18 12 14 01",),
        sad=("08 03|18 14 15",),
        neutral=("01 02 04 16|01 06 02",),
    ),
    _style(
        "dylan",
        "mood",
        (0.15, 0.12, 0.85, 0.95),
        "facialHair",
        happy=("happy superHappy hopeful",),
        angry=("angry",),
        sad=("sad",),
        neutral=("neutral",),
    ),
    _style(
        "fun-emoji",
        "eyes mouth",
        (0.0, 0.05, 1.0, 0.95),
        happy=(
            "cute plain closed closed2 stars wink wink2 love|cute lilSmile smileLol smileTeeth wideSmile tongueOut",
        ),
        angry=("pissed|pissed sad plain shout",),
        sad=("sad tearDrop crying|sad pissed shout plain", "closed plain sleepClose|sad"),
        surprised=("plain cute|shout",),
        neutral=("plain|plain",),
    ),
    _style(
        "line-face",
        "eyes mouth",
        (0.1, 0.1, 0.9, 0.9),
        happy=("closed happy dots wink|smile soft pleased",),
        sad=("closed dots|frown",),
        neutral=("dots sleepy|line",),
    ),
    _style(
        "marbles",
        "eyes mouth",
        (0.1, 0.1, 0.9, 0.95),
        happy=("dots wide happy wink closed|smile grin tongue cat",),
        sad=("dots closed oval|pout",),
        surprised=("wide oval dots|open",),
        afraid=("wide uneven|wavy jagged",),
        neutral=("dots sleepy oval|line",),
    ),
    _style(
        "micah",
        "eyebrows eyes mouth",
        (0.22, 0.15, 0.85, 0.9),
        "facialHair glasses",
        happy=("up|smiling smilingShadow eyes|laughing smile smirk",),
        angry=("down|eyes round eyesShadow|frown sad",),
        sad=("up|eyes eyesShadow|sad frown",),
        surprised=("up|round eyes|surprised",),
        afraid=("up|round|nervous",),
        neutral=("up|eyes eyesShadow|pucker",),
    ),
    _style(
        "personas",
        "eyes mouth",
        (0.2, 0.2, 0.8, 0.9),
        "facialHair",
        happy=("happy open wink|bigSmile smile",),
        sad=("open sleep|frown",),
        surprised=("open|surprise",),
        neutral=("open|lips",),
    ),
    _style(
        "sprouts",
        "eyes mouth",
        (0.1, 0.45, 0.9, 1.0),
        happy=("round dots bigPupils happy wink|smile grin tooth tongue",),
        angry=("angry|frown line wavy",),
        sad=("round close bigPupils dots|frown",),
        surprised=("wide round|ooh open",),
        afraid=("wide|wavy",),
        neutral=("round dots sideeye sleepy|line",),
    ),
    _style(
        "toon-head",
        "eyebrows eyes mouth",
        (0.2, 0.12, 0.8, 0.82),
        "beard",
        happy=("happy neutral raised|happy wide bow wink|smile laugh",),
        angry=("angry|humble wide|angry sad",),
        sad=("sad|humble bow|sad",),
        surprised=("raised neutral|wide|agape",),
        afraid=("sad|wide|agape angry",),
    ),
    _style(
        "voxel-art",
        "eyebrows eyes mouth",
        (0.15, 0.12, 0.85, 0.72),
        "beard glasses",
        happy=("flat raised soft|open happy soft star wide|smile bigSmile grin laugh wideSmile tongue",),
        angry=("angry|open side wide|flat frown",),
        sad=("soft|soft sleepy closed|frown",),
        surprised=("raised|wide open|ooh",),
        neutral=("flat soft|open side soft|flat",),
    ),
)
