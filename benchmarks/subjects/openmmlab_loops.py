"""Training iterations and evaluation by OpenMMLab's own runner and configuration, and by ours, of one network.

Stock is what the installed mmdet and mmsegmentation ship: ``faster-rcnn_r50_fpn_1x_voc0712`` and
``fcn_r50-d8_4xb4-80k_ade20k-512x512``, built by mmengine's ``Runner``, in float32 and NCHW. Ours is ``run_transfer``
with ``det_configs`` and ``seg_configs``, from the checks of the data to ``result.json``. Both get the same network,
data, pipeline, batch, image size and optimizer; initial weights and random seeds too, so that their losses can be
compared.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.hub import get_config
from mmengine.runner import Runner

from backbones.runs.fingerprint import ROOT
from benchmarks.harness.contender import TurnReporter
from benchmarks.subjects.openmmlab_hook import TurnsHook, set_hook
from benchmarks.subjects.same_weights import load_ours, load_stock, save_stock
from transfer.openmmlab import ops_bridge
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.segmentation import SEGMENTATION
from transfer.tasks.task import Task, innermost_datasets, set_data_root

TASKS: dict[str, Task] = {task.name: task for task in (DETECTION, SEGMENTATION)}
STOCK = {
    "detection": "mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py",
    "segmentation": "mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py",
}
OURS = {"detection": "det_configs/faster_rcnn_fpn_voc0712.py", "segmentation": "seg_configs/fcn_os8_ade20k.py"}
LETTER = {"detection": "b", "segmentation": "c"}  # mmdet's ResNet is this project's B, mmsegmentation's V1c its C
NEVER = 10**9
PROTOCOL_BATCH = 16  # what both learning rates are stated for


@dataclass(frozen=True)
class Work:
    """What both do.

    ``size`` is (long, short) edge of a resized detection image, or the side of a segmentation crop; ``turns`` of
    ``steps`` iterations, then of ``images`` evaluated images. ``weights`` passes the first one's initial weights on.
    ``protocol`` is ours where it is not the task's usual one.
    """

    task: str
    depth: int
    size: tuple[int, int]
    batch: int
    data: Path
    folder: Path
    turns: int
    steps: int
    images: int
    seed: int = 0
    protocol: str | None = None

    @property
    def weights(self) -> Path:
        """The initial weights, by stock's names."""
        return self.folder / "initial.pt"

    @property
    def network(self) -> str:
        """Ours."""
        return f"resnet{self.depth}_{LETTER[self.task]}"

    @property
    def learning_rate(self) -> float:
        """Of both, scaled to the batch."""
        return 0.01 * self.batch / PROTOCOL_BATCH


def stock(reporter: TurnReporter, work: Work) -> None:
    """Train and evaluate with what OpenMMLab ships; leaves its initial weights behind unless there are some."""
    ops_bridge.install()
    _run_stock(reporter, work, stock_config(work))


def tuned_stock(reporter: TurnReporter, work: Work) -> None:
    """``stock`` with what its own configuration can be asked for to be quick (``tune``)."""
    ops_bridge.install()
    _run_stock(reporter, work, tune(stock_config(work), get_device() != "cpu"))


def tune(config: Config, gpu: bool) -> Config:
    """Whatever OpenMMLab's own settings offer for speed on this device.

    Everywhere: PyTorch's fused SGD, BatchNorm folded into convolutions where it keeps its statistics
    (``efficient_conv_bn_eval``), loader processes that stay. On a GPU also 16 bits (``--amp``; mmengine refuses them on
    a CPU), cuDNN's own choice of algorithms, pinned memory. channels_last is none of them.
    """
    config.optim_wrapper.optimizer.fused = True
    if config.model.backbone.get("norm_eval"):
        config.efficient_conv_bn_eval = ["backbone"]
    for split in ("train", "test"):
        config[f"{split}_dataloader"].persistent_workers = config[f"{split}_dataloader"].num_workers > 0
    if gpu:
        config.optim_wrapper.update(type="AmpOptimWrapper", dtype="bfloat16")
        config.env_cfg.cudnn_benchmark = True
        config.train_dataloader.pin_memory = config.test_dataloader.pin_memory = True
    return config


def _run_stock(reporter: TurnReporter, work: Work, config: Config) -> None:

    def start(runner: Runner) -> None:
        if work.weights.exists():
            load_stock(runner.model, work.weights)
        else:
            save_stock(runner.model, work.weights, work.network)

    set_hook(TurnsHook(reporter, work.images, work.seed, start))
    importlib.import_module(f"{TASKS[work.task].framework}.utils").register_all_modules()
    runner = Runner.from_cfg(config)
    runner.train()
    runner.test()


