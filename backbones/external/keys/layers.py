"""What every table is made of: the tensors of a BatchNorm and of a fully connected layer."""

from __future__ import annotations

BATCH_COUNTER = "num_batches_tracked"
_NORM = ("weight", "bias", "running_mean", "running_var", BATCH_COUNTER)


def norm_names(theirs: str, ours: str | None) -> dict[str, str | None]:
    """The five tensors of a BatchNorm; ``ours`` None drops them."""
    return {f"{theirs}.{name}": ours and f"{ours}.{name}" for name in _NORM}


def conv_norm_names(conv: str, norm: str, ours: str | None) -> dict[str, str | None]:
    """A convolution without bias and its BatchNorm, as a ``ConvNorm`` of this project."""
    return {f"{conv}.weight": ours and f"{ours}.conv.weight", **norm_names(norm, ours and f"{ours}.norm")}


def linear_names(theirs: str, ours: str | None) -> dict[str, str | None]:
    """Weight and bias of a fully connected layer."""
    return {f"{theirs}.{name}": ours and f"{ours}.{name}" for name in ("weight", "bias")}
