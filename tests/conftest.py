"""Fixtures shared by all tests: the licensed images beside the checkout, unpacked once per session."""

from __future__ import annotations

import signal
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

_ARCHIVES = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def _unpack(name: str, factory: pytest.TempPathFactory) -> Path:
    archive = _ARCHIVES / f"{name}.tar"
    if not archive.is_file():
        pytest.skip(f"{name}.tar is not in shared/data beside the checkout")
    target = factory.mktemp("realdata")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target / name


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of the tests' own, for this process and those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARRYOVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def voc2007_subset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds ``VOCdevkit``: 500 trainval and 300 test images of PASCAL VOC2007."""
    return _unpack("voc2007-subset", tmp_path_factory)


@pytest.fixture(scope="session")
def stanford_background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``images``, ``annotations`` (from 0, 255 = ignore), ``classes.txt``, ``train.txt``, ``val.txt``."""
    return _unpack("stanford-background", tmp_path_factory)


@pytest.fixture(scope="session")
def ade20k_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds ``ADEChallengeData2016``: 19 colour images."""
    return _unpack("ade20k-samples", tmp_path_factory)


@pytest.fixture(scope="session")
def ade20k_gray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds ``ADEChallengeData2016``: 200 images without colour."""
    return _unpack("ade20k-gray", tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageFolder tree ``{train,val}/WNID/*.JPEG``: 100 classes at 64 x 64."""
    return _unpack("tiny-imagenet-100", tmp_path_factory)


@pytest.fixture(autouse=True)
def event_files_in_order() -> None:
    """TensorBoard reads what one process wrote in one second by the names of the files, in which 10 comes before 9."""
    writer = sys.modules.get("tensorboard.summary.writer.event_file_writer")
    if writer is not None:
        writer._global_uid = writer.AtomicCounter(0)
