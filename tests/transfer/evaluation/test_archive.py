"""An archive of results is refused before it is unpacked, if what it says of itself cannot be."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from pytest import fixture, mark, raises

from backbones.errors import UserError
from transfer.evaluation import archive
from transfer.evaluation.archive import read_arrays
from transfer.evaluation.files import read_detections, read_segmentations, write_evaluation
from transfer.evaluation.per_image import (
    DetectionEvaluation,
    EvaluatedImage,
    SegmentationEvaluation,
    SegmentedImage,
)
from transfer.evaluation.pictures.predictions import read_predictions


@fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluation.npz"


def member(shape: str, data: bytes = b"", kind: str = "<f8") -> bytes:
    """An array's file whose header says what is asked for."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def packed(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as whole:
        for name, data in members.items():
            whole.writestr(f"{name}.npy", data)
    return path


def test_arrays_come_back(path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.array(1), "d": np.zeros((0, 4))}
    for save in (np.savez, np.savez_compressed):
        save(path, **arrays)
        read = read_arrays(path)
        assert read.keys() == arrays.keys()
        assert all(np.array_equal(read[name], array) for name, array in arrays.items())


@mark.parametrize(
    ("shape", "data"),
    [
        ("(1000000000000,)", b""),
        ("(10000000000000000000000000,)", b""),
        ("(2, 3)", bytes(8)),
        ("(1,)", bytes(9)),
        ("()", b""),
    ],
)
def test_a_shape_that_its_bytes_do_not_make_is_refused(shape: str, data: bytes, path: Path) -> None:
    packed(path, {"a": member(shape, data)})
    with raises(ValueError, match=r"'a\.npy' of shape .* is not in its \d+ bytes"):
        read_arrays(path)


def test_what_unpacks_to_much_more_is_refused_at_once(path: Path) -> None:
    count = 9 * 2**20  # 72 MB that pack to 70 kB
    packed(path, {"a": member(f"({count},)", bytes(8 * count))})
    begun = time.process_time()
    with raises(ValueError, match=r"bytes of arrays in a file of .*, more than results can be compressed"):
        read_arrays(path)
    assert time.process_time() - begun < 0.1  # unpacking takes several times as long
    packed(path, {"a": member("(2000,)", bytes(16_000))})
    assert not read_arrays(path)["a"].any()  # little of it may be compressed as much


def test_limits_of_size_and_number(path: Path, monkeypatch) -> None:
    np.savez(path, a=np.zeros(100), b=np.zeros(100))
    monkeypatch.setattr(archive, "LARGEST", 1500)
    with raises(ValueError, match="bytes of arrays, more than 1500"):
        read_arrays(path)
    monkeypatch.setattr(archive, "MOST_ARRAYS", 1)
    with raises(ValueError, match="2 arrays, more than 1"):
        read_arrays(path)


def test_what_is_no_file_is_not_read(path: Path) -> None:
    path.symlink_to("/dev/zero")
    with raises(UserError, match=r"evaluation\.npz is damaged \(it is a folder, a pipe or a device\)"):
        read_detections(path)
    path.unlink()
    os.mkfifo(path)
    with raises(UserError, match="it is a folder, a pipe or a device"):
        read_segmentations(path)
    with raises(UserError, match="it is no file"):
        read_predictions(path)


