"""What a person reads first: the card of a dataset version, and a sheet of samples."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.core.images import RGB, decode_rgb, encode_png
from pipeline.core.manifest import SPLITS, Example, Manifest

SIDE = 72
"""pixels of a sample"""
PER_CLASS = 10
"""samples of a class"""
NAME_WIDTH = 110
"""pixels for a class's name"""
SHEET_CLASSES = 40
"""classes on the sheet; more would make it too long to look at"""


def card(manifest: Manifest, leaks: dict[str, Any], left_out: dict[str, int]) -> str:
    """README.md of a version."""
    examples = sum(n for by in manifest.counts.values() for n in by.values())
    parts = [
        f"# {manifest.name}, version {manifest.version}",
        f"{examples} drawn faces with their emotion; {_origin(manifest)} (toonsift {manifest.code_version}).",
        "![samples of every class](samples.png)",
        _counts(manifest),
        "\n".join(
            [
                f"* Digest: `{manifest.digest}`; parent: `{manifest.parent or 'none'}`",
                f"* Left out: {reasons(left_out)}",
                *_single(manifest),
                f"* Agreement: {_agreement(manifest.agreement)}",
            ]
        ),
        "## Splits\n\n" + _splits(manifest, leaks),
        "## Where each picture comes from\n\nEvery row of examples.parquet names the picture's episode (SHA-256), time "
        "(`pts` x `time_base`), box, shot and track, or the file or row that it was imported from; "
        "`toonsift trace ID` says the rest.",
        "The pictures belong to whoever owns the episodes; look at their terms before you pass this folder on. "
        "`toonsift export --format recipe` writes the same version without a single pixel.",
    ]
    return "\n\n".join(parts) + "\n"


def reasons(left_out: dict[str, int]) -> str:
    """`3 conflict, 1 unsure`, or `none`."""
    return ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items()) if n) or "none"


def sample_sheet(
    examples: Sequence[Example], classes: Sequence[str], read_picture: Callable[[Example], bytes]
) -> bytes:
    """A PNG with a row of pictures for each class, chosen by a hash, so the same rows give the same sheet."""
    from PIL import Image, ImageDraw

    rows: dict[str, list[Example]] = {name: [] for name in classes[:SHEET_CLASSES]}
    for example in sorted(examples, key=lambda e: (zlib.crc32(e.id.encode()), e.id)):
        row = rows.get(example.label)
        if row is not None and len(row) < PER_CLASS:
            row.append(example)
    sheet = Image.new("RGB", (NAME_WIDTH + PER_CLASS * SIDE, max(1, len(rows)) * SIDE), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, chosen) in enumerate(rows.items()):
        pen.text((6, number * SIDE + SIDE // 2 - 6), _printable(name), fill="black")
        for column, example in enumerate(chosen):
            picture = _fitted(decode_rgb(read_picture(example), example.file))
            sheet.paste(Image.fromarray(picture), (NAME_WIDTH + column * SIDE, number * SIDE))
    return encode_png(np.asarray(sheet, dtype=np.uint8))


def _printable(name: str) -> str:
    """The built-in font has Latin letters alone."""
    return name.encode("latin-1", "replace").decode("latin-1")[:16]


def _fitted(image_HW3: RGB) -> RGB:
    """The picture in a square of SIDE pixels, its shape kept, white beside it."""
    from PIL import Image

    picture = Image.fromarray(image_HW3)
    scale = (SIDE - 2) / max(picture.size)
    picture = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BILINEAR
    )
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return np.asarray(square, dtype=np.uint8)


def _origin(manifest: Manifest) -> str:
    if "import" in manifest.options:
        return f"imported from {manifest.options['import'].get('kind', 'elsewhere')}"
    return "cut from episodes"


def _counts(manifest: Manifest) -> str:
    counts = manifest.counts
    lines = [f"| class | {' | '.join(SPLITS)} |", f"| --- | {' | '.join('---:' for _ in SPLITS)} |"]
    lines += [f"| {name} | {' | '.join(str(counts[s][name]) for s in SPLITS)} |" for name in manifest.classes]
    lines.append(f"| all | {' | '.join(str(sum(counts[s].values())) for s in SPLITS)} |")
    return "\n".join(lines)


def single_classes(manifest: Manifest) -> list[str]:
    """Classes with one example: it can be in one split only, so the class is learned or scored, never both."""
    return [name for name in manifest.classes if sum(manifest.counts[split][name] for split in SPLITS) == 1]


def _single(manifest: Manifest) -> list[str]:
    found = single_classes(manifest)
    return [f"* One example alone: {', '.join(found)}"] if found else []


def _agreement(found: dict[str, Any]) -> str:
    if not found.get("answers"):
        return "not known"
    several, alpha = found["answered_twice_or_more"], found["alpha"]
    text = f"{found['answers']} answers of {found['annotators']} annotators"
    if not several:
        return f"{text}; nothing was answered twice, so agreement was not measured"
    measured = "not defined (one class alone)" if alpha is None else f"{alpha:.3f}"
    return (
        f"{text}; {several} pictures answered twice or more, {found['unanimous']} of them unanimously; alpha {measured}"
    )


def _splits(manifest: Manifest, leaks: dict[str, Any]) -> str:
    unit = (manifest.options.get("split") or {}).get("unit")
    text = (
        f"Splits never part a {unit}, a track, or a group of near-duplicates."
        if unit and not leaks.get("leaks")
        else f"The splits were taken over as they came; {leaks.get('leaks', 0)} leaks were counted."
    )
    rows = "\n".join(f"| {key.replace('_', ' ')} | {_said(value)} |" for key, value in leaks.items())
    return f"{text} Counted on the finished rows (leaks.json):\n\n| certificate | |\n| --- | --- |\n{rows}"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_said(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"{len(value)}"
    return "none" if value is None else str(value)
