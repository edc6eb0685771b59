"""OpenMMLab's iteration and evaluation, as it comes or tuned, against ours, in turn, with their losses and memory."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from benchmarks.harness.contender import Contender, race
from benchmarks.harness.findings import Aim, Findings, SideBySide, compare
from benchmarks.harness.loss_spread import loss_figures
from benchmarks.subjects.openmmlab_loops import Work, ours, stock, tuned_stock

STOCK, OURS, FP32, OTHER = "stock", "ours", "ours in float32", "stock, another seed"
TUNED = "stock, tuned"
PEERS = {STOCK: stock, TUNED: tuned_stock}
GIB = 2**30


def compare_both(works: dict[str, Work], aim: float, losses_of: str | None, peer: str = STOCK) -> Findings:
    """Training and evaluation of each work; for one of them also the losses of ours in float32 and of another seed.

    Args:
        works: By what the document calls them.
        aim: How many times as fast as stock ours is to train.
        losses_of: The one of them.
        peer: Whom ours is compared with: one of ``PEERS``.
    """
    comparisons: list[SideBySide] = []
    figures: dict[str, dict[str, float]] = {}
    for title, work in works.items():
        found, losses = _compare(title, work, aim, figures, peer)
        comparisons += found
        if title == losses_of:
            for name, line in loss_figures(losses | _more_losses(work), STOCK).items():
                figures.setdefault(f"{title}, {name}", {}).update(line)
    return Findings(tuple(comparisons), figures)


def _compare(
    title: str, work: Work, aim: float, figures: dict[str, dict[str, float]], peer: str
) -> tuple[list[SideBySide], dict[str, list[float]]]:
    rounds = work.turns - 1
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Contender(program, work.steps, (work,), work.folder / f"{name}.log"))
            for name, program in ((peer, PEERS[peer]), (OURS, ours))
        }
        training = race(contenders, rounds)
        for name, contender in contenders.items():
            figures[f"{title}, {name}"] = {"peak memory in training, GiB": contender.peak_bytes / GIB}
        losses = {name: contender.losses for name, contender in contenders.items()}
        evaluation = race(contenders, rounds)
    images = work.steps * work.batch
    trained = compare(f"{title}, training", "images/s", images, training, (Aim(OURS, peer, aim),))
    evaluated = compare(f"{title}, evaluation", "images/s", work.images, evaluation, (Aim(OURS, peer, 1.0),))
    return [trained, evaluated], losses


def _more_losses(work: Work) -> dict[str, list[float]]:
    """Of ours without bf16, and of stock from the same weights with other images and draws."""
    found = {}
    for name, program, arguments in (
        (FP32, ours, (work, "fp32")),
        (OTHER, stock, (replace(work, seed=work.seed + 1),)),
    ):
        with Contender(program, work.steps, arguments, work.folder / f"{name}.log") as contender:
            for _ in range(work.turns):
                contender.turn()
            found[name] = contender.losses
    return found