def ours(reporter: TurnReporter, work: Work, precision: str = "auto") -> None:
    """Train and evaluate with ``run_transfer``, from the weights that stock has left, if it has."""
    ops_bridge.install()  # before the configuration is read, which imports from OpenMMLab

    def start(runner: Runner) -> None:
        if work.weights.exists():
            load_ours(runner.model, work.weights, work.network)

    set_hook(TurnsHook(reporter, work.images, work.seed, start))
    path = work.folder / f"ours_{precision}.py"
    our_config(work).dump(path)
    options = TransferOptions(
        config=str(path),
        backbone=f"random:{work.network}",
        out=str(work.folder / f"ours_{precision}"),
        data=str(work.data),
        seed=work.seed,
        precision=precision,
        allow_shared_images=True,  # both splits have the same few pictures
    )
    run_transfer(TASKS[work.task], options)


def stock_config(work: Work) -> Config:
    """OpenMMLab's own configuration with what ``Work`` asks for."""
    config = get_config(STOCK[work.task])
    config.work_dir = str(work.folder / f"stock_{work.seed}")
    config.train_dataloader.batch_size = work.batch
    config.randomness = dict(seed=work.seed)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.optim_wrapper.optimizer.lr = work.learning_rate
    set_data_root(config, work.data)
    _STOCK_MODEL[work.task](config.model, work)
    return _for_turns(config, work)


def our_config(work: Work) -> Config:
    """This project's configuration with what ``Work`` asks for, and with stock's protocol where the two differ."""
    config = Config.fromfile(ROOT / (work.protocol or OURS[work.task]))
    theirs = get_config(STOCK[work.task])
    if work.task == "segmentation":
        _follow(config, theirs, work.size[0])
    config.base_batch_size = work.batch
    config.optim_wrapper.optimizer.lr = work.learning_rate
    return _for_turns(config, work)


def _stock_detector(model: ConfigDict, work: Work) -> None:
    model.backbone.update(depth=work.depth, init_cfg=None)
    if work.depth < 50:
        model.neck.in_channels = [64, 128, 256, 512]
    # mmcv's own RoIAlign would need its compiled extension; the bridge's is ours.
    model.roi_head.bbox_roi_extractor.roi_layer.use_torchvision = True


def _stock_segmentor(model: ConfigDict, work: Work) -> None:
    model.update(pretrained=None)
    model.data_preprocessor.size = work.size
    for part in (model.backbone, model.decode_head, model.auxiliary_head):
        part.norm_cfg = dict(type="BN", requires_grad=True)  # SyncBN does not run on a CPU


_STOCK_MODEL: dict[str, Callable[[ConfigDict, Work], None]] = {
    "detection": _stock_detector,
    "segmentation": _stock_segmentor,
}


def _follow(config: Config, theirs: Config, crop: int) -> None:
    """mmsegmentation's head, loss weights, pipelines and optimizer instead of GluonCV's."""
    model = config.model
    model.data_preprocessor.size = (crop, crop)
    model.decode_head.update(num_convs=2, concat_input=True)
    model.auxiliary_head.loss_decode.loss_weight = theirs.model.auxiliary_head.loss_decode.loss_weight
    for split in ("train", "test"):
        config[f"{split}_dataloader"].dataset.pipeline = theirs[f"{split}_dataloader"].dataset.pipeline
        config[f"{split}_dataloader"].num_workers = theirs[f"{split}_dataloader"].num_workers
    config.optim_wrapper = theirs.optim_wrapper
    config.multi_scale = False
    for key in ("tta_model", "tta_pipeline"):
        config.pop(key)


def _for_turns(config: Config, work: Work) -> Config:
    """Image size, batch and length."""
    config.custom_hooks = [dict(type="BenchmarkTurns")]
    loader = config.train_dataloader
    loader.sampler = dict(type="InfiniteSampler", shuffle=True, seed=work.seed)
    if work.task == "detection":
        loader.dataset = loader.dataset.dataset.datasets[0]  # of one year, not repeated: the sampler does not end
    for _, dataset in innermost_datasets(config):
        for step in dataset.pipeline:
            _resize(step, work)
    config.train_cfg = dict(type="IterBasedTrainLoop", max_iters=work.turns * work.steps, val_interval=NEVER)
    config.param_scheduler = []
    return config


def _resize(step: Any, work: Work) -> None:
    if work.task == "detection" and step.type == "Resize":
        step.scale = work.size
    elif step.type == "RandomCrop":
        step.crop_size = work.size
    elif step.type in ("RandomResize", "Resize"):
        step.scale = (4 * work.size[0], work.size[0])
