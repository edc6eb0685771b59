"""A classifier from Python: train it, read its results and its bundle (``docs/python.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from backbones.cli.keywords import Limits, as_path, one_of, read_keywords, takes_keywords_of
from backbones.cli.options import fraction, natural_int, positive_float, positive_int
from backbones.errors import UserError
from backbones.files import read_json
from backbones.machine.main_module import main_not_run_again
from backbones.machine.processes import loader_workers
from backbones.machine.user import name_user
from backbones.recipes.recipe import COLORS
from backbones.runs.keeping import KEEPS
from backbones.training.request import ClassificationRequest

if TYPE_CHECKING:
    from backbones.bundles.bundle import Bundle
    from backbones.models import Classifier

LIMITS: Limits = {
    "epochs": positive_int,
    "batch_size": positive_int,
    "learning_rate": positive_float,
    "image_size": positive_int,
    "color": one_of(*COLORS),
    "ema": fraction,
    "clip": positive_float,
    "drop_path": fraction,
    "accumulate": positive_int,
    "seed": natural_int,
    "keep": one_of(*KEEPS),
    "split": fraction,
    "split_seed": natural_int,
    "fraction": fraction,
    "workers": natural_int,
    "precision": one_of("auto", "fp32", "bf16", "fp16"),
}

DEFAULTS = {"out": None, "workers": loader_workers()}


@takes_keywords_of(ClassificationRequest, **DEFAULTS)
def train_classifier(**options: Any) -> dict[str, Any]:
    """Train a classifier by one of the paper's recipes, or go on training it: ``tools/train_cls.py`` from Python.

    The run folder is the same, and the weights are, too. Prints what the command prints. Ctrl-C (in a notebook: stop)
    ends the run after the current batch; the same call with ``resume=True`` goes on with it.

    Args:
        options: Those of the command, with ``_`` for ``-``; ``learning_rate`` is its ``--lr``, and ``switched_on`` and
            ``switched_off`` are lists of what follows its ``--with`` and ``--without``. ``data``, ``network``,
            ``recipe`` and ``out`` are needed (a dry run needs no ``out``). Sizes in images and pixels.
            ``workers`` not given: one loader process per CPU, up to 8, as the command has it.

    Returns:
        The content of ``result.json``: ``metrics`` has ``top1`` and ``top5`` in percent, ``timings`` seconds. Empty
        after a dry run.

    Raises:
        UserError: An argument, the images or the run folder is wrong; messages name options as the command spells them.
        KeyboardInterrupt: Stopped; the run folder holds what ``resume`` needs.
    """
    request = read_keywords("train_classifier", ClassificationRequest, {**DEFAULTS, **options}, LIMITS)
    if request.out is None and not request.dry_run:
        raise UserError("train_classifier() needs out=, except with dry_run")

    from backbones.training.run import run_classification

    name_user()
    with main_not_run_again():
        return run_classification(request)


def read_result(run: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of ``result.json`` of a finished run: a classifier's or a transfer's.

    Args:
        run: Its folder, or the file itself.

    Returns:
        ``metrics`` in percent, ``timings`` in seconds, and what was asked: ``task``, ``recipe``, ``network``, ``seed``,
        and so on; of a transfer also ``per_class``, in percent, and ``proof``.

    Raises:
        UserError: There is no such folder, the run is not finished, or the file is damaged.
    """
    path = as_path(f"read_result({run!r})", run)
    if not path.is_dir():
        return read_json(path)
    if not (path / "result.json").is_file():
        begun = (path / "run.json").is_file()
        raise UserError(
            f"{path} holds no result.json: {'its run is not finished; resume it' if begun else 'it is no run folder'}"
        )
    return read_json(path / "result.json")


def read_bundle(bundle: str | os.PathLike[str]) -> Bundle:
    """A trained trunk with its head, and all that is known about them; every tensor is checked against its checksum.

    Args:
        bundle: A ``backbone.safetensors``, or the folder of the run that wrote it.

    Returns:
        ``input_contract`` (mean and std on the 0-255 scale, channel order, sizes in pixels), ``training`` (recipe,
        seed, classes, top1 in percent, ...), ``feature_info`` (channels and stride of each stage), ``tensors`` by name.

    Raises:
        UserError: It is not there, damaged, or no bundle.
    """
    from backbones.bundles import bundle as bundles
    from backbones.bundles.loading import find_bundle

    as_path(f"read_bundle({bundle!r})", bundle)
    return bundles.read_bundle(find_bundle(bundle, "read_bundle:"))


def read_classifier(bundle: str | os.PathLike[str]) -> Classifier:
    """The network of a bundle with its weights, on the CPU and in evaluation mode.

    It takes images (n, 3, height, width), float, normalised as the bundle's input contract says, and gives logits
    (n, classes). ``.trunk(images)`` gives a list of the last stage's feature maps, ``.trunk.stages(images)`` one of all
    stages', with the channels and strides of ``feature_info``.

    Args:
        bundle: A ``backbone.safetensors``, or the folder of the run that wrote it.

    Raises:
        UserError: It is not there, damaged, no bundle, or one without head.
    """
    from backbones.bundles import loading

    as_path(f"read_classifier({bundle!r})", bundle)
    return loading.trained_classifier(loading.find_bundle(bundle, "read_classifier:"))[1].eval()
