"""From 8-bit images to a network's input, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch, approx, mark
from torch import Tensor

from backbones.bundles.contract import imagenet_contract
from backbones.data.color import identity_color, random_color
from backbones.data.normalisation import network_input
from backbones.recipes.recipe import COLORS

MEAN, STD = (10.0, 20.0, 40.0), (2.0, 4.0, 8.0)


def images(count: int = 2) -> Tensor:
    random = np.random.default_rng(0)
    return torch.from_numpy(random.integers(0, 256, (count, 3, 5, 3), dtype=np.uint8))


@mark.parametrize("order", ["RGB", "BGR"])
def test_normalisation_is_in_the_order_of_the_channels(order: str) -> None:
    contract = replace(imagenet_contract(32), mean=MEAN, std=STD, channel_order=order)
    source = images()
    result = network_input(source, identity_color(2), contract)
    assert result.shape == (2, 3, 3, 5)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)
    for place, channel in enumerate(order):
        for image in range(2):
            for y in range(3):
                for x in range(5):
                    value = source[image, y, x, "RGB".index(channel)].item()
                    expected = (value - MEAN[place]) / STD[place]
                    assert result[image, place, y, x].item() == approx(expected, abs=1e-4)


@given(st.integers(0, 10_000), st.sampled_from(sorted(COLORS)))
@settings(max_examples=20, deadline=None)
def test_colours_change_before_the_channels_are_turned_around(seed: int, choice: str) -> None:
    change = random_color(2, np.random.default_rng(seed), choice)
    forward = replace(imagenet_contract(32), mean=MEAN, std=STD)
    backward = replace(forward, mean=MEAN[::-1], std=STD[::-1], channel_order="BGR")
    assert torch.equal(network_input(images(), change, backward).flip(1), network_input(images(), change, forward))


@mark.parametrize("choice", COLORS)
def test_the_colour_of_each_image_is_its_own(choice: str) -> None:
    change = random_color(2, np.random.default_rng(0), choice)
    both = network_input(images(), change, imagenet_contract(32))
    for number in range(2):
        one = network_input(images()[number : number + 1], change.part(number, number + 1), imagenet_contract(32))
        torch.testing.assert_close(one[0], both[number])
    swapped = network_input(images()[:1], change.part(1, 2), imagenet_contract(32))
    assert not torch.allclose(swapped[0], both[0])


@mark.parametrize(("choice", "means"), [("paper", 0), ("gluoncv", 1)])
def test_only_contrast_takes_the_mean_of_the_images(monkeypatch: MonkeyPatch, choice: str, means: int) -> None:
    taken: list[Tensor] = []
    monkeypatch.setattr("backbones.data.color.mean_luma", lambda images: taken.append(images) or torch.ones(2))
    network_input(images(), random_color(2, np.random.default_rng(0), choice), imagenet_contract(32))
    assert len(taken) == means
