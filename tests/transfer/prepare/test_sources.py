"""The addresses and checksums beside those that torchvision carries."""

from __future__ import annotations

import pytest
from torchvision.datasets import imagenet, voc

from transfer.prepare.sources import BENCHMARKS, IMAGENET


@pytest.mark.parametrize(
    ("name", "place", "key"), [("voc2007", 0, "2007"), ("voc2007", 1, "2007-test"), ("voc2012", 0, "2012")]
)
def test_voc_as_in_torchvision(name: str, place: int, key: str) -> None:
    archive, reference = BENCHMARKS[name].archives[place], voc.DATASET_YEAR_DICT[key]
    assert (archive.file_name, archive.md5, archive.address) == (
        reference["filename"],
        reference["md5"],
        reference["url"],
    )
    assert BENCHMARKS[name].folder == reference["base_dir"]


def test_imagenet_as_in_torchvision() -> None:
    ours = {
        name: (getattr(IMAGENET, name).file_name, getattr(IMAGENET, name).md5) for name in ("train", "val", "devkit")
    }
    assert ours == imagenet.ARCHIVE_META


def test_disk_space_covers_archives_and_contents() -> None:
    for benchmark in BENCHMARKS.values():
        assert benchmark.disk_bytes > 2 * sum(archive.size or 0 for archive in benchmark.archives)
