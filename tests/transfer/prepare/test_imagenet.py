"""ImageNet's arrangement, from archives of three classes built like the real ones."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from backbones.errors import UserError
from transfer.prepare import imagenet
from transfer.prepare.check import check_folder
from transfer.prepare.imagenet import arrange_imagenet
from transfer.prepare.sources import IMAGENET, Archive, ImageNetRelease

# ILSVRC2012_ID, WNID, num_children: the IDs are not in the order of the WNIDs, and parents come last, as in the kit.
SYNSETS = [(1, "n00000030", 0), (2, "n00000010", 0), (3, "n00000020", 0), (4, "n00000001", 3)]
TRUTH = [2, 3, 1, 2]
VAL = {
    "n00000010": ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000004.JPEG"],
    "n00000020": ["ILSVRC2012_val_00000002.JPEG"],
    "n00000030": ["ILSVRC2012_val_00000003.JPEG"],
}


def devkit(synsets: list[tuple[int, str, int]], truth: list[int], make_tar: Any) -> bytes:
    rows = np.zeros((len(synsets), 1), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    for row, values in zip(rows[:, 0], synsets, strict=True):
        row["ILSVRC2012_ID"], row["WNID"], row["num_children"] = float(values[0]), values[1], float(values[2])
    stream = io.BytesIO()
    savemat(stream, {"synsets": rows})
    numbers = "".join(f"{number}\n" for number in truth).encode()
    root = "ILSVRC2012_devkit_t12/data"
    files = {f"{root}/meta.mat": stream.getvalue(), f"{root}/ILSVRC2012_validation_ground_truth.txt": numbers}
    return make_tar(files, "w:gz")


class Publisher:
    """Writes the three archives, and says what they hold."""

    def __init__(self, folder: Path, make_tar: Any, jpeg: Any, md5: Any) -> None:
        self.folder, self.make_tar, self.md5 = folder, make_tar, md5
        folder.mkdir()
        self.train = {  # other pictures than val's
            wnid: make_tar({f"{wnid}_{number}.JPEG": jpeg(int(wnid[1:]) + number) for number in range(count)})
            for wnid, count in (("n00000010", 2), ("n00000020", 1), ("n00000030", 3))
        }
        self.val = {f"ILSVRC2012_val_{number:08d}.JPEG": jpeg(number) for number in (3, 1, 4, 2)}
        self.devkit = devkit(SYNSETS, TRUTH, make_tar)

    def __call__(self) -> ImageNetRelease:
        contents = {
            "train": self.make_tar({f"{wnid}.tar": content for wnid, content in self.train.items()}),
            "val": self.make_tar(self.val),
            "devkit": self.devkit,
        }
        archives = {name: self.write(getattr(IMAGENET, name), content) for name, content in contents.items()}
        return ImageNetRelease(**archives, classes=3, train_images=6, val_images=4)

    def write(self, archive: Archive, content: bytes) -> Archive:
        (self.folder / archive.file_name).write_bytes(content)
        return replace(archive, md5=self.md5(content), size=len(content))


@pytest.fixture
def publisher(tmp_path: Path, make_tar: Any, jpeg: Any, md5: Any) -> Publisher:
    return Publisher(tmp_path / "archives", make_tar, jpeg, md5)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "imagenet"


def images(folder: Path) -> dict[str, list[str]]:
    return {entry.name: sorted(path.name for path in entry.iterdir()) for entry in sorted(folder.iterdir())}


def test_arranges_both_splits_by_wnid(publisher: Publisher, out: Path) -> None:
    assert arrange_imagenet(publisher(), publisher.folder, out) == out
    assert images(out / "val") == VAL
    assert {name: len(files) for name, files in images(out / "train").items()} == {
        "n00000010": 2,
        "n00000020": 1,
        "n00000030": 3,
    }
    report = check_folder(out)
    assert report.faults == []
    assert report.splits[1].per_class == {"n00000010": 2, "n00000020": 1, "n00000030": 1}


def test_no_checksum_is_computed_for_what_cannot_be_unpacked(
    publisher: Publisher, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("tarfile.data_filter")
    with pytest.raises(UserError, match="cannot unpack tar archives safely"):
        arrange_imagenet(publisher(), publisher.folder, out)
    assert not out.exists()


def test_train_goes_on_with_the_class_where_it_stopped(
    publisher: Publisher, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, unpacked = publisher(), []
    genuine = imagenet._unpack_class

    def interrupted_in_the_second(tar: Any, member: Any, target: Path, path: Path) -> None:
        unpacked.append(target.name)
        if len(unpacked) == 2:
            target.with_name(f".{target.name}").mkdir()
            (target.with_name(f".{target.name}") / "half.JPEG").write_bytes(b"half")
            raise KeyboardInterrupt
        genuine(tar, member, target, path)

    monkeypatch.setattr(imagenet, "_unpack_class", interrupted_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        arrange_imagenet(release, publisher.folder, out)
    assert not (out / "train").exists()
    arrange_imagenet(release, publisher.folder, out)
    assert unpacked == ["n00000010", "n00000020", "n00000020", "n00000030"]
    assert images(out / "train")["n00000020"] == ["n00000020_0.JPEG"]
    assert len(images(out / "train")) == 3


def test_val_goes_on_with_the_image_where_it_stopped(
    publisher: Publisher, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, extracted = publisher(), []
    genuine = tarfile.TarFile.extract

    def interrupted_in_the_second(self: Any, member: Any, *rest: Any, **options: Any) -> None:
        extracted.append(member.name)
        if len(extracted) == 2:
            raise KeyboardInterrupt
        genuine(self, member, *rest, **options)

    monkeypatch.setattr(tarfile.TarFile, "extract", interrupted_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        arrange_imagenet(release, publisher.folder, out)
    assert not (out / "val").exists()
    arrange_imagenet(release, publisher.folder, out)
    assert extracted[:5] == [f"ILSVRC2012_val_0000000{number}.JPEG" for number in (3, 1, 1, 4, 2)]
    assert images(out / "val") == VAL


def test_checksums_are_computed_once(publisher: Publisher, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, verified = publisher(), []
    genuine = imagenet.require_md5

    def counted(path: Path, *rest: Any) -> None:
        verified.append(path.name)
        genuine(path, *rest)

    monkeypatch.setattr(imagenet, "require_md5", counted)
    arrange_imagenet(release, publisher.folder, out)
    assert sorted(verified) == sorted(path.name for path in publisher.folder.iterdir())
    (out / "train").rename(out / "elsewhere")
    arrange_imagenet(release, publisher.folder, out)
    assert len(verified) == 3
    os.utime(publisher.folder / release.devkit.file_name, ns=(1, 1))
    arrange_imagenet(release, publisher.folder, out)
    assert verified[3:] == [release.devkit.file_name]


@pytest.mark.parametrize("name", ["train", "val", "devkit"])
def test_other_bytes_are_refused(publisher: Publisher, out: Path, name: str, md5: Callable[[bytes], str]) -> None:
    release = publisher()
    archive = getattr(release, name)
    path = publisher.folder / archive.file_name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        arrange_imagenet(release, publisher.folder, out)
    for part in (str(path), archive.md5, md5(bytes(content)), "fetch it again"):
        assert part in str(raised.value)
    assert not (out / name).exists()


def test_a_download_cut_off_is_known_by_its_size(publisher: Publisher, out: Path) -> None:
    release = publisher()
    path = publisher.folder / release.train.file_name
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(
        UserError, match=f"has {path.stat().st_size} bytes, and the published archive {release.train.size}"
    ):
        arrange_imagenet(release, publisher.folder, out)


def test_an_archive_that_is_missing_is_named(publisher: Publisher, out: Path) -> None:
    release = publisher()
    (publisher.folder / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    with pytest.raises(UserError, match=r"ILSVRC2012_devkit_t12\.tar\.gz does not exist; .* image-net\.org"):
        arrange_imagenet(release, publisher.folder, out)
    assert not out.exists()


def test_a_devkit_that_does_not_fit_is_refused(publisher: Publisher, out: Path) -> None:
    publisher.devkit = devkit(SYNSETS, TRUTH[:3], publisher.make_tar)
    with pytest.raises(UserError, match="labels 3 images and knows 3 classes; expected 4 and 3"):
        arrange_imagenet(publisher(), publisher.folder, out)


def test_a_devkit_without_labels_is_refused(publisher: Publisher, out: Path) -> None:
    publisher.devkit = publisher.make_tar({"ILSVRC2012_devkit_t3/data/other": b""}, "w:gz")
    with pytest.raises(UserError, match=r"holds no data/meta\.mat"):
        arrange_imagenet(publisher(), publisher.folder, out)


@pytest.mark.parametrize("name", ["../n00000010.tar", "notes.txt", "n1.tar"])
def test_a_train_archive_with_a_strange_member_is_refused(publisher: Publisher, out: Path, name: str) -> None:
    publisher.train = {name.removesuffix(".tar"): b"", **publisher.train}
    with pytest.raises(UserError, match="is refused"):
        arrange_imagenet(publisher(), publisher.folder, out)
    assert not (out / "train").exists()


def test_a_path_in_a_class_archive_cannot_escape(publisher: Publisher, out: Path, tmp_path: Path) -> None:
    publisher.train["n00000020"] = publisher.make_tar({"../../../escaped.JPEG": b"bad"})
    with pytest.raises(UserError, match="leads outside the folder"):
        arrange_imagenet(publisher(), publisher.folder, out)
    assert list(tmp_path.rglob("escaped.JPEG")) == []


def test_a_validation_image_without_label_is_refused(publisher: Publisher, out: Path) -> None:
    publisher.val["ILSVRC2012_val_00000005.JPEG"] = b""
    with pytest.raises(UserError, match=r"val_00000005\.JPEG is no validation image of the devkit"):
        arrange_imagenet(publisher(), publisher.folder, out)


def test_too_little_space_is_known_before(publisher: Publisher, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(UserError, match=r"ImageNet beside its archives needs .* make room"):
        arrange_imagenet(publisher(), publisher.folder, out)
