import errno
from pathlib import Path

import pytest

from pipeline.core.errors import DiskFullError, InputError
from pipeline.core.files import FileStore, disk_errors, inside, whole_file, write_text


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as stream:
        stream.write(b"half of the ne")
        raise RuntimeError("killed here")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_named() -> None:
    with pytest.raises(DiskFullError, match="the disk that holds /somewhere is full; free some space"):
        with disk_errors(Path("/somewhere")):
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b"])
def test_no_path_leads_out_of_its_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="leads out of"):
        inside(tmp_path, path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "link").symlink_to("/etc")
    with pytest.raises(InputError, match="leads out of"):
        inside(tmp_path / "inner", "link/passwd")


def test_the_store_keeps_one_copy_and_notices_a_flipped_bit(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"drawing", ".png")
    assert store.put(b"drawing", ".png") == digest
    assert store.read(digest, ".png") == b"drawing"
    store.path(digest, ".png").write_bytes(b"drawinG")
    with pytest.raises(InputError, match="has changed since it was stored"):
        store.read(digest, ".png")
    store.path(digest, ".png").unlink()
    with pytest.raises(InputError, match="is missing from the workspace; mine its episode again"):
        store.read(digest, ".png")


def test_a_file_that_a_kill_cut_short_is_written_again(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"drawing", ".png")
    store.path(digest, ".png").write_bytes(b"dra")
    store.put(b"drawing", ".png")
    assert store.read(digest, ".png") == b"drawing"
    (tmp_path / digest[:2] / ".part-x").touch()
    assert store.remove_unfinished() == 1
