"""Whether runs may stand in one comparison: measured alike, each in a place of its own, on their row's backbone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from backbones.errors import UserError
from backbones.files import sha256_file
from studies.results.run_record import Run
from transfer.catalogue import TUNABLE_KEYS

# Two notes of one measurement may differ by rounding, two measurements hardly agree this well.
ROUNDING = 0.01


def check_comparable(runs: Sequence[Run]) -> None:
    """Check the finished runs of a comparison.

    Raises:
        UserError: Runs of a task that were not measured alike, two runs that claim the same place, or runs of a row
            with different backbones; the message names both files.
    """
    _check_same_measurement(runs)
    _check_no_duplicates(runs)
    _check_backbones(runs)


def _check_same_measurement(runs: Sequence[Run]) -> None:
    """Within a task, one downstream configuration but for what was tuned, and one data set."""
    fixed = [run for run in runs if not run.tuned]
    for one, other in _disagreement(fixed, lambda run: run.task, lambda run: run.config_hash):
        raise UserError(
            f"{one.path} and {other.path}: the downstream configurations differ (config_hash {one.config_hash} and "
            f"{other.config_hash}), so their {one.task} results cannot be compared; {_how_to_see(one, other)}. Repeat "
            "one of them with the other's configuration, or keep them in different folders; what a search has "
            "chosen is marked with --tuned-over"
        )
    _check_same_but_tuned([*fixed, *(run for run in runs if run.tuned)])
    for one, other in _disagreement(runs, lambda run: run.task, lambda run: run.fingerprint):
        raise UserError(
            f"{one.path} and {other.path}: the {one.task} data differ (fingerprint {one.fingerprint} and "
            f"{other.fingerprint}), so the results cannot be compared. Repeat one of them on the other's data, or keep "
            "them in different folders"
        )


def _check_same_but_tuned(runs: Sequence[Run]) -> None:
    """Tuned runs differ from their task's first run, a fixed one if there is any, in nothing but what may be tuned."""
    for one, other in _disagreement(runs, lambda run: run.task, lambda run: run.fixed_hash):
        if other.tuned:
            raise UserError(
                f"{one.path} and {other.path}, which is tuned: the downstream configurations differ in more than "
                f"{', '.join(TUNABLE_KEYS)} (fixed_hash {one.fixed_hash} and {other.fixed_hash}), so their {one.task} "
                f"results cannot be compared; {_how_to_see(one, other)}. Tune with the rest as it is in the other, or "
                "keep them in different folders"
            )


def _how_to_see(one: Run, other: Run) -> str:
    dumped = [run.path.parent / "openmmlab" / f"{run.protocol}.py" for run in (one, other)]
    if all(file.is_file() for file in dumped):
        return f"see: diff {dumped[0]} {dumped[1]}"
    return "see 'protocol' and 'command' in both files"


def _check_no_duplicates(runs: Iterable[Run]) -> None:
    """No two runs of a row, task, arm and seed, unless they are known to transfer different trainings."""
    seen: dict[Hashable, list[Run]] = {}
    for run in runs:
        earlier = seen.setdefault((run.task, run.row, run.seed, run.arm), [])
        first = next((each for each in earlier if not _of_different_trainings(each, run)), None)
        if first is not None:
            raise UserError(
                f"{first.path} and {run.path} are both {'tuned ' if run.tuned else ''}{run.task} of {run.recipe} "
                f"({run.network}) with seed {run.seed}; move one of them out of the tree"
            )
        earlier.append(run)


def _of_different_trainings(one: Run, other: Run) -> bool:
    checksums = {run.backbone.get("sha256") for run in (one, other)}
    return len(checksums) == 2 and None not in checksums


def _check_backbones(runs: Sequence[Run]) -> None:
    """Within a row, one backbone per training seed, and the one whose classification run is in the tree."""
    trained: dict[tuple[tuple[str, str], int | None], Run] = {
        (run.row, run.seed): run for run in runs if run.task == "classification"
    }
    transfers = [run for run in runs if run.task != "classification"]
    for one, other in _disagreement(
        transfers, lambda run: (run.row, run.backbone.get("seed")), lambda run: run.backbone.get("sha256")
    ):
        raise UserError(
            f"{one.path} and {other.path} are of one row, {one.recipe} ({one.network}), but of different backbones "
            f"(sha256 {one.backbone['sha256']:.12} and {other.backbone['sha256']:.12}); repeat one with the other's"
        )
    for run in transfers:
        source = trained.get((run.row, run.backbone.get("seed")))
        if source is not None:
            _check_pair(run, source)


def _check_pair(transfer: Run, source: Run) -> None:
    """The transferred backbone is the one that the classification run wrote, so that its top-1 is the row's."""
    mine, theirs = transfer.backbone.get("top1"), source.metrics.get("top1")
    if mine is not None and theirs is not None and abs(mine - theirs) > ROUNDING:
        raise UserError(
            f"{transfer.path} transferred a backbone of top-1 {mine:.2f}, but {source.path} says {theirs:.2f}: not the "
            "same training; repeat the transfer with that run's backbone"
        )
    bundle, checksum = source.path.parent / "backbone.safetensors", transfer.backbone.get("sha256")
    if checksum is not None and bundle.is_file() and sha256_file(bundle) != checksum:
        raise UserError(
            f"{transfer.path} transferred other weights (sha256 {checksum:.12}) than {bundle}, whose top-1 stands in "
            "its row; repeat the transfer with that bundle, or move one of the two runs out of the tree"
        )


def _disagreement(
    runs: Iterable[Run], group: Callable[[Run], Hashable], value: Callable[[Run], str | None]
) -> Iterator[tuple[Run, Run]]:
    """Pairs of a group's first run and one with another value; runs without a value are left out."""
    first: dict[Hashable, Run] = {}
    for run in runs:
        if value(run) is not None:
            known = first.setdefault(group(run), run)
            if value(known) != value(run):
                yield known, run
