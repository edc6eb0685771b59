"""The bound on what loader workers have ready."""

from __future__ import annotations

import os
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from pytest import MonkeyPatch, mark, raises

from backbones.data.prefetch import PREFETCHED_BYTES, PREFETCHED_PIECES, plan_prefetch
from backbones.errors import UserError

PHOTO = 3 * 224 * 224


def pretend_room(patch: MonkeyPatch, free_bytes: int) -> None:
    status = SimpleNamespace(f_bavail=free_bytes // 4096, f_blocks=1 << 20, f_frsize=4096, f_flag=0)
    patch.setattr(os, "statvfs", lambda path: status)


@given(st.integers(1, 512), st.integers(1, 4000), st.integers(20, 36), st.integers(1, 8))
def test_never_more_than_a_gibibyte_nor_half_of_what_is_free(
    workers: int, size: int, free_exponent: int, processes: int
) -> None:
    free, image = 1 << free_exponent, 3 * size**2
    with MonkeyPatch.context() as patch:
        pretend_room(patch, free)
        patch.setenv("LOCAL_WORLD_SIZE", str(processes))
        bound = min(PREFETCHED_BYTES, free // processes // 2)
        if image > bound // workers:
            with raises(UserError, match=f"too small for {workers} loader workers.*--workers.*--shm-size"):
                plan_prefetch(image, workers)
            return
        images, pieces = plan_prefetch(image, workers)
    assert images >= 1
    assert 1 <= pieces <= PREFETCHED_PIECES
    assert workers * images * pieces * image <= bound


@mark.parametrize(("workers", "images"), [(2, 111), (16, 111), (64, 27)])
def test_an_ordinary_machine(monkeypatch: MonkeyPatch, workers: int, images: int) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    pretend_room(monkeypatch, 64 << 30)
    assert plan_prefetch(PHOTO, workers) == (images, PREFETCHED_PIECES)


def test_without_workers_nothing_is_shared(monkeypatch: MonkeyPatch) -> None:
    pretend_room(monkeypatch, 0)
    assert plan_prefetch(PHOTO, 0).images > 10**9


def test_without_such_a_file_system_the_bound_is_a_gibibyte(monkeypatch: MonkeyPatch) -> None:
    def missing(path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "statvfs", missing)
    images, pieces = plan_prefetch(PHOTO, 64)
    assert 64 * images * pieces * PHOTO <= PREFETCHED_BYTES
