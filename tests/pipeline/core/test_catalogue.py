import sqlite3
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.core.catalogue import Catalogue
from pipeline.core.errors import WorkspaceError, WorkspaceVersionError
from pipeline.core.places import Box
from pipeline.core.records import Crop, DuplicateComponent, DuplicateGroup, Episode, Label, Repeat, Shot, ShotPrint
from pipeline.core.schema import MIGRATIONS
from tests.records import crop, episode, label


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalogue.sqlite3")


def test_records_come_back_as_they_went_in(catalogue: Catalogue) -> None:
    one = episode("e1", time_base=Fraction(1001, 24000), start_pts=-3)
    face = crop("c1", box=Box(left=-1, top=2, right=30, bottom=40), score=0.1)
    group = DuplicateGroup(id="g1", kept="c1", members=("c1", "c,2"), diameter_bits=4)
    assert catalogue.put([one, face, group]) == 3
    assert catalogue.all(Episode) == [one]
    assert catalogue.get(Crop, "c1") == face
    assert catalogue.all(DuplicateGroup) == [group]
    assert catalogue.get(Crop, "c2") is None


def test_putting_again_replaces(catalogue: Catalogue) -> None:
    catalogue.put([episode("e1")])
    catalogue.put([crop("c1")])
    catalogue.put([replace(episode("e1"), name="other")])
    assert [e.name for e in catalogue.all(Episode)] == ["other"]
    assert catalogue.count(Crop) == 1, "replacing an episode keeps what belongs to it"


def test_a_transaction_is_all_or_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError), catalogue.transaction():
        catalogue.put([episode("e1")])
        raise RuntimeError
    assert catalogue.count(Episode) == 0


def test_a_crop_without_its_episode_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(WorkspaceError, match="FOREIGN KEY"):
        catalogue.put([crop("c1", episode="nowhere")])


def test_delete_needs_a_condition_and_known_fields(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="at least one condition"):
        catalogue.delete(Label)
    with pytest.raises(ValueError, match="Label has no field colour"):
        catalogue.all(Label, colour="red")
    catalogue.put([label("c1", "happy"), label("c2", "sad")])
    assert catalogue.delete(Label, crop="c1") == 1
    assert catalogue.referenced_crops() == {"c2"}


def test_a_catalogue_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "catalogue.sqlite3")
    for statement in MIGRATIONS[0].split(";"):
        old.execute(statement)
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO duplicates VALUES ('g1', 'c1', '[\"c1\", \"c2\"]', 4)")
    old.commit()
    old.close()
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    assert catalogue.all(DuplicateGroup)[0].members == ("c1", "c2")
    component = DuplicateComponent(id="k1", members=("c1", "c2"))
    catalogue.put([component])
    assert catalogue.all(DuplicateComponent) == [component]


def test_records_are_found_by_their_ids(catalogue: Catalogue) -> None:
    catalogue.put([episode("e1"), crop("c1"), crop("c2")])
    assert catalogue.ids(Crop) == ["c1", "c2"]
    assert [one.id for one in catalogue.some(Crop, ["c2", "gone", "c1"])] == ["c2", "c1"]
    catalogue.put_hashes("a", {"c1": "00", "c2": "01"})
    catalogue.put_hashes("b", {"c1": "10"})
    assert catalogue.hashes("a", ["c2", "gone"]) == {"c2": "01"}
    assert catalogue.hashed("b") == {"c1"}


def test_a_newer_catalogue_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    Catalogue(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(
        WorkspaceVersionError, match=f"schema 999, this toonsift knows up to {len(MIGRATIONS)}.*upgrade toonsift"
    ):
        Catalogue(path)


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    path.write_bytes(b"this is no database, " * 100)
    with pytest.raises(WorkspaceError, match="damaged or no catalogue: restore it from a copy"):
        Catalogue(path)


def test_a_catalogue_of_the_first_schema_is_opened_with_its_shots_beginning_with_cuts(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    with sqlite3.connect(path) as old:
        old.executescript(MIGRATIONS[0])
        old.execute("PRAGMA user_version = 1")
        old.execute("INSERT INTO episodes VALUES ('e1', 'a', '/a', '0', 1, 2, 2, '1/24', 0, 0, 0)")
        old.execute("INSERT INTO shots VALUES ('e1.s0', 'e1', 0, 24, 24)")
    old.close()
    catalogue = Catalogue(path)
    assert catalogue.all(Shot) == [Shot(id="e1.s0", episode="e1", start_pts=0, end_pts=24, frames=24)]
    faded = Shot(id="e1.s24", episode="e1", start_pts=24, end_pts=48, frames=24, transition="fade")
    mark = Repeat(id="e1.s0", episode="e1", group="e1.s0", kind="opening")
    catalogue.put([faded, mark])
    assert catalogue.get(Shot, "e1.s24") == faded
    assert catalogue.all(Repeat, group="e1.s0") == [mark]


def test_prints_in_short_lack_the_drawings_alone(catalogue: Catalogue) -> None:
    whole = ShotPrint(
        id="e1.s0", episode="e1", start_milliseconds=0, length_milliseconds=1000, anchors="0:00ff", drawings="abc"
    )
    catalogue.put([episode("e1"), whole])
    assert catalogue.prints_in_short() == [replace(whole, drawings="")]
    assert catalogue.all(ShotPrint) == [whole]
