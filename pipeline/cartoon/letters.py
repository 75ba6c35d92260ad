"""Letters as strokes, so that words in a picture need no font."""

from types import MappingProxyType

_STROKES = {
    "A": "06 20 46|14 34", "B": "00 06|00 30 41 32 03|32 43 45 36 06", "C": "41 30 10 01 05 16 36 45",
    "D": "00 06 26 44 42 20 00", "E": "40 00 06 46|03 33", "F": "40 00 06|03 33", "G": "41 30 10 01 05 16 36 45 43 23",
    "H": "00 06|40 46|03 43", "I": "20 26", "J": "40 45 36 16 05", "K": "00 06|40 03 46", "L": "00 06 46",
    "M": "06 00 23 40 46", "N": "06 00 46 40", "O": "10 30 41 45 36 16 05 01 10", "P": "06 00 30 41 42 33 03",
    "R": "06 00 30 41 42 33 03|23 46", "S": "41 30 10 01 02 13 33 44 45 36 16 05", "T": "00 40|20 26",
    "U": "00 05 16 36 45 40", "V": "00 26 40", "W": "00 16 22 36 40", "X": "00 46|40 06", "Y": "00 23 40|23 26",
    "Z": "00 40 06 46", "!": "20 24|26 26", " ": "",
}  # fmt: skip
STROKES = MappingProxyType(_STROKES)
"""letter -> strokes of grid points `xy`, x 0 to 4, y 0 (top) to 6"""

WORDS = ("OPEN", "SALE", "TOYS", "MILK", "ZOO", "EXIT", "CAFE", "MAPS", "BOO!", "HATS", "TAXI", "NEWS", "FISH", "SOUP")


def word_svg(word: str, x: float, y: float, height: float, color: str, weight: float = 0.16) -> str:
    """SVG of `word` centered at (x, y), `height` high; `weight` is the stroke's share of the height."""
    grid = height / 6
    left = x - (len(word) * 5.6 - 1.6) * grid / 2
    paths = []
    for place, letter in enumerate(word):
        for stroke in filter(None, STROKES[letter].split("|")):
            points = [
                f"{left + (place * 5.6 + int(p[0])) * grid:.1f} {y + (int(p[1]) - 3) * grid:.1f}"
                for p in stroke.split()
            ]
            paths.append("M" + "L".join(points))
    return (
        f'<path d="{"".join(paths)}" fill="none" stroke="{color}" stroke-width="{height * weight:.1f}" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )
