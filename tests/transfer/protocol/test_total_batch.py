"""Total batch, learning rate, updates and epochs of every protocol and suite, in however many processes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from suite_weights import stand_in
from torch.utils.data import BatchSampler

from backbones.errors import UserError
from studies.suite.planned_run import PlannedRun
from studies.suite.planning import plan_runs
from studies.suite.reading import read_suite
from tools.run_suite import tool_parsers
from transfer.catalogue import CLASSIFICATION
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.batch_norm import LOCAL, SYNCHRONISED, images_per_estimate
from transfer.protocol.identity import config_hash
from transfer.protocol.load import load_config, set_batch
from transfer.protocol.total_batch import (
    TotalBatch,
    cut,
    describe_epochs,
    epochs,
    most_processes,
    move_to,
    require_whole_batch,
    settle_batch,
)

ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = sorted([*ROOT.glob("det_configs/*.py"), *ROOT.glob("seg_configs/*.py")])
SUITES = sorted(ROOT.glob("suites/*.yaml"))
PROCESSES = (1, 2, 4, 8)
VOC0712_IMAGES, VOC07_IMAGES, ADE20K_IMAGES = 16551, 5011, 20210  # of the training sets; those of the demo: 320
COCO_IMAGES = 117266  # of 118287 those with objects
UNKNOWN_IMAGES = 572  # of data of one's own


class Stated(NamedTuple):
    """What a protocol trains. ``updates`` and ``epochs`` are for ``images`` training images."""

    total: int
    rate: float
    images: int
    updates: int
    epochs: float
    batch_norm: bool  # estimates statistics


STATED = {
    # mmdetection, configs/pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py: 8 GPUs x 2, 0.01, 4 epochs of 3 repetitions.
    "faster_rcnn_fpn_voc0712": Stated(16, 0.01, VOC0712_IMAGES, 4 * 3104, 12, False),  # 3 x 16551 / 16 = 3103.3
    # mmdetection, configs/faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py: 8 GPUs x 2, 0.02, 12 epochs.
    "faster_rcnn_fpn_coco": Stated(16, 0.02, COCO_IMAGES, 12 * 7330, 12, False),  # 117266 / 16 = 7329.1
    # GluonCV, scripts/detection/faster_rcnn/train_faster_rcnn.py, its defaults for VOC: 4 GPUs x 1, 0.001, 20 epochs.
    "faster_rcnn_c4_voc0712": Stated(4, 0.001, VOC0712_IMAGES, 20 * 4138, 20, False),  # 16551 / 4 = 4137.8
    # GluonCV, scripts/segmentation/train.py, for ADE20K: 4 GPUs x 4 with SyncBN, 0.01, 120 epochs.
    "fcn_os8_ade20k": Stated(16, 0.01, ADE20K_IMAGES, 151_575, 120, True),
    # mmsegmentation, configs/upernet/upernet_r50_4xb4-160k_ade20k-512x512.py: 4 GPUs x 4 with SyncBN, 0.01, 160,000.
    "upernet_ade20k": Stated(16, 0.01, ADE20K_IMAGES, 160_000, 160_000 * 16 / ADE20K_IMAGES, True),
    # mmsegmentation, configs/convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py: 8 GPUs x 2, 1e-4.
    "upernet_adamw_ade20k": Stated(16, 1e-4, ADE20K_IMAGES, 160_000, 160_000 * 16 / ADE20K_IMAGES, True),
    # mmsegmentation, configs/mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py: 8 GPUs x 2, 1e-4.
    "upernet_simple_fpn_ade20k": Stated(16, 1e-4, ADE20K_IMAGES, 160_000, 160_000 * 16 / ADE20K_IMAGES, True),
    # benchmark-vfm-ss, configs/ade20k_linear_semantic.yaml: 32 epochs, 1e-4; 32 x 20210 / 16 = 40420.
    "linear_ade20k": Stated(16, 1e-4, ADE20K_IMAGES, 40_420, 32, True),
    # mmdetection, configs/convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py: 1e-4 at 16.
    "faster_rcnn_fpn_adamw_voc0712": Stated(16, 1e-4, VOC0712_IMAGES, 4 * 3104, 12, False),
    # ViTDet: 1e-4 at 64.
    "faster_rcnn_simple_fpn_voc0712": Stated(16, 1e-4 * 16 / 64, VOC0712_IMAGES, 4 * 3104, 12, False),
    # Of this project.
    "upernet_adamw_index_png": Stated(8, 2e-4, UNKNOWN_IMAGES, 600, 600 * 8 / UNKNOWN_IMAGES, True),
    "upernet_simple_fpn_index_png": Stated(8, 2e-4, UNKNOWN_IMAGES, 600, 600 * 8 / UNKNOWN_IMAGES, True),
    "linear_index_png": Stated(8, 5e-4, UNKNOWN_IMAGES, 600, 600 * 8 / UNKNOWN_IMAGES, True),
    "faster_rcnn_fpn_adamw_voc07": Stated(8, 2e-4, VOC07_IMAGES, 6 * 627, 6, True),
    "faster_rcnn_fpn_narrow_voc07": Stated(8, 2e-4, VOC07_IMAGES, 3 * 627, 3, True),
    "faster_rcnn_simple_fpn_voc07": Stated(8, 2e-4, VOC07_IMAGES, 6 * 627, 6, True),
    "upernet_index_png": Stated(8, 0.01, UNKNOWN_IMAGES, 600, 600 * 8 / UNKNOWN_IMAGES, True),
    "faster_rcnn_fpn_voc07": Stated(8, 0.01, VOC07_IMAGES, 6 * 627, 6, True),
    "faster_rcnn_c4_voc07": Stated(8, 0.01, VOC07_IMAGES, 6 * 627, 6, True),
    "faster_rcnn_fpn_demo": Stated(8, 0.01, 320, 4 * 40, 4, True),
    "fcn_os8_demo": Stated(8, 0.01, 320, 160, 4, True),
    "fcn_os8_index_png": Stated(8, 0.01, UNKNOWN_IMAGES, 600, 600 * 8 / UNKNOWN_IMAGES, True),
}


@pytest.fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def updates(config: Config, images: int, batch: TotalBatch, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Updates in each process, as mmengine's own samplers count them."""
    if config.train_cfg.get("max_iters") is not None:
        return {config.train_cfg.max_iters}
    dataset, times = range(images), config.train_dataloader.dataset.get("times", 1)
    counted = set()
    for rank in range(batch.processes):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, batch.processes))
        sampler = DefaultSampler(range(len(dataset) * times), seed=0)
        loads = config.train_dataloader.batch_size
        counted.add(config.train_cfg.max_epochs * len(BatchSampler(sampler, loads, drop_last=False)))
    return counted


