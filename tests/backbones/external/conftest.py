"""Networks of torchvision and timm with random weights, as they would come in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import nn


def _build(library: str, network: str) -> nn.Module:
    # Without storage first: their own initialisation would take most of the time.
    with torch.device("meta"):
        if library == "timm":
            model = timm.create_model(network)
        elif network == "inception_v3":
            model = torchvision.models.inception_v3(weights=None, transform_input=True, init_weights=False)
        else:
            model = torchvision.models.get_model(network, weights=None)
    return model.to_empty(device="cpu")


@pytest.fixture
def make_reference() -> Callable[[str, str], nn.Module]:
    """Builds a network by library and name, in evaluation mode, with distinct random values in every tensor."""

    def make(library: str, network: str) -> nn.Module:
        model = _build(library, network).eval()
        # Without shortcuts a signal needs more gain to come through all the ReLUs, and with them less.
        gain = 1 if "resnet" in network else 2
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for number, (name, tensor) in enumerate(model.state_dict().items()):
                if tensor.ndim > 1:
                    bound = (3 * gain / tensor[0].numel()) ** 0.5
                    tensor.uniform_(-bound, bound, generator=generator)
                elif tensor.ndim == 0:
                    tensor.fill_(number)
                elif name.endswith(("bias", "running_mean")):
                    tensor.uniform_(-0.3, 0.3, generator=generator)
                else:
                    tensor.uniform_(0.5, 1.5, generator=generator)
        return model

    return make
