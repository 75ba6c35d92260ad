"""Whatever is mined and labelled: an export never has two sides of what belongs together."""

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.core.errors import DatasetError
from pipeline.core.records import Crop, Label
from pipeline.duplicates import DedupeOptions, find_groups
from pipeline.duplicates.looks import LOOK_SIZE
from pipeline.export import Draft, ExportOptions, draft
from pipeline.leaks import Kinship
from pipeline.splits import SplitOptions
from tests.records import crop, episode, label

NEAR = DedupeOptions(distance=2, look_difference=5)


@dataclass
class Mined:
    crops: list[Crop]
    labels: list[Label]
    hashes: dict[str, str]
    looks: dict[str, str]
    repeats: dict[str, str]

    def exported(self, options: ExportOptions) -> Draft:
        found = find_groups(self.crops, self.hashes, self.looks, NEAR)
        kinship = Kinship(
            ties=[one.members for one in found.components], repeats=self.repeats, looks=self.looks, near=NEAR
        )
        episodes = {f"e{n}": episode(f"e{n}") for n in range(4)}
        try:
            return draft("d", self.crops, self.labels, found.groups, self.hashes, episodes, options, kinship)
        except DatasetError as error:
            assume("would be empty" not in str(error))
            raise

    def near(self, a: str, b: str) -> bool:
        shades = [int(self.looks[id][:2], 16) for id in (a, b)]
        bits = (int(self.hashes[a], 16) ^ int(self.hashes[b], 16)).bit_count()
        return bits <= NEAR.distance and abs(shades[0] - shades[1]) <= NEAR.look_difference

    def components(self) -> list[set[str]]:
        """By comparing every crop with every other, labelled or not."""
        keys: dict[str, set[str]] = defaultdict(set)
        for one in self.crops:
            for key in (one.shot, one.track, self.repeats.get(one.shot, one.shot)):
                keys[key].add(one.id)
        links = list(keys.values())
        links += [{a.id, b.id} for a in self.crops for b in self.crops if a.id < b.id and self.near(a.id, b.id)]
        parts: list[set[str]] = []
        for link in links:
            touched = [part for part in parts if part & link]
            parts = [part for part in parts if part not in touched] + [link.union(*touched)]
        return parts


@st.composite
def workspaces(draw: st.DrawFn) -> Mined:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.integers(0, 5), st.integers(0, 3), st.integers(0, 2**9 - 1),
                st.sampled_from([0, 4, 40]), st.sampled_from(["", "happy", "sad", "not_a_face"]),
            ),
            min_size=1, max_size=45,
        )
    )  # fmt: skip
    mined = Mined([], [], {}, {}, {})
    for n, (e, shot, track, value, shade, said) in enumerate(rows):
        id = f"c{n:02d}"
        place = {
            "episode": f"e{e}",
            "shot": f"e{e} s{shot}",
            "track": f"e{e} s{shot} t{track}",
            "pts": shot * 48 + track,
        }
        mined.crops.append(crop(id, sharpness=float(n % 5), character="ab"[track % 2], **place))
        mined.hashes[id], mined.looks[id] = f"{value:016x}", f"{100 + shade:02x}" * LOOK_SIZE
        if said:
            mined.labels.append(label(id, said))
        if shot == 0 and draw(st.booleans()):
            mined.repeats[f"e{e} s0"] = "opening"
    return mined


@settings(max_examples=150, deadline=None)
@given(workspaces(), st.sampled_from([(0.7, 0.1, 0.2), (0.4, 0.3, 0.3)]), st.booleans(), st.integers(0, 3))
def test_no_export_ever_parts_a_component(
    mined: Mined, shares: tuple[float, float, float], duplicates: bool, seed: int
) -> None:
    options = ExportOptions(split=SplitOptions(shares=shares, seed=seed), duplicates=duplicates)
    made = mined.exported(options)
    split_of = {example.id: example.split for example in made.examples}
    for part in mined.components():
        assert len({split_of[id] for id in part if id in split_of}) <= 1
    assert made.leaks["leaks"] == 0
    assert mined.exported(options).digest == made.digest


@settings(max_examples=80, deadline=None)
@given(workspaces(), st.sampled_from(["episode", "character"]), st.sampled_from([0.0, 1.0]))
def test_no_export_of_whole_episodes_or_characters_has_near_duplicates_on_two_sides(
    mined: Mined, unit: str, embargo: float
) -> None:
    made = mined.exported(ExportOptions(split=SplitOptions(unit=unit, embargo_seconds=embargo, shares=(0.5, 0.2, 0.3))))
    sides: dict[str, set[str]] = defaultdict(set)
    for example in made.examples:
        sides[getattr(example, unit)].add(example.split)
    assert all(len(splits) == 1 for splits in sides.values())
    split_of = {example.id: example.split for example in made.examples}
    assert not any(mined.near(a, b) for a in split_of for b in split_of if split_of[a] != split_of[b])
    gap = made.leaks["smallest_gap_seconds"]
    assert gap is None or gap >= embargo
