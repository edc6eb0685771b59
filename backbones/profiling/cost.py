"""What a network costs: parameters, multiply-adds, memory for the backward pass, images per second.

==============================  =======================================================================================
``parameters``                  weights of trunk and head; BatchNorm's running statistics are none
``multiply_adds``               one image, forward, convolutions and matrix products only: what the paper and most of
                                the literature call FLOPs. BatchNorm, activations, pooling, additions are not counted
``flops``                       the same with multiplication and addition counted apart: 2 * ``multiply_adds``
``activation_bytes_per_image``  what autograd keeps from forward to backward for one more image in the batch: the image
                                and what the layers computed from it, each storage once; no parameters or buffers, and
                                no 16-bit copies of weights, which a larger batch does not enlarge
``peak_cuda_bytes``             one training step on a GPU: the most that was allocated at once: weights, gradients,
                                momentum, activations and the convolutions' workspace; None on a CPU
``forward``                     images per second in evaluation mode, without gradients
``training``                    images per second of whole updates: forward, loss, backward, Nesterov SGD
==============================  =======================================================================================

Images are noise that already lies on the device, in channels_last like the weights, as in training: reading, decoding
and augmentation are not part of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from backbones.errors import UserError
from backbones.machine.precision import resolve_device, resolve_precision, tuned_convolutions
from backbones.machine.versions import hardware, package_versions
from backbones.models import create_classifier, default_image_size
from backbones.models.convolution import adopt_convolutions, no_products
from backbones.models.depthwise import quicken_depthwise
from backbones.profiling.stopwatch import Stopwatch
from backbones.recipes.recipe import find_recipe
from backbones.runs.run_folder import command_line
from backbones.training.optimizer import create_optimizer
from backbones.tricks.low_precision import autocast, gradient_scaler

FORMAT = 1
FEWEST_SAMPLES = 5
NUM_CLASSES = 1000


@dataclass(frozen=True)
class ProfileRequest:
    """What to measure and how. ``image_size`` None: what the paper trains each network on."""

    networks: tuple[str, ...]
    image_size: int | None = None
    batch_size: int = 8
    samples: int = FEWEST_SAMPLES
    device: str = "auto"
    precision: str = "auto"


class TrainingStep:
    """A network with everything an update of its weights needs; call it for one update.

    The learning rate stays 0, which costs the same and keeps the weights finite for as long as one cares to repeat.
    """

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, precision: str) -> None:
        self.model = model
        self.images = images
        self.labels = labels
        self.precision = precision
        self.optimizer = create_optimizer(model, find_recipe("b-standard"), fused=precision != "fp16")
        self.scaler = gradient_scaler(precision, images.device)

    def __call__(self) -> None:
        loss = training_loss(self.model, self.images, self.labels, self.precision)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()


def training_loss(model: nn.Module, images: Tensor, labels: Tensor, precision: str) -> Tensor:
    """Forward pass and cross-entropy, as in training."""
    with autocast(precision, images.device):
        logits = model(images)
    return F.cross_entropy(logits.float(), labels)


def profile_networks(request: ProfileRequest, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Profile networks side by side; the answer is plain data, ready for JSON.

    Args:
        request: What to measure.
        report: Takes a line about each thing that is about to be measured.

    Raises:
        UserError: Unknown network, an image size it cannot take, a batch that does not fit into memory, or a device
            or precision that this machine does not have.
    """
    if request.batch_size < 2:
        raise UserError(f"--batch-size {request.batch_size}: BatchNorm needs two images or more")
    if request.samples < FEWEST_SAMPLES:
        raise UserError(f"--samples {request.samples}: a median of fewer than {FEWEST_SAMPLES} says little")
    device = resolve_device(request.device)
    precision = resolve_precision(request.precision, device)
    sizes = {network: request.image_size or default_image_size(network) for network in request.networks}
    counts = {network: count_operations(network, size) for network, size in sizes.items()}  # errors come at once
    with _memory_errors(request.batch_size), tuned_convolutions():
        subjects = {}
        for network, size in sizes.items():
            report(f"{network} at {size} px: memory, warm-up")
            subjects[network] = _Subject(network, size, request.batch_size, device, precision)
        # In turns: what else the machine does in the meantime slows all networks alike.
        for number in range(request.samples):
            report(f"sample {number + 1} of {request.samples}")
            for subject in subjects.values():
                subject.training.sample()
                subject.forward.sample()
    profiles = [
        {"network": network, "image_size": size, **counts[network], **subjects[network].results()}
        for network, size in sizes.items()
    ]
    return {
        "format": FORMAT,
        "command": command_line(),
        "settings": {
            "batch_size": request.batch_size,
            "precision": precision,
            "samples": request.samples,
            "classes": NUM_CLASSES,
        },
        "hardware": hardware(device),
        "versions": package_versions(("torch",)),
        "networks": profiles,
    }


