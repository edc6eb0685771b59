"""Transfers from Python: run them, read their per-image results (``docs/python.md``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from backbones.cli.keywords import Limits, as_path, one_of, read_keywords, takes_keywords_of
from backbones.cli.options import fraction, natural_int, positive_int
from backbones.errors import UserError
from backbones.machine.main_module import main_not_run_again
from backbones.machine.user import name_user
from backbones.runs.keeping import KEEPS
from transfer.catalogue import SINGLE_SCALE, load
from transfer.run.request import TransferOptions

if TYPE_CHECKING:
    from transfer.evaluation.per_image import DetectionEvaluation, SegmentationEvaluation

LIMITS: Limits = {
    "seed": natural_int,
    "keep": one_of(*KEEPS),
    "split": fraction,
    "split_seed": natural_int,
    "fraction": fraction,
    "precision": one_of("auto", "fp32", "bf16"),
    "accumulate": positive_int,
    "total_batch": positive_int,
    "workers": natural_int,
    "validate_every": positive_int,
    "tuned_over": natural_int,
}


@takes_keywords_of(TransferOptions)
def to_detection(**options: Any) -> dict[str, Any]:
    """Transfer a trunk to detection: prove that it arrived, train, evaluate. ``tools/transfer_det.py`` from Python.

    The run folder is the same, and prints are. OpenMMLab is imported here, after what makes it work without compiled
    ops; so mmdet and mmseg must not have been imported before. Transfers of both tasks may follow each other in one
    process, in any order.

    Args:
        options: Those of the command, with ``_`` for ``-``. ``config`` (the protocol's file) and ``backbone`` (a
            bundle, the folder of the run that wrote it, "random:NETWORK", or "timm:NAME.TAG" and the like) are needed,
            and ``out``, unless ``dry_run`` or ``dump_config`` is given. ``cfg_options`` is a list of "KEY=VALUE".

    Returns:
        The content of ``result.json``: ``metrics`` and ``per_class`` in percent, ``timings`` in seconds, ``proof``.
        Empty when nothing was to be trained.

    Raises:
        UserError: An argument, the data, the configuration or the bundle is wrong; messages name options as the command
            spells them. ``ProofError``, which is one: the trunk did not arrive, and nothing was trained.
        KeyboardInterrupt: Stopped; the same call with ``resume=True`` goes on at the last checkpoint.
    """
    return _transfer("to_detection", "transfer.tasks.detection:DETECTION", options)


@takes_keywords_of(TransferOptions)
def to_segmentation(**options: Any) -> dict[str, Any]:
    """Transfer a trunk to segmentation: ``tools/transfer_seg.py`` from Python. All else as ``to_detection``."""
    return _transfer("to_segmentation", "transfer.tasks.segmentation:SEGMENTATION", options)


def read_detections(run: str | os.PathLike[str]) -> DetectionEvaluation:
    """What a detector found on each test image, and what is there, as arrays.

    Args:
        run: The folder of a finished transfer to detection, or ``evaluation.npz`` in it.

    Returns:
        ``classes``; ``names`` of the image files, relative to the data set; ``images``, in the same order, each with
        ``found_boxes`` (m, 4) as x1, y1, x2, y2 in pixels, ``found_labels`` (m,) counted from 0, ``scores`` (m,) from 0
        to 1, and the annotated ``boxes`` (n, 4), ``labels`` (n,), ``difficult`` (n,).

    Raises:
        UserError: It is not there, damaged, or another task's.
    """
    from transfer.evaluation import files

    return files.read_detections(_evaluation_file("read_detections", run))


def read_segmentations(run: str | os.PathLike[str]) -> SegmentationEvaluation:
    """The confusion of classes on each test image, as arrays.

    Args:
        run: The folder of a finished transfer to segmentation, or ``evaluation.npz`` in it; of one with
            ``multi_scale=True`` also its ``evaluation_multi_scale.npz``.

    Returns:
        ``classes``; ``names`` of the image files, relative to the data set; ``confusion(i)`` of image i, and
        ``confusion()`` of all: pixels (classes, classes) by label (row) and prediction (column).

    Raises:
        UserError: It is not there, damaged, or another task's.
    """
    from transfer.evaluation import files

    return files.read_segmentations(_evaluation_file("read_segmentations", run))


def _transfer(function: str, task: str, given: dict[str, Any]) -> dict[str, Any]:
    options = read_keywords(function, TransferOptions, given, LIMITS)
    _check_together(function, options)

    from transfer.openmmlab import ops_bridge

    try:
        ops_bridge.install()
    except RuntimeError as error:
        raise UserError(
            f"{function}(): {error}; restart Python (in a notebook: its kernel), and call this before anything imports "
            "mmdet or mmseg"
        ) from None
    from backbones.runs.fingerprint import code_fingerprint
    from transfer.openmmlab import trunk
    from transfer.run.run import run_transfer

    # A command reads each of its files once. Here they may have been written anew since the last call.
    trunk._open.cache_clear()
    code_fingerprint.cache_clear()
    name_user()
    with main_not_run_again():
        return run_transfer(cast(Any, load(task)), options)


def _check_together(function: str, options: TransferOptions) -> None:
    """As ``transfer.run.options.parse_transfer_options``."""
    if options.dry_run and options.dump_config:
        raise UserError(f"{function}() takes dry_run or dump_config, not both")
    if not (options.out or options.dry_run or options.dump_config):
        raise UserError(f"{function}() needs out=, except with dry_run or dump_config")
    if options.split_seed and options.split is None:
        raise UserError(f"{function}() takes split_seed with split alone")
    if options.dump_config and (options.validate_every or options.tensorboard):
        raise UserError(f"{function}(dump_config=...) holds no validate_every and no tensorboard")


def _evaluation_file(function: str, run: str | os.PathLike[str]) -> Path:
    path = as_path(f"{function}({run!r})", run)
    if path.is_dir():
        if not (path / SINGLE_SCALE).is_file():
            raise UserError(f"{path} holds no {SINGLE_SCALE}; is it the folder of a finished transfer?")
        return path / SINGLE_SCALE
    if path.is_file() and path.suffix != ".npz":
        raise UserError(f"{path} is not a run's {SINGLE_SCALE}; give that file, or the run folder")
    return path