def test_a_file_larger_than_any_is_not_opened(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(archive.LARGEST_FILE + 1)  # takes no place on the disk
    with raises(ValueError, match="it has 1073741825 bytes, more than 1073741824"):
        read_arrays(path)


@mark.parametrize("flags", [0x1, 0x20, 0x40])
def test_members_of_which_zipfile_knows_nothing_are_named(flags: int, path: Path) -> None:
    packed(path, {"a": member("(1,)", bytes(8))}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 8 : entry + 10] = flags.to_bytes(2, "little")
    path.write_bytes(content)
    with raises(ValueError, match=r"'a\.npy' is encrypted, or packed by an unknown method"):
        read_arrays(path)


def test_members_that_cannot_be_unpacked_are_named(path: Path) -> None:
    packed(path, {"a": member("(1,)", bytes(8))}, zipfile.ZIP_LZMA)
    with raises(ValueError, match=r"'a\.npy' is encrypted, or packed by an unknown method"):
        read_arrays(path)
    data = bytearray(packed(path, {"a": member("(1,)", bytes(8))}).read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    path.write_bytes(data)
    with raises(ValueError, match="is encrypted"):
        read_arrays(path)
    packed(path, {"a": member("(1,)", bytes(8), "|O")})
    with raises(ValueError, match="holds Python objects"):
        read_arrays(path)


def write_detections(path: Path) -> None:
    boxes = np.array([[0, 0, 9, 9]], np.float32)
    image = EvaluatedImage(boxes, np.array([1]), np.array([False]), boxes, np.array([0]), np.array([0.5], np.float32))
    write_evaluation(path, DetectionEvaluation(("cat", "dog"), ("a.jpg",), [image]))


def write_segmentations(path: Path) -> None:
    image = SegmentedImage(np.array([0, 3]), np.array([7, 2]))
    write_evaluation(path, SegmentationEvaluation(("cat", "dog"), ("a.jpg",), [image]))


@mark.parametrize(
    ("task", "name", "array", "message"),
    [
        ("detection", "labels", np.array([2], np.int32), "labels counts from 2 to 2, of 2 classes"),
        ("detection", "found_labels", np.array([-1], np.int32), "found_labels counts from -1"),
        ("detection", "boxes", np.zeros((1, 5), np.float32), r"boxes is float32 of shape \(1, 5\)"),
        ("detection", "scores", np.array(["x"]), "scores is <U1"),
        ("detection", "difficult", np.array([3]), "difficult is int64"),
        ("detection", "names", np.array([7]), "names is int64"),
        ("detection", "classes", np.array(["cat"]), "labels counts from 1 to 1, of 1 classes"),
        ("detection", "classes", np.zeros(0, "U1"), "0 classes"),
        ("detection", "classes", np.array("cat"), "unsized"),
        ("segmentation", "classes", np.array(["c"] * 5000), "5000 classes, not 1 to 4096"),
        ("segmentation", "pairs", np.array([0, 4], np.int32), "pairs counts from 0 to 4, of 2 classes"),
        ("segmentation", "pixels", np.array([0.5, 1]), "pixels is float64"),
        ("segmentation", "format", np.array([1]), "format or task is no single value"),
        ("segmentation", "pixels", np.array([-1, 1]), "pixels goes from -1 to 1"),
        ("segmentation", "pixels", np.array([0, 2**62]), "pixels goes from 0 to 4611686018427387904"),
        ("detection", "scores", np.array([np.nan]), "scores goes from nan to nan"),
        ("detection", "scores", np.array([2**62]), "scores goes from 4611686018427387904"),
        ("detection", "found_boxes", np.array([[0, 0, 9, np.nan]]), "found_boxes goes from nan to nan"),
        ("detection", "boxes", np.array([[0, 0, 9, np.inf]]), "boxes goes from 0.0 to inf"),
        ("segmentation", "ends", np.array([2], np.uint64), "ends is uint64"),
    ],
)
def test_arrays_that_no_evaluation_writes_are_refused(
    task: str, name: str, array: np.ndarray, message: str, path: Path
) -> None:
    write, read = {
        "detection": (write_detections, read_detections),
        "segmentation": (write_segmentations, read_segmentations),
    }[task]
    write(path)
    arrays: dict[str, Any] = read_arrays(path)
    assert read(path).names == ("a.jpg",)
    np.savez(path, **{**arrays, name: array})
    with raises(UserError, match=rf"evaluation\.npz is damaged \(.*{message}") as caught:
        read(path)
    assert str(caught.value).splitlines() == [str(caught.value)]


def test_an_array_of_terabytes_is_one_line(path: Path) -> None:
    write_detections(path)
    with np.load(path) as arrays:
        members = {name: saved(array) for name, array in arrays.items()}
    packed(path, {**members, "scores": member("(1000000000000,)")})
    with raises(UserError, match=r"evaluation\.npz is damaged \('scores\.npy' of shape \(1000000000000,\) is not in"):
        read_detections(path)


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
