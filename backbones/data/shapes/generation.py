"""Write whole data sets: checked arguments, several processes, all or nothing, equal bytes for equal arguments."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import glob
import hashlib
import itertools
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbones.data.shapes import difficulty
from backbones.data.shapes.layouts import LAYOUTS, list_lines
from backbones.data.shapes.outlines import OBJECT_CLASSES
from backbones.data.shapes.scene import compose_scene
from backbones.errors import UserError
from backbones.files import cache_dir, sha256_file, write_json
from backbones.machine.processes import process_pool

# To be raised by every change that makes other pictures from the same arguments and difficulty.
GENERATOR_VERSION = 1

DESCRIPTION_FILE = "shapes.json"
LEAST_SIZE = 32
_ABANDONED_AFTER = 24 * 60 * 60  # seconds without a new file; who still works writes several in each of them
_CHUNK = 32  # images a process makes between two reports
_DIGEST_MODULUS = 1 << 256
_TOKEN_BYTES = 4

OnImages = Callable[[int], object]


@dataclass(frozen=True)
class _Arguments:
    """What decides the bytes of a data set."""

    images: int
    size: int
    seed: int
    layouts: tuple[str, ...]

    def identity(self) -> dict[str, Any]:
        return {
            "generator": "shapes",
            "generator_version": GENERATOR_VERSION,
            "arguments": dataclasses.asdict(self),
            "difficulty": difficulty.settings(),
        }

    def split_sizes(self) -> tuple[int, int]:
        return self.images, max(self.images // 4, len(OBJECT_CLASSES))


@dataclass(frozen=True)
class _Chunk:
    """Some neighbouring images of a split: ``first`` and ``count`` within it, ``number`` of the first in the layout."""

    layout: str
    split: int
    first: int
    count: int
    number: int


def make_shapes(
    out: str | os.PathLike[str],
    images: int,
    size: int,
    seed: int = 0,
    layouts: Sequence[str] = tuple(LAYOUTS),
    workers: int = 1,
    progress: OnImages | None = None,
) -> Path:
    """Make a data set of ``size`` x ``size`` pictures with ``images`` training images in every layout.

    The validation or test split holds a quarter of that, at least one image per class. ``progress`` is told from time
    to time how many images were made since the last time. The folder appears when it is complete, with a
    ``shapes.json`` that holds the arguments and a digest which no order of writing changes: the sum, modulo 2^256, of
    SHA-256(path, zero byte, SHA-256 of the contents in hexadecimal) over all other files.

    Raises:
        UserError: An argument is out of range, or ``out`` exists and is not an empty folder, or cannot be written.
    """
    arguments = _checked(images, size, seed, layouts, workers)
    target = Path(out).resolve()
    _require_vacant(target)
    _remove_abandoned(target.parent, glob.escape(target.name))
    try:
        with _complete_or_absent(target) as folder:
            _prepare_folders(folder, arguments)
            digest = _write_images(folder, arguments, workers, progress or (lambda count: None))
            digest += _write_lists(folder, arguments)
            sha256 = f"{digest % _DIGEST_MODULUS:064x}"
            write_json(folder / DESCRIPTION_FILE, {**arguments.identity(), "sha256": sha256})
    except OSError as error:
        raise UserError(f"cannot write {out} ({error}); free the place or name another folder") from error
    return Path(out)


def cached_shapes(
    images: int,
    size: int,
    seed: int = 0,
    layouts: Sequence[str] = tuple(LAYOUTS),
    workers: int = 1,
    progress: OnImages | None = None,
) -> Path:
    """The data set of :func:`make_shapes` in the cache folder, made on the first call with these arguments."""
    folder = shapes_folder(images, size, seed, layouts)
    _remove_abandoned(folder.parent, "shapes-*")
    if (folder / DESCRIPTION_FILE).is_file():
        return folder
    try:
        return make_shapes(folder, images, size, seed, layouts, workers, progress)
    except UserError:
        if (folder / DESCRIPTION_FILE).is_file():  # another process was faster, and made the same
            return folder
        raise


def shapes_folder(images: int, size: int, seed: int = 0, layouts: Sequence[str] = tuple(LAYOUTS)) -> Path:
    """Where :func:`cached_shapes` has the data set of these arguments, made or not; its name stands for its bytes."""
    arguments = _checked(images, size, seed, layouts)
    key = hashlib.sha256(json.dumps(arguments.identity(), sort_keys=True).encode()).hexdigest()[:12]
    return cache_dir() / f"shapes-{key}"


def image_count(images: int, layouts: Sequence[str] = tuple(LAYOUTS)) -> int:
    """How many images :func:`make_shapes` makes in all."""
    return len(set(layouts)) * sum(_Arguments(images, 0, 0, ()).split_sizes())


def _checked(images: int, size: int, seed: int, layouts: Sequence[str], workers: int = 1) -> _Arguments:
    unknown = [name for name in layouts if name not in LAYOUTS]
    if unknown or not layouts:
        raise UserError(f"unknown layout {', '.join(unknown) or '(none given)'}; layouts are {', '.join(LAYOUTS)}")
    if images < len(OBJECT_CLASSES):
        raise UserError(f"images is {images}, less than the {len(OBJECT_CLASSES)} classes; ask for one of each or more")
    if size < LEAST_SIZE:
        raise UserError(f"size is {size}; below {LEAST_SIZE} pixels the classes cannot be told apart")
    if seed < 0:
        raise UserError(f"seed is {seed}; it must be 0 or more")
    if workers < 1:
        raise UserError(f"workers is {workers}; it must be 1 or more")
    return _Arguments(images, size, seed, tuple(name for name in LAYOUTS if name in layouts))


def _require_vacant(target: Path) -> None:
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"folder {target} exists and is not empty; delete it or name another one")
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} exists and is not a folder; delete it or name another one")


@contextlib.contextmanager
def _complete_or_absent(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that takes its name at the end, or is removed on any error, Ctrl-C included."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(_TOKEN_BYTES)}.part")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, target)  # refuses, should the target have come to hold something meanwhile
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(parent: Path, name: str) -> None:
    """Remove what processes that were killed left of the targets ``name``, a pattern, in a folder."""
    for folder in parent.glob(f".{name}.{'[0-9a-f]' * 2 * _TOKEN_BYTES}.part"):
        with contextlib.suppress(OSError):  # another process is about to remove it too
            touched = max((os.stat(inside).st_mtime for inside, _, _ in os.walk(folder)), default=math.inf)
            if time.time() - touched > _ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)


def _prepare_folders(folder: Path, arguments: _Arguments) -> None:
    for name in arguments.layouts:
        for path in LAYOUTS[name].folders:
            (folder / path).mkdir(parents=True)


def _chunks(arguments: _Arguments) -> Iterator[_Chunk]:
    for layout in arguments.layouts:
        number = 1
        for split, images in enumerate(arguments.split_sizes()):
            for first in range(0, images, _CHUNK):
                count = min(_CHUNK, images - first)
                yield _Chunk(layout, split, first, count, number)
                number += count


def _write_images(folder: Path, arguments: _Arguments, workers: int, progress: OnImages) -> int:
    """Write the files of all images and return the sum of their digests."""
    chunks = _chunks(arguments)
    total = 0
    if workers == 1:
        for chunk in chunks:
            total += _write_chunk(folder, arguments, chunk)
            progress(chunk.count)
        return total
    for count, digest in _in_processes(folder, arguments, workers, chunks):
        total += digest
        progress(count)
    return total


def _in_processes(
    folder: Path, arguments: _Arguments, workers: int, chunks: Iterator[_Chunk]
) -> Iterator[tuple[int, int]]:
    """Number of images and digest of each chunk, as they are done; only a few chunks are under way at a time."""
    with process_pool(workers, "drawing shapes") as pool:
        waiting: dict[concurrent.futures.Future[int], int] = {}
        while True:
            for chunk in itertools.islice(chunks, 2 * workers - len(waiting)):
                waiting[pool.submit(_write_chunk, folder, arguments, chunk)] = chunk.count
            if not waiting:
                return
            done, _ = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()


def _write_chunk(folder: Path, arguments: _Arguments, chunk: _Chunk) -> int:
    layout = LAYOUTS[chunk.layout]
    layout_number = list(LAYOUTS).index(chunk.layout)
    total = 0
    for offset in range(chunk.count):
        index = chunk.first + offset
        label = index % len(OBJECT_CLASSES)
        key = np.random.SeedSequence([arguments.seed, layout_number, chunk.split, index])
        random = np.random.Generator(np.random.Philox(key))
        scene = compose_scene(random, arguments.size, layout.style, label)
        for path, content in layout.files(scene, label, layout.splits[chunk.split], chunk.number + offset).items():
            (folder / path).write_bytes(content)
            total += _digest(path, hashlib.sha256(content).hexdigest())
    return total


def _write_lists(folder: Path, arguments: _Arguments) -> int:
    """Write the files that list images or classes and return the sum of their digests."""
    paths = []
    for layout in (LAYOUTS[name] for name in arguments.layouts):
        if layout.class_file is not None:
            paths.append(layout.class_file)
            (folder / layout.class_file).write_text("".join(f"{name}\n" for name in layout.class_names))
        if layout.list_file is not None:
            train, test = arguments.split_sizes()
            numbers = (range(1, train + 1), range(train + 1, train + test + 1))
            for split, split_numbers in zip(layout.splits, numbers, strict=True):
                paths.append(layout.list_file.format(split=split))
                with open(folder / paths[-1], "w", encoding="utf-8") as stream:
                    stream.writelines(list_lines(split_numbers))
    return sum(_digest(path, sha256_file(folder / path)) for path in paths)


def _digest(path: str, content_sha256: str) -> int:
    return int(hashlib.sha256(f"{path}\0{content_sha256}".encode()).hexdigest(), 16)