def test_the_table_has_every_protocol() -> None:
    assert {path.stem for path in PROTOCOLS} == set(STATED)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda path: path.stem)
def test_every_protocol_trains_what_it_states(
    protocol: Path, processes: int, accumulate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = STATED[protocol.stem]
    config = load_config(str(protocol), ())
    before = config_hash(config, "fp32")
    if stated.total % (processes * accumulate):
        with pytest.raises(UserError, match=f"^the total batch of {stated.total} images cannot be cut into"):
            settle_batch(config, None, processes, accumulate)
        return
    batch, rate, moved = settle_batch(config, None, processes, accumulate)
    assert config_hash(config, "fp32") == before
    set_batch(config, batch)
    assert (batch.total, config.optim_wrapper.optimizer.lr, moved) == (stated.total, stated.rate, ())
    assert rate.startswith(f"{stated.rate:g} (the protocol's, for its total batch of {stated.total}")
    assert config.train_dataloader.batch_size * processes == stated.total
    assert updates(config, stated.images, batch, monkeypatch) == {stated.updates}
    assert epochs(config, stated.images) == pytest.approx(stated.epochs)
    assert re.match(rf"{stated.epochs:.1f}|{stated.epochs:g} epochs", describe_epochs(config, stated.images))
    images = stated.total // (processes * accumulate)
    assert images_per_estimate(config, LOCAL, batch) == (images if stated.batch_norm else None)
    assert images_per_estimate(config, SYNCHRONISED, batch) == (images * processes if stated.batch_norm else None)


def trained(run: PlannedRun, images: int) -> tuple[int, float, int | None, float | None]:
    """Total batch, learning rate, iterations and epochs of a transfer, from the very command that a suite gives."""
    words = list(run.command)
    processes = int(words[words.index("--nproc-per-node") + 1]) if "--nproc-per-node" in words else 1
    tool = next(index for index, word in enumerate(words) if word.startswith("tools/transfer_"))
    asked = tool_parsers()[run.kind].parse_args(words[tool + 1 :])
    config = load_config(str(ROOT / asked.config), asked.cfg_options)
    batch, _, _ = settle_batch(config, asked.total_batch, processes, asked.accumulate)
    set_batch(config, batch)
    assert config.train_dataloader.batch_size * processes == batch.total
    assert processes == run.facts["processes"]
    return batch.total, config.optim_wrapper.optimizer.lr, config.train_cfg.get("max_iters"), epochs(config, images)


# What suites change in their protocols. Fewer iterations of 8 images.
SUITES_OWN = {
    ("section6-small", "segmentation"): (8, 5e-4, 400, 400 * 8 / 572),
    ("real-weights", "segmentation"): (8, 5e-4, 200, 200 * 8 / 572),
}


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_trains_what_its_protocols_state(
    path: Path, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no data are
    stand_in(path, tmp_path)
    runs = plan_runs(read_suite(path), tmp_path, tool_parsers(), processes)
    transfers = {(run.kind, run.facts["protocol"]): run for run in runs if "protocol" in (run.facts or {})}
    for (task, protocol), run in transfers.items():
        stated = STATED[protocol]
        iterations = stated.updates if task == "segmentation" else None
        usual = (stated.total, stated.rate, iterations, stated.epochs)
        assert trained(run, stated.images) == pytest.approx(SUITES_OWN.get((path.stem, task), usual))
        assert " epochs" in run.facts["training"]
        assert run.facts["processes"] == math.gcd(processes, trained(run, stated.images)[0])
    for run in runs:
        if run.kind == CLASSIFICATION:
            assert re.match(r"\d+ epochs, total batch \d+.*, learning rate ", run.facts["training"])
            assert run.facts["processes"] == processes
    assert transfers or path.stem == "ablation"


@given(total=st.integers(1, 64), processes=st.integers(1, 12), accumulate=st.integers(1, 12))
def test_a_batch_is_cut_into_equal_shares_or_the_message_says_what_fits(
    total: int, processes: int, accumulate: int
) -> None:
    try:
        batch = cut(total, processes, accumulate)
    except UserError as error:
        assert total % (processes * accumulate)
        said = re.search(r"as many processes as ([\d, or]+)", str(error))
        numbers = [int(number) for number in re.findall(r"\d+", said[1])] if said else []
        assert numbers == [n for n in range(1, total + 1) if total % (n * accumulate) == 0]
        said = re.search(r"(?:take|or) --accumulate ([\d, or]+)", str(error))
        numbers = [int(number) for number in re.findall(r"\d+", said[1])] if said else []
        fitting = [n for n in range(1, total + 1) if total % (processes * n) == 0]
        assert numbers == (fitting or ([1] if total % accumulate else []))
    else:
        assert batch.images * accumulate == batch.per_process
        assert batch.per_process * processes == total
    most = most_processes(total, accumulate, processes)
    assert most == max([n for n in range(1, processes + 1) if total % (n * accumulate) == 0] or [1])


@pytest.mark.parametrize(
    ("protocol", "images", "cuts", "told"),
    [
        # 8 images to an update
        ("faster_rcnn_fpn_demo", 8, {}, None),
        ("faster_rcnn_fpn_demo", 7, {}, r"faster_rcnn_fpn_demo has 8 images to a batch; .*--total-batch 7 or less"),
        ("faster_rcnn_fpn_demo", 7, {"processes": 2, "accumulate": 2}, r"--total-batch 4 or less"),
        ("faster_rcnn_fpn_demo", 3, {"processes": 4}, r"than its 4 parts, .*--total-batch 3 or less"),
        # 16 images to an update, and three rounds to an epoch
        ("faster_rcnn_fpn_voc0712", 6, {}, None),
        ("faster_rcnn_fpn_voc0712", 5, {}, r"faster_rcnn_fpn_voc0712 has 16 images .*--total-batch 15 or less"),
        # a sampler that never ends
        ("fcn_os8_demo", 1, {}, None),
    ],
)
def test_a_training_set_smaller_than_the_batch_says_so(
    protocol: str, images: int, cuts: dict[str, int], told: str | None
) -> None:
    config = load_config(str(next(path for path in PROTOCOLS if path.stem == protocol)), ())
    batch = TotalBatch(config.base_batch_size, **cuts)
    if told is None:
        require_whole_batch(config, images, batch, None, protocol)
        return
    with pytest.raises(UserError, match=f"^the training set has only {images} images.* the protocol: .*{told}"):
        require_whole_batch(config, images, batch, None, protocol)
    with pytest.raises(UserError, match=rf"^--total-batch {batch.total}: the training set has only {images} images"):
        require_whole_batch(config, images, batch, batch.total, protocol)


def test_another_total_batch_moves_rate_and_iterations_and_no_epochs() -> None:
    config = load_config(str(ROOT / "seg_configs/fcn_os8_ade20k.py"), ())
    batch, rate, moved = settle_batch(config, 32, 8, 2)
    assert rate == "0.01 / 16 x 32 = 0.02 (total batch 32 = 2 images x 2 parts x 8 processes)"
    assert moved == (
        "train_cfg.max_iters 151575 x 16 / 32 = 75788",
        "param_scheduler.0.end 151575 x 16 / 32 = 75788",
    )
    assert batch.images == 2
    assert describe_epochs(config, ADE20K_IMAGES) == "120.0 epochs = 75788 iterations x 32 / 20210 images"
    assert config.base_batch_size == 32


def test_a_warmup_in_iterations_moves_and_epochs_do_not() -> None:
    config = load_config(str(ROOT / "det_configs/faster_rcnn_c4_voc0712.py"), ())
    assert move_to(config, 8) == ("param_scheduler.0.end 500 x 4 / 8 = 250",)
    warmup, steps = config.param_scheduler
    assert (warmup.begin, warmup.end, steps.milestones, steps.end) == (0, 250, [14], 20)
    assert (config.train_cfg.max_epochs, config.optim_wrapper.optimizer.lr) == (20, 0.002)


def test_what_a_schedule_never_reaches_stays() -> None:
    schedule = [
        dict(type="MultiStepLR", by_epoch=False, begin=10, end=10**9, milestones=[40, 60]),
        dict(type="CosineAnnealingLR", by_epoch=False, T_max=100),
        dict(type="StepLR", step_size=7),
    ]
    optimizer = dict(optimizer=dict(lr=0.1))
    config = Config(
        dict(base_batch_size=8, optim_wrapper=optimizer, train_cfg=dict(max_iters=100), param_scheduler=schedule)
    )
    move_to(config, 4)
    one, two, three = config.param_scheduler
    assert (one.begin, one.end, one.milestones, two.T_max, three.step_size) == (20, 10**9, [80, 120], 200, 7)
    assert (config.train_cfg.max_iters, config.optim_wrapper.optimizer.lr) == (200, 0.05)


def test_a_decay_per_iteration_cannot_follow() -> None:
    config = load_config(
        str(ROOT / "seg_configs/fcn_os8_demo.py"),
        ("param_scheduler=[{'type': 'ExponentialLR', 'gamma': 0.9, 'by_epoch': False}]",),
    )
    assert move_to(config, 8) == ()
    with pytest.raises(UserError, match=r"--total-batch 4: param_scheduler\.0 is ExponentialLR by iterations"):
        move_to(config, 4)


def test_the_hash_tells_total_batches_apart_and_not_their_cuts() -> None:
    def hashed(total: int | None, processes: int, accumulate: int) -> str:
        config = load_config(str(ROOT / "seg_configs/fcn_os8_ade20k.py"), ())
        settle_batch(config, total, processes, accumulate)
        return config_hash(config, "bf16")

    same = {hashed(total, *cuts) for total in (None, 16) for cuts in ((1, 1), (2, 1), (1, 8), (4, 2))}
    assert len(same) == 1
    assert len(same | {hashed(8, 1, 1), hashed(8, 2, 2), hashed(32, 1, 1)}) == 3


def test_a_heads_batch_norm_counts_where_the_trunk_keeps_its_own() -> None:
    kept = ("model.backbone.norm_eval=True",)
    config = load_config(str(ROOT / "seg_configs/fcn_os8_ade20k.py"), kept)
    assert images_per_estimate(config, LOCAL, cut(16, 8)) == 2
    config = load_config(str(ROOT / "det_configs/faster_rcnn_fpn_voc07.py"), kept)
    assert images_per_estimate(config, LOCAL, cut(8, 2)) is None
    neck = load_config(str(ROOT / "det_configs/faster_rcnn_fpn_voc07.py"), kept)
    neck.model.neck.norm_cfg = dict(type="BN")
    assert images_per_estimate(neck, LOCAL, cut(8, 2)) == 4
