"""The bootstrap over test images for the runs of a comparison that hold per-image results, remembered by content."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from backbones.errors import UserError
from backbones.files import WriteError, atomic_path, cache_dir, sha256_file
from studies.results.run_record import FIXED, Run
from studies.results.units import Unit, group_by_unit
from studies.statistics.bootstrap import RESAMPLES, SEED, Replicates, resample
from transfer.catalogue import TASKS, load

# To be raised whenever the same file would give other numbers than before.
FORMAT = 3
# What older versions counted otherwise, and by how many points at most it then differs: VOC2007's recalls were taken
# for exact tenths (``transfer.evaluation.voc_ap.eleven_points``), each of which can move a class by an eleventh.
COUNTED_ANEW = {"voc07_map": 100 / 11}
# And what gives the number, from 0 to 1, that older versions counted from the same file.
COUNTED_BEFORE = {"miou": "transfer.evaluation.segmentation:former_miou"}
_ROUNDING = 0.005  # points; results are not rounded, but other machines add in another order
_UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)

Noise = Mapping[Path, Mapping[str, Replicates]]  # result file -> metric -> its replicates


def read_noise(runs: Sequence[Run]) -> Noise:
    """Replicates of the runs that have per-image results beside their ``result.json``.

    Raises:
        UserError: Such a file is damaged, or holds another evaluation than the result beside it.
    """
    wanted = [
        (run, run.path.with_name(name), ending)
        for run in runs
        for name, ending in TASKS[run.task].evaluations.items()
        if run.path.with_name(name).is_file()
    ]
    noise: dict[Path, dict[str, Replicates]] = {}
    for run, path, ending in tqdm(wanted, "noise of the test images", delay=1, leave=False, disable=None):
        for measure, replicates in _remembered(run.task, path).items():
            metric = measure + ending
            if metric in run.metrics:
                _check_same(run, measure, metric, path, replicates.own)
                noise.setdefault(run.path, {})[metric] = replicates
    return noise


def replicates_by_seed(noise: Noise, runs: Sequence[Run], metric: str, arm: str = FIXED) -> dict[Unit, Replicates]:
    """Those of a row's runs in one arm, as ``studies.comparison.cells.values_by_seed`` has the values.

    Several transfers of a training have their mean, resample by resample. A training is left out when one of them has
    no replicates, or when they were tested on different images: an interval would be that of another mean.
    """
    measured = [run for run in runs if run.arm == arm and metric in run.metrics]
    found = {}
    for unit, group in group_by_unit(runs, measured).items():
        known = [noise[run.path][metric] for run in group if metric in noise.get(run.path, {})]
        if len(known) == len(group) and len({each.images for each in known}) == 1:
            found[unit] = _mean(known)
    return found


def _mean(replicates: Sequence[Replicates]) -> Replicates:
    own, values = (np.mean([getattr(each, name) for each in replicates], axis=0) for name in ("own", "values"))
    return replicates[0]._replace(own=float(own), values=values)


def _check_same(run: Run, measure: str, metric: str, path: Path, own: float) -> None:
    if np.isnan(own) or abs(own - run.metrics[metric]) <= _ROUNDING:
        return
    if _was_counted_otherwise(run, measure, metric, path, own):
        run.metrics[metric] = own
    else:
        raise UserError(
            f"{path} gives {metric} {own:.2f} where {run.path} says {run.metrics[metric]:.2f}: they are not of one "
            "evaluation; delete result.json and --resume the run"
        )


def _was_counted_otherwise(run: Run, measure: str, metric: str, path: Path, own: float) -> bool:
    """Whether an older version made the recorded number of this very file."""
    if measure in COUNTED_ANEW:
        return abs(own - run.metrics[metric]) <= COUNTED_ANEW[measure]
    if measure not in COUNTED_BEFORE:
        return False
    evaluation = load(TASKS[run.task].reader)(path)
    return abs(100 * load(COUNTED_BEFORE[measure])(evaluation) - run.metrics[metric]) <= _ROUNDING


def _remembered(task: str, path: Path) -> dict[str, Replicates]:
    """A file's replicates, from the cache folder if that very content was resampled before."""
    key = f"{sha256_file(path)[:32]}-{RESAMPLES}-{SEED}-{FORMAT}"
    record = cache_dir() / "bootstrap" / f"{key}.npz"
    with contextlib.suppress(*_UNREADABLE), np.load(record, allow_pickle=False) as archive:
        images, count = str(archive["images"]), int(archive["count"])
        return {
            str(name): Replicates(images, count, float(own), values)
            for name, own, values in zip(archive["names"], archive["own"], archive["values"], strict=True)
        }
    found = _compute(task, path)
    # A cache that cannot be written costs time and nothing else.
    with contextlib.suppress(WriteError), atomic_path(record) as temporary, temporary.open("wb") as stream:
        first, *_ = found.values()
        own, values = ([getattr(each, name) for each in found.values()] for name in ("own", "values"))
        np.savez(stream, names=list(found), own=own, values=values, images=first.images, count=first.count)
    return found


def _compute(task: str, path: Path) -> dict[str, Replicates]:
    return resample(load(TASKS[task].reader)(path))
