"""Whose fault an error is."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import NoReturn

import numpy as np
import torch
from lacking import no_descriptors
from pytest import MonkeyPatch, mark, raises

from backbones.errors import MachineError, UserError
from backbones.machine.lacks import blame_machine, is_lack_of_memory, lack_behind, told

GIGANTIC = 2**60


def raised(function: object, *arguments: object) -> BaseException:
    try:
        function(*arguments)  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def torch_full() -> None:
    torch.empty(GIGANTIC, dtype=torch.uint8)


def numpy_full() -> None:
    np.empty(GIGANTIC, dtype=np.uint8)


def opencv_full() -> None:
    import cv2

    raise cv2.error("OpenCV(4.10.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 12 bytes")


def pillow_full() -> None:
    raise OSError("out of memory error when reading image file")


@mark.parametrize("fill", [torch_full, numpy_full, opencv_full, pillow_full])
def test_no_library_s_lack_of_memory_passes_for_something_else(fill: object) -> None:
    assert is_lack_of_memory(raised(fill))


@mark.parametrize(
    "code", ["EMFILE", "ENFILE", "ENOMEM", "EIO", "ENOSPC", "EACCES", "EPERM", "ESTALE", "ENOLCK", "EROFS"]
)
def test_the_system_s_refusal_is_the_machine_s(code: str) -> None:
    number = getattr(errno, code)
    error = OSError(number, os.strerror(number), "/images/1.jpg")
    assert lack_behind(error) == number
    with raises(MachineError, match=rf"^/images/1\.jpg cannot be read: {os.strerror(number)}; \w+"):
        blame_machine(error, "/images/1.jpg cannot be read")
    assert isinstance(told(error), MachineError)


@mark.parametrize(
    ("text", "code"),
    [
        (
            "Caught PermissionError in DataLoader worker process 0.\nPermissionError: [Errno 13] Denied: '/x'",
            13,
        ),
        ("unable to open shared memory object </torch_1> in read-write mode: Too many open files (24)", errno.EMFILE),
        ("received 0 items of ancdata", errno.EMFILE),
        ("libx.so: cannot open shared object file: Too many open files", errno.EMFILE),
        ("libx.so: failed to map segment from shared object", errno.ENOMEM),
        ("can't start new thread", errno.EAGAIN),
        ("could not create a primitive", errno.ENOMEM),
        ("could not create a primitive descriptor for a convolution", None),
    ],
)
def test_words_of_libraries_are_understood(text: str, code: int | None) -> None:
    assert lack_behind(RuntimeError(text)) == code


@mark.parametrize(
    "error",
    [
        ValueError("image file is truncated"),
        OSError("broken data stream when reading image file"),
        OSError(errno.EINVAL, "Invalid argument"),  # a place before the beginning of a damaged file
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"),
        RuntimeError("shapes [3, 4] and [5, 6] do not fit"),
        KeyError("memory"),
    ],
)
def test_what_a_file_holds_is_not_the_machine_s(error: Exception) -> None:
    assert lack_behind(error) is None
    assert told(error) is None
    blame_machine(error, "it")


def test_an_error_that_hides_the_machine_s_is_the_machine_s() -> None:
    def hidden() -> NoReturn:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError as error:
            raise ValueError("no image in one of the formats") from error

    def meanwhile() -> NoReturn:
        try:
            raise MemoryError
        except MemoryError:
            raise KeyError("state")  # noqa: B904

    def set_aside() -> NoReturn:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("told otherwise") from None

    assert lack_behind(raised(hidden)) == errno.EMFILE
    assert lack_behind(raised(meanwhile)) == errno.ENOMEM
    assert lack_behind(raised(set_aside)) is None


def test_what_a_library_made_of_a_shortage_is_told_as_the_shortage() -> None:
    missed = ImportError("cannot import name 'X' from 'torch'")  # which had passed over the cause
    assert told(missed) is None
    with no_descriptors():
        problem = told(missed)
    assert str(problem).startswith("Too many open files (cannot import name 'X' from 'torch'); allow more")


def test_a_name_that_cannot_be_written_is_told(monkeypatch: MonkeyPatch) -> None:
    problem = told(raised("a table\nof caf\udce9s".encode))
    assert isinstance(problem, UserError)
    assert "caf\\udce9s" in str(problem)
    assert "\n" not in str(problem)


def test_a_defect_in_the_handling_of_a_missing_permission_is_a_defect() -> None:
    def fall_back() -> None:
        try:
            raise PermissionError(errno.EACCES, "denied", "a.png")
        except PermissionError:
            {}["x"]

    assert told(raised(fall_back)) is None


def test_a_full_disk_explains_what_failed_while_it_was_handled() -> None:
    def write() -> None:
        try:
            raise OSError(errno.ENOSPC, "full")
        finally:
            raise RuntimeError("unexpected position")

    assert "No space left" in str(told(raised(write)))


def test_numbers_of_resolvers_and_certificates_are_not_the_systems() -> None:
    for error in (socket.gaierror(-2, "Name or service not known"), ssl.SSLCertVerificationError(1, "verify failed")):
        assert lack_behind(error) == errno.ENETUNREACH
        assert "check the connection" in str(told(error))
