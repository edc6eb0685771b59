"""Which images go where: every one as often as it should, in one process and in several."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import raises

from backbones.data.sampling import TrainingRequests, ValidationRequests, count_steps
from backbones.errors import UserError


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5), st.integers(1, 4))
@settings(deadline=None)
def test_an_epoch_visits_each_image_at_most_once(images: int, batch_size: int, seed: int, epochs: int) -> None:
    if batch_size > images:
        with raises(UserError, match=f"--batch-size {batch_size}.*only {images} images"):
            count_steps(images, batch_size)
        return
    steps = count_steps(images, batch_size)
    requests = list(TrainingRequests(images, batch_size, seed, 0, epochs * steps))
    assert [request.epoch for request in requests] == [epoch for epoch in range(epochs) for _ in range(steps)]
    for epoch in range(epochs):
        seen = np.concatenate([request.indices for request in requests if request.epoch == epoch])
        assert len(set(seen.tolist())) == len(seen) == steps * batch_size > images - batch_size
        assert set(seen.tolist()) <= set(range(images))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 20), st.integers(0, 5), st.data())
@settings(deadline=None)
def test_shards_side_by_side_are_the_whole_batches(
    shards: int, share: int, steps: int, more_images: int, seed: int, data: st.DataObject
) -> None:
    batch_size = shards * share
    total = 2 * steps + 1
    first = data.draw(st.integers(0, total))
    images = steps * batch_size + more_images
    whole = list(TrainingRequests(images, batch_size, seed, first, total))
    parts = [TrainingRequests(images, batch_size, seed, first, total, shard, shards) for shard in range(shards)]
    assert len(whole) == total - first
    for request, *shares in zip(whole, *parts, strict=True):
        assert {part.epoch for part in shares} == {request.epoch}
        assert [len(part.indices) for part in shares] == [share] * shards
        assert np.concatenate([part.indices for part in shares]).tolist() == request.indices.tolist()


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    with raises(UserError, match=r"--batch-size 10 cannot be cut into 4 processes x 1 parts.*take a multiple of 4"):
        TrainingRequests(100, 10, 0, 0, 1, shard=0, shards=4)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 7))
def test_validation_visits_each_image_exactly_once(images: int, batch_size: int, shards: int) -> None:
    seen = []
    for shard in range(shards):
        requests = list(ValidationRequests(images, batch_size, shard, shards))
        assert all(request.epoch is None and 0 < len(request.indices) <= batch_size for request in requests)
        own = [index for request in requests for index in request.indices.tolist()]
        assert own == list(range(shard, images, shards))
        seen += own
    assert sorted(seen) == list(range(images))
