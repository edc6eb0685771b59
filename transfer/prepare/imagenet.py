"""From ImageNet's archives, which nobody may pass on, to ``train/WNID`` and ``val/WNID``."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from backbones.errors import UserError
from backbones.files import read_json, write_json
from transfer.prepare.devkit import validation_classes
from transfer.prepare.disk import alone_in, require_space, writing
from transfer.prepare.fetch.checksum import require_md5
from transfer.prepare.fetch.unpack import open_tar, readable, require_tar_filter, safe_tar_members
from transfer.prepare.sources import Archive, ImageNetRelease

_KEPT = "what is arranged stays"
_VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
_CLASS_ARCHIVE = re.compile(r"(n\d{8})\.tar")


@dataclass(frozen=True)
class _Job:
    release: ImageNetRelease
    archives: Path
    out: Path

    def path(self, archive: Archive) -> Path:
        return self.archives / archive.file_name


def arrange_imagenet(release: ImageNetRelease, archives: Path, out: Path) -> Path:
    """Make ``out/train`` and ``out/val`` from the official archives in the folder ``archives``; returns ``out``.

    A second start goes on where the first one stopped: with the class for ``train``, with the image for ``val``. A
    folder takes its final name when it is complete. Checksums that fitted once are remembered by size and time.

    Raises:
        UserError: An archive is missing, damaged or another one; there is no space; a second process is at work; or
            this Python cannot unpack safely.
    """
    require_tar_filter()
    job = _Job(release, archives, out)
    for archive in (release.devkit, release.val, release.train):
        if not job.path(archive).is_file():
            raise UserError(
                f"{job.path(archive)} does not exist; get it with an account of image-net.org, which allows nobody "
                "else to hand it out, and keep its name"
            )
    with alone_in(out):
        _require_space(job)
        _verify(job, release.devkit)
        for name, archive, arrange in (("val", release.val, _arrange_val), ("train", release.train, _arrange_train)):
            if (out / name).exists():
                continue
            _verify(job, archive)
            unfinished = out / f".{name}.arranging"
            with writing(unfinished, _KEPT), readable(job.path(archive)):
                unfinished.mkdir(exist_ok=True)
                arrange(job, unfinished)
                os.rename(unfinished, out / name)
    return out


def _require_space(job: _Job) -> None:
    needed = 0
    for name, archive in (("val", job.release.val), ("train", job.release.train)):
        if not (job.out / name).exists():
            done = sum(file.stat().st_size for file in (job.out / f".{name}.arranging").glob("*/*"))
            needed += max(0, job.path(archive).stat().st_size - done)
    require_space(job.out, needed, "ImageNet beside its archives")


def _verify(job: _Job, archive: Archive) -> None:
    """Compare the checksum, unless it fitted before and the file has not changed."""
    path = job.path(archive)
    status = path.stat()
    record = job.out / ".verified_archives.json"
    known = read_json(record) if record.exists() else {}
    entry = [archive.md5, str(path.resolve()), status.st_size, status.st_mtime_ns]
    if known.get(archive.file_name) == entry:
        return
    if archive.size is not None and status.st_size != archive.size:  # known at once, where a checksum takes minutes
        raise UserError(
            f"{path} has {status.st_size} bytes, and the published archive {archive.size}; the download was cut off or "
            "is another file: fetch it again"
        )
    require_md5(path, archive.md5, "fetch it again")
    with writing(record, _KEPT):
        write_json(record, {**known, archive.file_name: entry})


def _arrange_train(job: _Job, folder: Path) -> None:
    """One archive per class inside the archive; a class folder takes its name when it is complete."""
    path = job.path(job.release.train)
    with open_tar(path) as tar, tqdm(total=job.release.classes, desc="train", unit="class", disable=None) as bar:
        for member in safe_tar_members(tar, path):
            match = _CLASS_ARCHIVE.fullmatch(member.name)
            if match is None:
                raise UserError(f"{path} is refused: {member.name} is not a class archive (WNID.tar); fetch it again")
            if not (folder / match[1]).exists():
                _unpack_class(tar, member, folder / match[1], path)
            bar.update()


def _unpack_class(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, path: Path) -> None:
    unfinished = target.with_name(f".{target.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    with open_tar(fileobj=tar.extractfile(member)) as images:
        for image in safe_tar_members(images, path):
            images.extract(image, unfinished, filter="data")
    os.rename(unfinished, target)


def _arrange_val(job: _Job, folder: Path) -> None:
    """The class of each image is in the devkit, in the order of the numbers in their names."""
    classes = validation_classes(job.path(job.release.devkit), job.release)
    for name in sorted(set(classes.values())):
        (folder / name).mkdir(exist_ok=True)
    path = job.path(job.release.val)
    with open_tar(path) as tar, tqdm(total=job.release.val_images, desc="val", unit="image", disable=None) as bar:
        for member in safe_tar_members(tar, path):
            _place(tar, member, folder, classes, path)
            bar.update()


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, classes: Mapping[int, str], path: Path) -> None:
    match = _VAL_NAME.fullmatch(member.name)
    if match is None or int(match[1]) not in classes:
        raise UserError(f"{path} is refused: {member.name} is no validation image of the devkit; fetch both again")
    target = folder / classes[int(match[1])] / member.name
    if target.exists():
        return
    tar.extract(member, folder, filter="data")  # first beside the classes: a file in a class folder is a whole one
    os.rename(folder / member.name, target)
