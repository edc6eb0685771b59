"""FCN, UPerNet and others on index PNGs, ADE20K's layout or one's own, with mmsegmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from backbones.bundles.bundle import Bundle
from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.folders.shared_images import SplitImages, count_shared
from backbones.errors import UserError
from transfer.data.absent_classes import absent_classes, tell
from transfer.data.class_names import ade20k_classes
from transfer.data.index_png import check_index_png, index_png_images
from transfer.evaluation.per_image import SegmentationEvaluation, relative_name
from transfer.evaluation.pictures.jobs import Job, Maps
from transfer.openmmlab.modules import multi_scale
from transfer.openmmlab.unwrap import unwrap_model
from transfer.protocol.levels import LEVELS, Levels
from transfer.tasks.masks import adopt_masks, check_mask_data, is_masks
from transfer.tasks.neck import set_neck
from transfer.tasks.task import SPLIT_NAMES, Task, innermost_datasets

# The authors' head: a 3x3 convolution to a quarter of the channels it is given.
HEAD_REDUCTION = 4
EVALUATOR = "SegmentationMetric"
PREFIX = "segmentation/"  # of all that SegmentationMetric measures
MULTI_SCALE = "_multiscale"  # ends the names of what is averaged over scales and mirror images


# Of UPerHead, what is called as a module.
_OF_UPERNET = (
    *(f"decode_head.{name}.{level}" for name in ("lateral_convs", "fpn_convs") for level in range(LEVELS - 1)),
    *("decode_head.psp_modules", "decode_head.bottleneck", "decode_head.fpn_bottleneck"),
)


def _heads(config: Config) -> list[Any]:
    return [config.model[name] for name in ("decode_head", "auxiliary_head") if config.model.get(name)]


def set_classes(config: Config, classes: tuple[str, ...]) -> None:
    """Class names for the data sets, their number for both heads."""
    for head in _heads(config):
        head.num_classes = len(classes)
    for _, dataset in innermost_datasets(config):
        dataset.metainfo = dict(classes=classes)


def set_channels(config: Config, bundle: Bundle) -> None:
    """Each head reads one map, of the trunk or of a neck, or several; one that names no width has a quarter of what it
    reads."""
    channels = _map_channels(config.model, Levels.of(bundle))
    for head in _heads(config):
        several = isinstance(head.in_index, (list, tuple))
        head.in_channels = [channels[index] for index in head.in_index] if several else channels[head.in_index]
        if head.type == "FCNHead" and "channels" not in head:
            head.channels = head.in_channels // HEAD_REDUCTION


def _map_channels(model: ConfigDict, levels: Levels) -> list[int]:
    """Of each map that heads can read."""
    infos = levels.infos(model.backbone.get("out_indices", range(LEVELS)))
    if "neck" not in model:
        return [info.channels for info in infos]
    set_neck(model.neck, infos)
    return [model.neck.out_channels] * LEVELS


def check_evaluator(config: Config) -> None:
    """Pixel accuracy and intersection over union are measured, under the names that ``metrics`` knows.

    Raises:
        UserError: The evaluation is another one.
    """
    asked = config.test_evaluator
    if not isinstance(asked, dict) or set(asked) != {"type"} or asked["type"] != EVALUATOR:
        raise UserError(f"test_evaluator is {asked}; transfers are measured with dict(type={EVALUATOR!r}) alone")


def check_data(config: Config, classes: tuple[str, ...], allow_shared_images: bool) -> dict[str, Any]:
    """Verify images and label maps of the training and test splits, and name the classes that one has no pixel of.

    Raises:
        UserError: See ``transfer.data.index_png.check_index_png``; or the splits share images, and that is not allowed.
    """
    if is_masks(config):
        return check_mask_data(config, classes, allow_shared_images)
    found, images = {}, {}
    root = Path()
    for split, dataset in innermost_datasets(config):
        root = Path(dataset.data_root)
        folders = (root, dataset.data_prefix.img_path, dataset.data_prefix.seg_map_path)
        names: dict[str, Any] = {
            "split_file": dataset.get("ann_file") or None,
            "image_suffix": dataset.get("img_suffix", ".jpg"),
            "label_suffix": dataset.get("seg_map_suffix", ".png"),
        }
        found[split] = check_index_png(*folders, classes, **names, reduce_zero_label=dataset.reduce_zero_label)
        images[split] = index_png_images(*folders, **names)
    for split, name in zip(("train", "test"), SPLIT_NAMES, strict=True):
        tell(absent_classes(name, "pixels", found[split].pixels))
    trained_on, tested_on = (
        SplitImages.of_stamps(name, root, images[split])
        for split, name in zip(("train", "test"), SPLIT_NAMES, strict=True)
    )
    shared = count_shared(trained_on, tested_on, allow_shared_images)
    return {
        "root": str(root.resolve()),
        "train_images": found["train"].images,
        "test_images": found["test"].images,
        "fingerprint": f"{found['train'].fingerprint[:16]}-{found['test'].fingerprint[:16]}",
        **({"shared_images": shared} if allow_shared_images else {}),
    }


def metrics(measured: Mapping[str, float]) -> dict[str, float]:
    """Pixel accuracy and mean intersection over union in percent, single scale, then those of multiple scales."""
    return {name: 100 * value for name, value in _ours(measured) if "/" not in name}


def per_class(measured: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Intersection over union and accuracy of each class in percent, as far as it has them (``SegmentationMetric``)."""
    found: dict[str, dict[str, float]] = {}
    for name, value in _ours(measured):
        kind, separator, class_name = name.partition("/")
        if separator:
            found.setdefault(class_name, {})[kind] = 100 * value
    return found


