"""From a server to the folder that the protocols read, with archives of a few files."""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from written_scenes import coco

from backbones.errors import UserError
from transfer.data.scenes.scene import Box, Scene
from transfer.prepare.benchmark import prepare_benchmark
from transfer.prepare.check import check_folder
from transfer.prepare.disk import in_gigabytes
from transfer.prepare.fetch.download import Patience
from transfer.prepare.sources import BENCHMARKS, Benchmark

PATIENCE = Patience(silence=2.0, pause=0.01)


@pytest.fixture
def publish(server: Any, md5: Any) -> Any:
    """Put archives on the server, and give the benchmark that names their checksums."""

    def make(name: str, *contents: bytes) -> Benchmark:
        archives = []
        for archive, content in zip(BENCHMARKS[name].archives, contents, strict=True):
            server.files[archive.file_name] = content
            address = f"{server.address}/{archive.file_name}"
            archives.append(replace(archive, md5=md5(content), size=len(content), address=address))
        return replace(BENCHMARKS[name], archives=tuple(archives), disk_bytes=10**6)

    return make


@pytest.fixture
def voc2007(publish: Any, make_tar: Any, voc_files: Any) -> Benchmark:
    trainval = make_tar(voc_files("VOC2007", "trainval", ["000001", "000002"]))
    return publish("voc2007", trainval, make_tar(voc_files("VOC2007", "test", ["000003"], "dog")))


def test_voc2007_comes_from_two_archives(voc2007: Benchmark, tmp_path: Path, server: Any) -> None:
    root = prepare_benchmark(voc2007, tmp_path / "data", patience=PATIENCE)
    assert root == tmp_path / "data" / "VOCdevkit"
    report = check_folder(root)
    assert report.faults == []
    assert {split.name: split.images for split in report.splits} == {"VOC2007/trainval": 2, "VOC2007/test": 1}
    assert report.splits[0].per_class["cat"] == 2
    assert report.splits[1].per_class["dog"] == 1
    assert len(server.requests) == 2


