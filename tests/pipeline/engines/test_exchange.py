"""What workers without a common disk share: a folder, and a real S3 server on the loopback address."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.errors import InputError, UsageError, WorkspaceError
from pipeline.core.files import FileStore, sha256_of
from pipeline.engines.exchange import Place, Storage

pytest.importorskip("fsspec", reason="no fsspec here: pip install 'toonsift[cluster]'")


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path}/storage"
        return
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("episodes")
        yield "s3://episodes/a/folder"
        s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


def test_episodes_go_there_and_crops_come_back(url: str, tmp_path: Path) -> None:
    video = tmp_path / "a b.mp4"
    video.write_bytes(b"not really a video" * 1000)
    sha256 = sha256_of(video)
    storage = Storage(url)
    storage.check()
    storage.put_video(video, sha256)
    storage.put_video(video, sha256)
    place = Place("/nowhere", url)
    with place.video(video, sha256) as local:
        assert local != video
        assert local.suffix == ".mp4"
        assert local.read_bytes() == video.read_bytes()
    assert not local.exists()
    crop = place.put(b"a picture")
    store = FileStore(tmp_path / "objects")
    storage.fetch(crop, ".png", store)
    assert store.read(crop, ".png") == b"a picture"
    storage.drop_video(sha256, ".mp4")
    storage.drop_video(sha256, ".mp4")
    with pytest.raises(WorkspaceError, match="not there"), place.video(video, sha256):
        pass


def test_what_was_changed_on_the_way_is_refused(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/storage"
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")
    Storage(url).put_video(video, "0" * 64)
    with pytest.raises(InputError, match="not the file that was put there"):
        Storage(url).fetch_video("0" * 64, ".mp4", tmp_path / "b.mp4")
    crop = Storage(url).put(b"one", ".png")
    (tmp_path / "storage" / "objects" / crop[:2] / f"{crop}.png").write_bytes(b"two")
    with pytest.raises(WorkspaceError, match="is not what was stored"):
        Storage(url).fetch(crop, ".png", FileStore(tmp_path / "objects"))


def test_a_wrong_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--storage nonsense://x"):
        Storage("nonsense://x").check()
    with pytest.raises(WorkspaceError, match=r"--storage file:///proc/x"):
        Storage("file:///proc/x").check()
