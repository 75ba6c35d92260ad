"""Croissant 1.0 (MLCommons): metadata.json, in JSON-LD, over the same Parquet files that Hugging Face reads.

It says what every column means and how to take the pictures out, so a reader needs nothing of ours.
"""

from pathlib import Path
from typing import Any

from pipeline.core.files import sha256_of, write_json
from pipeline.core.manifest import Dataset
from pipeline.datasets.formats import parquet
from pipeline.datasets.versions import Tick

METADATA = "metadata.json"
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases", "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation", "recordSet": "cr:recordSet",
    "rai": "http://mlcommons.org/croissant/RAI/", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
"""the vocabulary of the format's specification"""
FIELDS = {
    "id": ("sc:Text", "The example's name, the same in every version and format."),
    "label": ("sc:Integer", "The class, as the place of its name in the record set of classes."),
    "split": ("sc:Text", "train, val or test; nothing alike lies in two of them."),
    "character": ("sc:Text", "Whose face it is; empty when unknown."),
    "annotators": ("sc:Integer", "How many people answered."),
    "episode": ("sc:Text", "The video file, as `e` and 12 digits of its SHA-256; empty when it is from none."),
    "pts": ("sc:Integer", "Presentation time of the frame, in ticks."),
    "time_base_num": ("sc:Integer", "Seconds per tick, the numerator."),
    "time_base_den": ("sc:Integer", "Seconds per tick, the denominator."),
    "shot": ("sc:Text", "The shot."),
    "track": ("sc:Text", "The face followed through the shot."),
    "left": ("sc:Integer", "First column of the box in the frame, pixels."),
    "top": ("sc:Integer", "First row of the box."),
    "right": ("sc:Integer", "First column right of the box."),
    "bottom": ("sc:Integer", "First row below the box."),
    "phash": ("sc:Text", "64-bit perceptual hash of the picture, hexadecimal."),
    "sha256": ("sc:Text", "Of the picture's file."),
}


def write(dataset: Dataset, folder: Path, tick: Tick) -> None:
    """Writes what `parquet` writes, and metadata.json."""
    parquet.write(dataset, folder, tick)
    files = [_file(folder, path) for path in sorted((folder / "data").glob("*.parquet"))]
    manifest = dataset.manifest
    write_json(
        folder / METADATA,
        {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": manifest.name,
            "description": f"{len(dataset.examples)} drawn faces with their emotion: {', '.join(manifest.classes)}. "
            f"Digest {manifest.digest}.",
            "version": f"{manifest.version}.0.0",
            "datePublished": manifest.created,
            "distribution": [*files, _file_set()],
            "recordSet": [_classes(manifest.classes), _examples()],
        },
    )


def _file(folder: Path, path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.stem,
        "name": path.stem,
        "contentUrl": path.relative_to(folder).as_posix(),
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": sha256_of(path),
    }


def _file_set() -> dict[str, Any]:
    """All shards together. It stands in no container, so that mlcroissant looks for them beside the metadata."""
    return {
        "@type": "cr:FileSet",
        "@id": "parquet-files",
        "name": "parquet-files",
        "encodingFormat": "application/x-parquet",
        "includes": "data/*.parquet",
    }


def _classes(classes: tuple[str, ...]) -> dict[str, Any]:
    def field(name: str, kind: str) -> dict[str, Any]:
        return {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}

    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The emotions, in the order of the labels.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/name"},
        "field": [field("name", "sc:Text"), field("label", "sc:Integer")],
        "data": [{"classes/name": name, "classes/label": place} for place, name in enumerate(classes)],
    }


def _examples() -> dict[str, Any]:
    fields = [_field("image", "sc:ImageObject", "The face.", {"transform": {"jsonPath": "bytes"}})]
    fields += [_field(name, kind, meaning, {}) for name, (kind, meaning) in FIELDS.items()]
    fields.append(_field("soft_label", "sc:Float", "Share of the answers per class.", {}) | {"repeated": True})
    return {
        "@type": "cr:RecordSet",
        "@id": "examples",
        "name": "examples",
        "description": "One record for each picture.",
        "key": {"@id": "examples/id"},
        "field": fields,
    }


def _field(name: str, kind: str, meaning: str, how: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"examples/{name}",
        "name": name,
        "description": meaning,
        "dataType": kind,
        "source": {"fileSet": {"@id": "parquet-files"}, "extract": {"column": name}, **how},
    }