def count_operations(network: str, image_size: int) -> dict[str, int]:
    """Parameters, multiply-adds and FLOPs of the 1000-class network for one square image; nothing is computed.

    Raises:
        UserError: Unknown network, or an image that is too small for it.
    """
    with torch.device("meta"):
        model = create_classifier(network, NUM_CLASSES).eval()
        image = torch.empty(1, 3, image_size, image_size)
    try:
        flops = count_flops(model, image)
    except RuntimeError as error:  # on the meta device nothing can fail but shapes
        raise UserError(f"--image-size {image_size} is too small for {network} ({error})") from None
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "multiply_adds": flops // 2, "flops": flops}


@torch.no_grad()
def count_flops(model: nn.Module, images: Tensor) -> int:
    """Multiplications plus additions of the convolutions and matrix products in ``model(images)``."""
    with FlopCounterMode(display=False) as counter:
        model(images)
    return counter.get_total_flops()


def activation_bytes_per_image(model: nn.Module, image: Tensor, precision: str) -> int:
    """By how many bytes one more copy of ``image`` (1, 3, H, W) enlarges what a training step saves for backward.

    Two and three images, because BatchNorm in training takes no single one; the model is left in training mode.
    """
    model.train()
    saved = []
    for count in (2, 3):
        labels = torch.zeros(count, dtype=torch.int64, device=image.device)
        with no_products():  # they would keep more, but of a few images only
            saved.append(count_saved_bytes(model, image.repeat(count, 1, 1, 1), labels, precision))
    return saved[1] - saved[0]


def count_saved_bytes(model: nn.Module, images: Tensor, labels: Tensor, precision: str) -> int:
    """Bytes that autograd keeps for the backward pass of the loss: each storage once, none of the model's own."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, Tensor] = {}  # holds the tensors: an address names a storage only while it lives

    def keep(tensor: Tensor) -> Tensor:
        detached = tensor.detach()  # a node that kept its own output as it is would keep itself
        saved[tensor.untyped_storage().data_ptr()] = detached
        return detached

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        training_loss(model, images, labels, precision)
    return sum(tensor.untyped_storage().nbytes() for address, tensor in saved.items() if address not in own)


class _Subject:
    """A network on the device, its memory measured and its stopwatches warm."""

    def __init__(self, network: str, image_size: int, batch_size: int, device: torch.device, precision: str) -> None:
        others = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
        model = create_classifier(network, NUM_CLASSES)
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
        adopt_convolutions(model)
        quicken_depthwise(model)
        images = torch.randn(batch_size, 3, image_size, image_size, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        self.activation_bytes = activation_bytes_per_image(model, images[:1], precision)
        step = TrainingStep(model, images, torch.arange(batch_size, device=device) % NUM_CLASSES, precision)
        self.training = Stopwatch(lambda: _train(step), batch_size, device)
        self.peak_cuda_bytes = _peak_cuda_bytes(step, device, others)
        self.forward = Stopwatch(lambda: _predict(step), batch_size, device)

    def results(self) -> dict[str, Any]:
        return {
            "activation_bytes_per_image": self.activation_bytes,
            "peak_cuda_bytes": self.peak_cuda_bytes,
            "forward": asdict(self.forward.speed),
            "training": asdict(self.training.speed),
        }


def _train(step: TrainingStep) -> None:
    step.model.train()
    step()


@torch.inference_mode()
def _predict(step: TrainingStep) -> Tensor:
    step.model.eval()
    with autocast(step.precision, step.images.device):
        return step.model(step.images)


def _peak_cuda_bytes(step: TrainingStep, device: torch.device, others: int) -> int | None:
    """Without the ``others`` bytes of networks that were there before.

    Once the search of ``cudnn.benchmark`` is over, which allocates more than the step it is for.
    """
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    step()
    return torch.cuda.max_memory_allocated(device) - others


@contextmanager
def _memory_errors(batch_size: int) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(f"--batch-size {batch_size} does not fit on the GPU; use a smaller one") from None
