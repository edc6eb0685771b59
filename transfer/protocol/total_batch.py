"""The total batch of a transfer: its protocol's, however many processes and passes share it, or another one by name.

A protocol states learning rate and lengths for ``base_batch_size`` images to an update. A run cuts these over its
processes, and each process its own into ``accumulate`` parts (``transfer.openmmlab.passes``). Updates, epochs and
learning rates stay the same; BatchNorm sees the cuts, and whatever the losses of a pass are averaged over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbones.errors import UserError

if TYPE_CHECKING:  # the plan of a suite cuts the batches of classifiers too
    from mmengine.config import Config

# Lengths of mmengine's schedulers, counted in iterations where ``by_epoch`` is False.
SCHEDULER_LENGTHS = ("begin", "end", "T_max", "step_size", "milestones", "periods", "restarts", "total_steps")
# Their decay is one per iteration, and no length.
WITHOUT_LENGTH = ("ExponentialLR", "ReduceOnPlateauLR")
ENDLESS_SAMPLER = "InfiniteSampler"  # mmengine's
WITHOUT_END = 10**9  # mmengine's ``end`` of a schedule that goes on as long as the training


@dataclass(frozen=True)
class TotalBatch:
    """``total`` images to an update, in equal shares of ``processes``, each in ``accumulate`` equal parts."""

    total: int
    processes: int = 1
    accumulate: int = 1

    @property
    def per_process(self) -> int:
        """Images that a process loads for an update."""
        return self.total // self.processes

    @property
    def images(self) -> int:
        """Images of one forward and backward pass."""
        return self.total // (self.processes * self.accumulate)

    def __str__(self) -> str:
        images = f"{self.images} image{'s' if self.images > 1 else ''}"
        cuts = {"parts": self.accumulate, "processes": self.processes}
        shown = [images, *(f"{count} {name}" for name, count in cuts.items() if count > 1)]
        return f"{self.total} = {' x '.join(shown)}" if len(shown) > 1 else str(self.total)


def cut(total: int, processes: int, accumulate: int = 1) -> TotalBatch:
    """Cut a total batch.

    Raises:
        UserError: It has no equal shares; the message says what has.
    """
    if total % (processes * accumulate) == 0:
        return TotalBatch(total, processes, accumulate)
    shares = [number for number in range(1, total + 1) if total % number == 0]
    fitting = _listed([number for number in shares if total % (number * accumulate) == 0])
    ways = [f"as many processes as {fitting}"] if fitting else []
    if total % processes == 0:
        ways.append(f"--accumulate {_listed([number for number in shares if total % (processes * number) == 0])}")
    raise UserError(
        f"the total batch of {total} images cannot be cut into {processes} processes x {accumulate} parts of "
        f"--accumulate: take {', or '.join(ways) or '--accumulate 1'}; or name another batch, a multiple of "
        f"{processes * accumulate}, with --total-batch"
    )


def most_processes(total: int, accumulate: int, available: int) -> int:
    """The largest number of processes, of those available, among which a total batch can be cut; at least 1."""
    return max((number for number in range(1, available + 1) if total % (number * accumulate) == 0), default=1)


def _listed(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last


def settle_batch(
    config: Config, asked: int | None, processes: int, accumulate: int
) -> tuple[TotalBatch, str, tuple[str, ...]]:
    """Cut the total batch, and have learning rate and lengths follow one that is not the protocol's.

    Args:
        config: As its protocol and the options state it.
        asked: Images to an update; None for the protocol's.
        processes: That share the training.
        accumulate: Parts of each one's images.

    Returns:
        The batch, its learning rate as arithmetic, and what has changed in length.

    Raises:
        UserError: As ``cut`` and ``move_to``.
    """
    stated, base = config.optim_wrapper.optimizer.lr, config.base_batch_size
    batch = cut(asked or base, processes, accumulate)
    moved = move_to(config, batch.total)
    return batch, describe_rate(stated, base, batch), moved


def move_to(config: Config, total: int) -> tuple[str, ...]:
    """Train with another total batch: the learning rate in proportion, iterations in inverse proportion.

    So the epochs stay, and so does the place of every change of the learning rate in them.

    Returns:
        What has changed in length, each as arithmetic; empty where the batch is the protocol's.

    Raises:
        UserError: A schedule whose decay per iteration is no length.
    """
    base = config.base_batch_size
    if total == base:
        return ()
    config.optim_wrapper.optimizer.lr = scaled_rate(config.optim_wrapper.optimizer.lr, base, total)
    config.base_batch_size = total
    moved = []
    for place, section, key in _lengths(config, total):
        before = section[key]
        many = isinstance(before, (list, tuple))
        section[key] = [_moved(value, base, total) for value in before] if many else _moved(before, base, total)
        moved.append(f"{place} {before} x {base} / {total} = {section[key]}")
    return tuple(moved)


def scaled_rate(rate: float, base: int, total: int) -> float:
    """A learning rate that is stated for ``base`` images, for ``total``."""
    return rate * total / base


def _moved(length: int, base: int, total: int) -> int:
    if length == 0 or length >= WITHOUT_END:
        return length
    return max(1, math.floor(length * base / total + 0.5))


def _lengths(config: Config, total: int) -> Iterator[tuple[str, Any, str]]:
    """Dotted key, section and key of everything that counts iterations."""
    if config.train_cfg.get("max_iters") is not None:
        yield "train_cfg.max_iters", config.train_cfg, "max_iters"
    schedulers = config.get("param_scheduler") or []
    for number, scheduler in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
        if scheduler.get("by_epoch", True):
            continue
        place = "param_scheduler" if isinstance(schedulers, dict) else f"param_scheduler.{number}"
        if scheduler.type in WITHOUT_LENGTH:
            raise UserError(
                f"--total-batch {total}: {place} is {scheduler.type} by iterations, which has no length to move; "
                "state it by epochs"
            )
        yield from ((f"{place}.{key}", scheduler, key) for key in SCHEDULER_LENGTHS if scheduler.get(key))


def require_whole_batch(config: Config, images: int, batch: TotalBatch, asked: int | None, protocol: str) -> None:
    """See that an epoch has one whole batch: a smaller one is trained at the learning rate of the whole, if at all.

    Samplers that never end fill their batches from the next round, and may have as few images as they like.

    Args:
        config: Of the run.
        images: Of the training set.
        batch: Of an update.
        asked: Images to an update, where they are not the protocol's.
        protocol: Its name.

    Raises:
        UserError: The training set is smaller; the message says by how much and what to type.
    """
    loader = config.train_dataloader
    there = images * _repetitions(loader.dataset)
    if there >= batch.total or (loader.get("sampler") or {}).get("type") == ENDLESS_SAMPLER:
        return
    repeated = f" (each taken {there // images} times in an epoch)" if there > images else ""
    short = f"the training set has only {images} images{repeated}, fewer than"
    parts = batch.processes * batch.accumulate
    fitting = there // parts * parts
    remedy = f"give a smaller one, --total-batch {fitting} or less, and learning rate and lengths follow"
    if not fitting:
        remedy = f"and than its {parts} parts, processes x --accumulate: use fewer, with --total-batch {there} or less"
    if asked:
        raise UserError(f"--total-batch {asked}: {short} that; {remedy}")
    raise UserError(f"{short} the batch of the protocol: {protocol} has {batch.total} images to a batch; {remedy}")


def epochs(config: Config, images: int | None) -> float | None:
    """How often every training image is seen; of a protocol by iterations None where nobody knows how many there are.

    Args:
        config: With its total batch in ``base_batch_size``.
        images: Of the training set.
    """
    if config.train_cfg.get("max_epochs") is not None:
        return float(config.train_cfg.max_epochs * _repetitions(config.train_dataloader.dataset))
    return config.train_cfg.max_iters * config.base_batch_size / images if images else None


def describe_epochs(config: Config, images: int | None) -> str:
    """The epochs as arithmetic, where they are not what the protocol counts."""
    number = epochs(config, images)
    if number is None or config.train_cfg.get("max_epochs") is None:
        iterations, total = config.train_cfg.max_iters, config.base_batch_size
        if number is None:
            return f"{iterations} iterations of {total} images"
        return f"{number:.1f} epochs = {iterations} iterations x {total} / {images} images"
    times = _repetitions(config.train_dataloader.dataset)
    repeated = f" = {config.train_cfg.max_epochs} x {times} repetitions" if times > 1 else ""
    return f"{number:g} epoch{'s' if number > 1 else ''}{repeated}"


def _repetitions(dataset: Any) -> int:
    """How often a data set's wrappers repeat each image in what mmengine counts as an epoch."""
    times = 1
    while "dataset" in dataset:
        times *= dataset.get("times", 1)
        dataset = dataset.dataset
    return times


def describe_rate(stated: float, base: int, batch: TotalBatch) -> str:
    """The learning rate, as arithmetic where it is not the protocol's, and the batch that it is for."""
    if batch.total == base:
        return f"{stated:g} (the protocol's, for its total batch of {batch})"
    return f"{stated:g} / {base} x {batch.total} = {scaled_rate(stated, base, batch.total):g} (total batch {batch})"
