"""Who is the happiest, as a picture: shares of screen time with their intervals, one SVG that needs nothing else."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from pipeline.timeline.drawing import PALETTE

ROW, BAR, LEFT, WIDTH, TOP = 22, 14, 210, 760, 74
CHARACTERS_SHOWN = 20


def shares_svg(shares: dict[str, Any], emotions: Sequence[str], title: str) -> str:
    """The plot of what `dataclasses.asdict(Shares)` (or timeline.json's `shares`) holds; every text is escaped."""
    characters = shares["characters"][:CHARACTERS_SHOWN]
    height = TOP + sum(ROW * len(one["shares"]) + 34 for one in characters) + 30
    parts = [_text(14, 26, f"Who is the most {shares['asked']}? {title}", 17, bold=True)]
    who = shares["answer"] or "somebody" if characters else "nobody"
    sure = f"{who}, in {shares['sure']:.0%} of 1000 drawings of shots" if characters else "nobody was seen"
    parts.append(_text(14, 48, f"{sure}. Bars: share of screen time; lines: 95 % interval over shots.", 12))
    at = TOP
    for one in characters:
        seen = f"{one['seconds']:.1f} s in {one['shots']} shots, {one['unsure_seconds']:.1f} s unsure"
        parts.append(_text(14, at + 14, one["character"] or "somebody", 14, bold=True))
        parts.append(_text(LEFT, at + 14, seen, 12))
        at += 22
        for share in one["shares"]:
            parts.append(_bar(at, share, emotions, shares["asked"]))
            at += ROW
        at += 12
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'font-family="system-ui, sans-serif" fill="currentColor"><title>{2}</title>'
        '<rect width="{0}" height="{1}" fill="#ffffff"/><g color="#1b1b1b">'
    ).format(WIDTH, height, _printable(f"{title}: {sure}"))
    return str(head + Markup("").join(parts) + Markup("</g></svg>\n"))


def _bar(top: int, share: dict[str, Any], emotions: Sequence[str], asked: str) -> Markup:
    scale = WIDTH - LEFT - 70
    name = share["emotion"]
    red, green, blue = PALETTE[list(emotions).index(name) % len(PALETTE)]
    low, high = LEFT + scale * share["low"], LEFT + scale * share["high"]
    middle = top + BAR / 2
    return (
        _text(LEFT - 8, top + 12, name, 12, bold=name == asked, end=True)
        + Markup('<rect x="{}" y="{}" width="{:.1f}" height="{}" fill="rgb({},{},{})"/>').format(
            LEFT, top, max(0.5, scale * share["share"]), BAR, red, green, blue
        )
        + Markup('<path d="M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v8M{1:.1f} {3:.1f}v8" stroke="#1b1b1b" fill="none"/>').format(
            low, high, middle, middle - 4
        )
        + _text(WIDTH - 60, top + 12, f"{share['share']:.0%}", 12)
    )  # fmt: skip


def _text(x: float, y: float, text: str, size: int, *, bold: bool = False, end: bool = False) -> Markup:
    return Markup(
        '<text x="{}" y="{}" font-size="{}" font-weight="{}" text-anchor="{}" fill="#1b1b1b">{}</text>'
    ).format(x, y, size, "600" if bold else "400", "end" if end else "start", _printable(text))


def _printable(text: str) -> str:
    """Without control characters, which XML does not allow."""
    return "".join(c for c in text if c.isprintable())
