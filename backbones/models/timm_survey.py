"""What a network of timm is made of, as far as a trunk has to know: its maps, and which map each tensor serves.

Looked up on PyTorch's meta device, where nothing is computed and nothing is drawn: the maps that the network gives are
followed back through autograd's graph to the parameters that they depend on. So no family of networks needs a table of
its own, and what stands in ``feature_info`` is compared with what the network does.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from backbones.errors import UserError, did_you_mean
from backbones.models.trunk import CLASSIFICATION_STRIDE, FeatureInfo, UndilatedError

TIMM_PREFIX = "timm:"
STEM = -1
# What lets a transformer take images of another size than its own, where the network has such an argument. At its own
# size it computes what it computes without.
_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
# Images of a detector measure multiples of 32 pixels; patches that do not fit in get zeros at the right and below.
_ANY_SIZE_PADDED: dict[str, Any] = {"dynamic_img_size": True, "dynamic_img_pad": True}
FEW_CLASSES = 2  # of a network whose head nobody asks


@dataclass(frozen=True)
class Survey:
    """What is known of a network of timm.

    Attributes:
        features: Its maps, as it describes and gives them.
        tensors: Names of all its parameters and buffers that are saved.
        stages: By the name of a parameter or buffer, the first map that depends on it, counted from 0, or ``STEM``. A
            tensor that no map depends on is not in it.
        head: Names of the tensors that end in its classes.
        called: Names of the modules that are called on the way to the maps.
        padded: Whether maps measure ceil(image / stride).
        any_size: Whether it takes images of other sizes than ``image_size``.
        image_size: Side in pixels of the square images it is made for.
        options: Arguments of ``timm.create_model`` that it is built with.
    """

    features: tuple[FeatureInfo, ...]
    tensors: tuple[str, ...]
    stages: Mapping[str, int]
    head: frozenset[str]
    called: frozenset[str]
    padded: bool
    any_size: bool
    image_size: int
    options: Mapping[str, Any]


def timm_library() -> ModuleType:
    """timm, imported when it is asked for: that takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return importlib.import_module("timm")


def timm_layers() -> ModuleType:
    """Its layers, imported as it is."""
    timm_library()
    return importlib.import_module("timm.layers")


def timm_name(network: str) -> str:
    """timm's own name of ``timm:NAME``.

    Raises:
        UserError: timm knows no such network, or the name says which weights, too.
    """
    name, timm = network.removeprefix(TIMM_PREFIX), timm_library()
    architecture, dot, _ = name.partition(".")
    if dot and timm.is_model(architecture):
        raise UserError(f"{network} names weights; as a network it is {TIMM_PREFIX}{architecture}")
    if not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise UserError(f"unknown network {network!r}: {hint}timm {timm.__version__} has none of that name")
    return name


def timm_configuration(network: str) -> Any:
    """timm's ``PretrainedCfg`` of a network: what it is fed, and what its head is called. Nothing is built.

    Raises:
        UserError: As ``timm_name``.
    """
    name = timm_name(network)
    return timm_library().get_pretrained_cfg(name) or timm_library().models.PretrainedCfg()


def head_prefixes(network: str) -> tuple[str, ...]:
    """Names of the layers that end in the classes, the first of several heads first.

    Raises:
        UserError: As ``timm_name``.
    """
    named = timm_configuration(network).classifier or ()
    return (named,) if isinstance(named, str) else tuple(named)