def test_nothing_is_fetched_that_cannot_be_unpacked(
    voc2007: Benchmark, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("tarfile.data_filter")
    with pytest.raises(UserError, match="cannot unpack tar archives safely"):
        prepare_benchmark(voc2007, tmp_path, patience=PATIENCE)
    assert server.requests == []


def test_a_second_start_does_nothing(voc2007: Benchmark, tmp_path: Path, server: Any) -> None:
    prepare_benchmark(voc2007, tmp_path, patience=PATIENCE)
    shutil.rmtree(tmp_path / "downloads")
    prepare_benchmark(voc2007, tmp_path, patience=PATIENCE)
    assert len(server.requests) == 2


def test_voc2012_joins_voc2007(voc2007: Benchmark, publish: Any, make_tar: Any, voc_files: Any, tmp_path: Path) -> None:
    voc2012 = publish("voc2012", make_tar(voc_files("VOC2012", "trainval", ["2008_000001"])))
    for benchmark in (voc2007, voc2012):
        root = prepare_benchmark(benchmark, tmp_path, patience=PATIENCE)
    names = [split.name for split in check_folder(root).splits]
    assert names == ["VOC2007/trainval", "VOC2007/test", "VOC2012/trainval"]
    assert [split.name for split in check_folder(root, only=["VOC2012"]).splits] == ["VOC2012/trainval"]


def test_coco(publish: Any, make_zip: Any, tmp_path: Path) -> None:
    """Three archives without a folder of their own."""
    scenes = [Scene(f"i{number}", (20, 16), (Box(1, 2, 9, 10, "dog"),), "") for number in range(2)]
    coco(tmp_path / "made", {"train": scenes, "val": [scenes[0]._replace(image="v0")]})
    contents = [
        {
            str(path.relative_to(tmp_path / "made")): path.read_bytes()
            for path in (tmp_path / "made" / name).rglob("*.*")
        }
        for name in ("train2017", "val2017", "annotations")
    ]
    benchmark = publish("coco", *map(make_zip, contents))
    root = prepare_benchmark(benchmark, tmp_path / "data", patience=PATIENCE)
    assert root == tmp_path / "data" / "coco"
    report = check_folder(root)
    assert report.faults == []
    assert {split.name: split.images for split in report.splits} == {"train": 2, "val": 1}
    assert set(benchmark.images) == {split.name for split in report.splits}
    assert "det_configs/faster_rcnn_fpn_coco.py" in report.ready


def test_ade20k(publish: Any, make_zip: Any, ade_files: Any, tmp_path: Path, server: Any, behaviour: Any) -> None:
    ade20k = publish("ade20k", make_zip(ade_files()))
    server.plan = [behaviour(drop_after=500), behaviour(drop_after=300)]
    root = prepare_benchmark(ade20k, tmp_path, patience=PATIENCE)
    report = check_folder(root)
    assert report.faults == []
    assert [(split.name, split.images) for split in report.splits] == [("training", 2), ("validation", 1)]
    assert report.splits[0].per_class["wall"] == 2 * 14 * 12
    assert report.splits[0].details == {"percent of pixels unlabelled": 12.5}
    assert server.ranges == [None, "bytes=500-", "bytes=800-"]


def test_archives_that_are_here_are_recognised_by_their_bytes(voc2007: Benchmark, tmp_path: Path, server: Any) -> None:
    given = [tmp_path / "b.tar", tmp_path / "a.tar"]
    for path, archive in zip(given, voc2007.archives, strict=True):
        path.write_bytes(server.files[archive.file_name])
    prepare_benchmark(voc2007, tmp_path / "data", given=given, patience=PATIENCE)
    assert server.requests == []
    assert (tmp_path / "data/VOCdevkit/VOC2007/JPEGImages/000003.jpg").exists()
    assert all(path.exists() for path in given)


def test_an_archive_of_other_bytes_is_refused(voc2007: Benchmark, tmp_path: Path, md5: Any, server: Any) -> None:
    (tmp_path / "mine.tar").write_bytes(b"other")
    with pytest.raises(UserError) as raised:
        prepare_benchmark(voc2007, tmp_path / "data", given=[tmp_path / "mine.tar"])
    for expected in ("mine.tar", md5(b"other"), voc2007.archives[0].md5, voc2007.archives[1].md5):
        assert expected in str(raised.value)
    assert server.requests == []


def test_a_mirror_has_the_published_names(voc2007: Benchmark, tmp_path: Path, server: Any) -> None:
    server.files = {f"pub/{name}": content for name, content in server.files.items()}
    prepare_benchmark(voc2007, tmp_path, mirror=f"{server.address}/pub/", patience=PATIENCE)
    assert (tmp_path / "VOCdevkit/VOC2007/JPEGImages/000003.jpg").exists()


@pytest.mark.parametrize("mirror", ["file:///etc", "ftp://example.org", "somewhere"])
def test_a_mirror_must_be_on_the_web(voc2007: Benchmark, tmp_path: Path, mirror: str) -> None:
    with pytest.raises(UserError, match="no web address; give one that begins with http"):
        prepare_benchmark(voc2007, tmp_path, mirror=mirror)


def test_a_wrong_checksum_leaves_no_data_set(voc2007: Benchmark, tmp_path: Path, server: Any, make_tar: Any) -> None:
    archive = voc2007.archives[1]
    content = bytearray(server.files[archive.file_name])
    content[700] ^= 1
    server.files[archive.file_name] = bytes(content)
    with pytest.raises(UserError, match=f"did not send {archive.file_name}"):
        prepare_benchmark(voc2007, tmp_path, patience=PATIENCE)
    assert not (tmp_path / "VOCdevkit").exists()
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == [voc2007.archives[0].file_name]


def test_space_is_asked_for_first_and_what_is_here_counts(
    voc2007: Benchmark, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = voc2007.archives[0]
    arrived = len(server.files[first.file_name])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6 - arrived))
    with pytest.raises(UserError, match=f"voc2007 needs {in_gigabytes(10**6)} in .* make room"):
        prepare_benchmark(voc2007, tmp_path / "data", patience=PATIENCE)
    assert server.requests == []
    given = tmp_path / "given.tar"
    given.write_bytes(server.files[first.file_name])
    prepare_benchmark(voc2007, tmp_path / "data", given=[given], patience=PATIENCE)
    assert len(server.requests) == 1


def test_a_second_process_is_refused(voc2007: Benchmark, tmp_path: Path, server: Any) -> None:
    with (tmp_path / ".prepare_data.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"another prepare_data\.py is at work"):
            prepare_benchmark(voc2007, tmp_path, patience=PATIENCE)
    prepare_benchmark(voc2007, tmp_path, patience=PATIENCE)
    assert (tmp_path / "VOCdevkit/VOC2007").is_dir()
