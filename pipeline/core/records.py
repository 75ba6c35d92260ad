"""The nouns of toonsift: what the stages hand to one another and the catalogue keeps.

Times are `pts` in units of `time_base` seconds, as the container tells them; seconds are derived for people. Boxes are
pixels of the source frame, origin top left, right and bottom exclusive. Ids come from content or position, so running
again makes the same row. Spans are half-open: `end_pts` is the first pts after the span.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from pipeline.core.places import Box

NOT_A_FACE = "not_a_face"
"""an answer that says: this is no face; kept as a label, no class of a dataset, a hard negative for cascades"""
UNSURE = "unsure"
"""an answer that says: I looked and cannot tell; kept as a label, no class of a dataset, nothing to cascades"""
NO_CLASS = (NOT_A_FACE, UNSURE)
"""answers that are usually left out of a dataset"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A video file, known by its content."""

    id: str
    """`e` + the first 12 hex digits of the content's SHA-256"""
    name: str
    """the file's stem, for people"""
    path: str
    """where it was last seen, absolute; everything else in a workspace is relative"""
    sha256: str
    """of the whole file"""
    size_bytes: int
    """of the file"""
    width: int
    """pixels, as displayed (rotation applied)"""
    height: int
    """pixels, as displayed (rotation applied)"""
    time_base: Fraction
    """seconds per tick of every pts of this episode"""
    frames: int = 0
    """frames that decode, not what the container tells; 0 until mined"""
    start_pts: int = 0
    """pts of the first frame"""
    end_pts: int = 0
    """pts of the last frame plus its duration"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """Frames between two cuts of one episode."""

    id: str
    """`{episode}.s{start_pts}`"""
    episode: str
    """id of the episode"""
    start_pts: int
    """first frame"""
    end_pts: int
    """first frame of the next shot, or the episode's end"""
    frames: int
    """how many frames it holds"""
    transition: str = "cut"
    """how it begins: `cut`, `fade` or `dissolve`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPrint:
    """What a shot looks like over time, for finding it again in other episodes (see pipeline.repeats)."""

    id: str
    """id of the shot"""
    episode: str
    """id of the episode"""
    start_milliseconds: int
    """of its first frame, on the episode's clock; rounded, for comparing only"""
    length_milliseconds: int
    """how long it is"""
    anchors: str
    """`milliseconds:hash` of a few drawings, by which it is looked up; times from the shot's first frame"""
    drawings: str
    """times and cells of its drawings, packed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A shot that other episodes show too. Repeats are marked, never deleted."""

    id: str
    """id of the shot"""
    episode: str
    """id of the episode"""
    group: str
    """id of the first of the shots, by id, that show the same"""
    kind: str
    """`opening`, `ending`, `recap`, `repeat`, or `original` for the shot that a recap or a repeat shows again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One drawing shown for several frames (animation on twos, threes, or a long hold)."""

    id: str
    """`{episode}.h{start_pts}`"""
    episode: str
    """id of the episode"""
    shot: str
    """id of the shot"""
    start_pts: int
    """first frame that shows it"""
    end_pts: int
    """first frame that shows something else"""
    frames: int
    """how long it is held, in frames, 1 for a drawing on ones"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What one cascade found on one frame. The score is the cascade's own and no probability."""

    id: str
    """`{episode}.d{pts}.{cascade digest[:6]}.{left}.{top}.{right}.{bottom}`"""
    episode: str
    """id of the episode"""
    shot: str
    """id of the shot"""
    pts: int
    """of the frame"""
    box: Box
    """pixels of the source frame"""
    character: str
    """whom the cascade was fitted to"""
    cascade: str
    """digest of the cascade's XML"""
    score: float
    """sum of stage margins over the grouped windows; comparable within one cascade only"""
    track: str = ""
    """id of the track it belongs to; empty when it belongs to none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One face followed through one shot."""

    id: str
    """`{episode}.t{start_pts}.{left}.{top}`, from the first detection"""
    episode: str
    """id of the episode"""
    shot: str
    """id of the shot"""
    character: str
    """by vote over its detections"""
    start_pts: int
    """first sampled frame with the face"""
    end_pts: int
    """last sampled frame with the face, plus one tick"""
    detections: int
    """how many sampled frames show it"""
    score: float
    """mean score of its detections"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A face picture kept for people and training: PNG in the file store, RGB, never scaled."""

    id: str
    """`{episode}.c{pts}.{left}.{top}.{right}.{bottom}`"""
    episode: str
    """id of the episode"""
    shot: str
    """id of the shot"""
    track: str
    """id of the track"""
    pts: int
    """of the frame it was cut from"""
    box: Box
    """pixels of the source frame, inside it"""
    character: str
    """of the track"""
    cascade: str
    """digest of the cascade that scored highest here"""
    score: float
    """of the detection"""
    sharpness: float
    """variance of the Laplacian of the crop's luma at 64x64, grey levels squared"""
    sha256: str
    """of the PNG file; its address in the file store"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Crops that one of them stands for, over all episodes. Duplicates are marked, never deleted."""

    id: str
    """`g` + 12 hex digits over the sorted member ids"""
    kept: str
    """id of the crop that stands for the group"""
    members: tuple[str, ...]
    """ids of all its crops, sorted, the kept one among them"""
    diameter_bits: int
    """largest Hamming distance between two members"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateComponent:
    """Crops that near-duplicate pairs join, directly or through others: one or more groups. No split parts them."""

    id: str
    """`k` + 12 hex digits over the sorted member ids"""
    members: tuple[str, ...]
    """ids of all its crops, sorted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One annotator's answer about one crop, or about a place without one. Every answer is kept, skips too."""

    id: str
    """`l` + 12 hex digits over crop, annotator, source and answer"""
    crop: str
    """id of the crop, or of a place (see Place); `{episode}.f{pts}` for a whole frame that was skipped or holds no face"""
    emotion: str
    """the class, NOT_A_FACE or UNSURE; empty for a skip, and where only the character was asked"""
    character: str
    """whom the annotator saw; empty when not asked"""
    annotator: str
    """who answered; `oracle` for a drawn series' own truth"""
    source: str
    """where the answer came from: the file imported, or a Label Studio project"""
    created: str
    """UTC, ISO 8601"""
    seconds: float = 0.0
    """how long the annotator took; 0 when not known"""
    annotation: str = ""
    """the server's own key of the answer; empty for an answer from a file"""
    prediction: str = ""
    """which model's or cascade's suggestion the annotator was shown; empty: none"""
    via: str = ""
    """id of the sheet (a track, or a near-duplicate group) that was answered as a whole; empty: the crop itself was"""
    withdrawn: str = ""
    """UTC, ISO 8601: when the answer was found deleted on the server; empty while it stands. Never counted again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question put to an annotator in Label Studio."""

    id: str
    """`{project}/{ref}`; the ref is our own key, unique in the project"""
    project: str
    """key of the Label Studio project, see annotate.sync.projects"""
    item: str
    """id of the crop, track, group or frame asked about"""
    created: str
    """UTC, ISO 8601"""
    number: int = 0
    """the server's own number of it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """An immutable dataset on disk: a folder with manifest.json, examples.parquet and the images."""

    id: str
    """`{name}@{version}`"""
    name: str
    """chosen by the user"""
    version: int
    """1, 2, ... within the name"""
    digest: str
    """SHA-256 over the sorted examples and the options; the same input gives the same digest anywhere"""
    parent: str
    """digest of the version before; empty for the first"""
    path: str
    """folder, relative to the workspace"""
    examples: int
    """how many"""
    created: str
    """UTC, ISO 8601"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """A cascade XML in the workspace."""

    id: str
    """the name the user gave"""
    character: str
    """whom it finds"""
    sha256: str
    """of the XML; its address in the file store"""
    card: str
    """JSON: data, options, scores, versions"""
    created: str
    """UTC, ISO 8601"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stage done (or failed) on one item with one set of options."""

    id: str
    """`{stage}:{item}`"""
    stage: str
    """`mine`, `dedupe`, `export`, ..."""
    item: str
    """id of what it worked on"""
    options: str
    """the resolved options, as JSON"""
    digest: str
    """SHA-256 of stage, options and code version: what makes a result reusable"""
    status: str
    """`done` or `failed`"""
    reason: str
    """why it failed; empty otherwise"""
    counts: str
    """JSON object of what it made"""
    seconds: float
    """wall time"""
    finished: str
    """UTC, ISO 8601"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A part of an episode that is mined, while the rest is not: where the next call goes on. Gone when all is done."""

    id: str
    """`{episode}.k{end_pts}`"""
    episode: str
    """id of the episode"""
    digest: str
    """of the run it belongs to"""
    end_pts: int
    """up to where the episode is mined"""
    counts: str
    """JSON object of what it made"""
    rows: str
    """the records, as `catalogue.packed`, where older results are shown until all is done; empty where they are shown"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedPart:
    """What was found in a shot that is still open; it spares the next call the search. Gone when the shot has ended."""

    id: str
    """`{episode}.q{end_pts}`"""
    episode: str
    """id of the episode"""
    digest: str
    """of the run it belongs to"""
    end_pts: int
    """the frame up to which the episode is searched"""
    rows: str
    """the detections since the part before, as `catalogue.packed`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An item that could not be done, and why."""

    item: str
    """path or id"""
    reason: str
    """what was found and what to do"""
    code: str = field(default="failed")
    """short machine-readable kind"""