def build(network: str, num_classes: int, options: Mapping[str, Any]) -> Any:
    """timm's model as timm builds and initialises it.

    Raises:
        UserError: As ``timm_name``.
    """
    name = timm_name(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces what its own next version will change
        return timm_library().create_model(name, pretrained=False, num_classes=num_classes, **options)


@lru_cache(maxsize=16)
def survey(network: str, output_stride: int = CLASSIFICATION_STRIDE) -> Survey:
    """Look at a network; ``output_stride`` other than 32 wants dilation of it.

    Raises:
        UserError: timm does not know it, it gives no maps, or they are not as timm describes them.
        UndilatedError: It cannot be dilated so far.
    """
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        model, options = _built(network, output_stride)
        model.eval()
        side = model.default_cfg["input_size"][-1]
        maps, called = _maps(network, model, side)
        features = _features(network, model, maps)
        if any(CLASSIFICATION_STRIDE % each.stride for each in features):
            model, options = _built_padding(network, model, options)
            maps, called = _maps(network, model, side)
        if output_stride != CLASSIFICATION_STRIDE:
            _check_dilation(network, output_stride, maps, side)
            features = [
                FeatureInfo(each.name, each.channels, _stride(side, grid))
                for each, grid in zip(features, maps, strict=True)
            ]
        stages = _stages(model, maps, features[0].name)
        padded = all(
            tuple(grid.shape[2:]) == (-(-side // each.stride),) * 2 for each, grid in zip(features, maps, strict=True)
        )
    tensors, head = tuple(model.state_dict()), tuple(f"{each}." for each in head_prefixes(network))
    return Survey(
        features=tuple(features),
        tensors=tensors,
        stages=stages,
        head=frozenset(name for name in tensors if name.startswith(head)),
        called=called,
        padded=padded,
        any_size=_takes_other_sizes(model, side),
        image_size=side,
        options=options,
    )


def _built(network: str, output_stride: int) -> tuple[Any, dict[str, Any]]:
    stride = {} if output_stride == CLASSIFICATION_STRIDE else {"output_stride": output_stride}
    for option in _ANY_SIZE:
        try:
            return build(network, FEW_CLASSES, {**option, **stride}), {**option, **stride}
        except (TypeError, NotImplementedError, AssertionError) as error:
            refused = error
            if any(name in str(error) for name in option):
                continue
            break
    if stride:
        raise UndilatedError(f"output_stride={output_stride}: timm cannot build {network} dilated")
    raise UserError(f"timm cannot build {network}: {refused}")


def _built_padding(network: str, model: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The same, padding images to whole patches where it can; at its own size it computes what it computes without."""
    if "dynamic_img_size" not in options:
        return model, options
    padding = {**options, **_ANY_SIZE_PADDED}
    try:
        return build(network, FEW_CLASSES, padding).eval(), padding
    except TypeError as error:
        if "dynamic_img_pad" not in str(error):
            raise
        return model, options


def _maps(network: str, model: nn.Module, side: int) -> tuple[list[Tensor], frozenset[str]]:
    """The maps of one image, and the modules that were called on the way."""
    called: set[str] = set()
    handles = [
        module.register_forward_hook(lambda *_, name=name: called.add(name)) for name, module in model.named_modules()
    ]
    try:
        maps = take_maps(model, torch.empty(1, 3, side, side))
    except Exception as error:  # whatever a network of timm raises that has no maps in rows and columns
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{network} gives no maps in rows and columns ({reason[0]}), so it can be no trunk") from None
    finally:
        for handle in handles:
            handle.remove()
    return maps, frozenset(called)


def take_maps(model: Any, images: Tensor, count: int | None = None) -> list[Tensor]:
    """The first ``count`` maps (all: None) of a model of timm, each (N, channels, rows, columns)."""
    indices = None if count is None else list(range(count))
    return model.forward_intermediates(
        images, indices=indices, stop_early=True, output_fmt="NCHW", intermediates_only=True
    )


def _features(network: str, model: Any, maps: Sequence[Tensor]) -> list[FeatureInfo]:
    described = model.feature_info
    described = described if isinstance(described, list) else described.get_dicts()
    found = [FeatureInfo(each["module"], each["num_chs"], each["reduction"]) for each in described]
    if [each.channels for each in found] != [each.shape[1] for each in maps]:
        raise UserError(
            f"{network}: timm describes maps of {[each.channels for each in found]} channels and gives maps of "
            f"{[each.shape[1] for each in maps]}, so it can be no trunk"
        )
    return found


def _check_dilation(network: str, output_stride: int, maps: Sequence[Tensor], side: int) -> None:
    if _stride(side, maps[-1]) != output_stride:
        raise UndilatedError(
            f"output_stride={output_stride}: built so by timm, {network} still has a last map of stride "
            f"{_stride(side, maps[-1])}"
        )


def _stride(side: int, grid: Tensor) -> int:
    """The power of two by which a map is smaller than its image."""
    return 2 ** round(torch.tensor(side / grid.shape[-1], device="cpu").log2().item())


def _stages(model: nn.Module, maps: Sequence[Tensor], first: str) -> dict[str, int]:
    """By tensor, the first map that depends on it; of those that the first one depends on, what lies outside of the
    module that gives it is the stem."""
    parameters = dict(model.named_parameters())
    held = [each for each in parameters.values() if not each.requires_grad]
    found: dict[str, int] = {}
    for index, grid in enumerate(maps):
        rest = [name for name in parameters if name not in found and parameters[name].requires_grad]
        if not rest or not grid.requires_grad:
            continue
        gradients = torch.autograd.grad(
            grid.sum(), [parameters[name] for name in rest], retain_graph=True, allow_unused=True
        )
        for name, gradient in zip(rest, gradients, strict=True):
            if gradient is not None:
                found[name] = STEM if index == 0 and not name.startswith(f"{first}.") else index
    _add_others(model, found, {id(each) for each in held})
    return found


def _add_others(model: nn.Module, found: dict[str, int], held: set[int]) -> None:
    """Buffers, and parameters that never train, belong to the stage of the nearest parameters around them."""
    trained = [name for name, each in model.named_parameters() if id(each) not in held]
    for name in model.state_dict():
        if name in trained:
            continue
        place = name
        while "." in place:
            place = place.rpartition(".")[0]
            around = [each for each in trained if each.startswith(f"{place}.")]
            if around:
                stages = [found[each] for each in around if each in found]
                if stages:
                    found[name] = min(stages)
                break
        else:
            found[name] = STEM


def _takes_other_sizes(model: nn.Module, side: int) -> bool:
    """Whether an image that is neither square nor of the network's own size gives maps."""
    larger = -(-side // CLASSIFICATION_STRIDE) * CLASSIFICATION_STRIDE + CLASSIFICATION_STRIDE
    try:
        with torch.no_grad():
            take_maps(model, torch.empty(1, 3, larger, larger + 2 * CLASSIFICATION_STRIDE, device="meta"))
    except Exception:  # as in _maps
        return False
    return True