def _ours(measured: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The evaluator's names without their prefixes: "KIND" or "KIND/CLASS", where KIND tells the protocol."""
    for key, value in measured.items():
        name = key.removeprefix(multi_scale.PREFIX)
        if name.startswith(PREFIX):
            kind, separator, class_name = name.removeprefix(PREFIX).partition("/")
            yield f"{kind}{MULTI_SCALE if name != key else ''}{separator}{class_name}", value


def adopt(config: Config, held_out: HeldOut | None = None) -> Callable[[], tuple[str, ...]] | None:
    """Have the data sets read other layouts of masks where that is what their folder holds (``adopt_masks``).

    Raises:
        UserError: The folder cannot be read as what it seems to be, or has nothing that could be held out.
    """
    folder = adopt_masks(config, held_out)
    if folder is None and held_out is not None:
        raise UserError(
            "--split is for images and masks without a part to measure on, and this layout has one of its own (such as "
            "ADE20K's images/validation and annotations/validation); leave it out"
        )
    return None if folder is None else lambda: folder.classes


def pictures(runner: Runner, evaluation: SegmentationEvaluation, metric: Any, root: Path) -> Iterable[tuple[str, Job]]:
    """What is drawn of a test: images with their labels and what the model says, which predicts them once more."""
    # Not at the top: OpenMMLab can only be imported once its compiled ops are answered for.
    from transfer.evaluation.pictures.segmentation import segmentation_pictures

    return segmentation_pictures(evaluation, segmentor(runner, root), root)


def segmentor(runner: Runner, root: Path) -> Callable[[str], Maps]:
    """What gives the maps of a test image by its name relative to ``root``: the model on that image alone."""
    dataset = runner.test_dataloader.dataset
    places = {relative_name(dataset.get_data_info(index)["img_path"], root): index for index in range(len(dataset))}
    model: Any = unwrap_model(runner)

    def predict(name: str) -> Maps:
        (sample,) = model.test_step(pseudo_collate([dataset[places[name]]]))
        label, prediction = (getattr(sample, key).data[0].cpu().numpy() for key in ("gt_sem_seg", "pred_sem_seg"))
        return Maps(label, prediction)

    return predict


SEGMENTATION = Task(
    name="segmentation",
    framework="mmseg",
    default_classes=ade20k_classes,
    set_classes=set_classes,
    set_channels=set_channels,
    check_evaluator=check_evaluator,
    check_data=check_data,
    metrics=metrics,
    pictures=pictures,
    per_class=per_class,
    adopt=adopt,
    # conv_cat: of a head with concat_input
    bfloat16_modules=(
        "backbone",
        "decode_head.convs",
        "decode_head.conv_cat",
        "auxiliary_head.convs",
        "auxiliary_head.conv_cat",
        *_OF_UPERNET,
    ),
)
