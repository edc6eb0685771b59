"""What every trunk and classifier promises, whichever network it is."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from pytest import approx, mark, raises

from backbones.bundles.bundle import make_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import load_trunk
from backbones.errors import UserError
from backbones.models import create_backbone, create_classifier, default_image_size, list_backbones


def smallest_of_each_class() -> list[str]:
    """One network of every class in the registry: that with the fewest parameters."""
    with torch.device("meta"):
        trunks = {name: create_backbone(name) for name in list_backbones()}
    by_size = sorted(trunks, key=lambda name: sum(each.numel() for each in trunks[name].parameters()), reverse=True)
    return list({type(trunks[name]): name for name in by_size}.values())


SMALL = ["resnet18_d", *smallest_of_each_class()]
PARTS = ["stem", "stage1", "stage2", "stage3", "stage4"]


def images(side: int, count: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@mark.parametrize("name", list_backbones())
def test_padded_maps_are_as_feature_info_says(name: str) -> None:
    for output_stride in (8, 16, 32):
        with torch.device("meta"):
            trunk = create_backbone(name, output_stride=output_stride, padded=True).eval()
            maps = trunk(torch.empty(1, 3, 97, 66))
        assert [tuple(x.shape[1:]) for x in maps] == [
            (info.channels, -(-97 // info.stride), -(-66 // info.stride)) for info in trunk.feature_info
        ]
        assert [info.stride for info in trunk.feature_info] == [min(stride, output_stride) for stride in (4, 8, 16, 32)]
        assert trunk.output_stride == output_stride
        assert trunk.padded


@mark.parametrize("name", [*smallest_of_each_class(), "resnet18_c", "resnet50_a", "resnet50_b", "mobilenet_v1"])
@mark.parametrize("output_stride", [8, 16])
def test_dense_features_contain_the_strided_ones(name: str, output_stride: int) -> None:
    """Dilation for stride is the same function at more positions."""
    strided = create_backbone(name, padded=True).double()
    batch = images(65, count=2).double()
    with torch.no_grad():
        # Statistics of the batch itself, so that it has not faded from the last maps.
        for module in strided.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        strided(batch)
    strided.eval()
    dense = create_backbone(name, output_stride=output_stride, padded=True).double().eval()
    dense.load_state_dict(strided.state_dict())
    step = 32 // output_stride
    with torch.no_grad():
        expected = strided(batch)[-1]
        torch.testing.assert_close(dense(batch)[-1][..., ::step, ::step], expected)
    assert expected.std() > 0.1


@mark.parametrize("name", SMALL)
@mark.parametrize("frozen_stages", [-1, 0, 2, 4])
def test_frozen_stages_do_not_move_and_the_others_do(name: str, frozen_stages: int) -> None:
    trunk = create_backbone(name).freeze(frozen_stages).train()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    trainable = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
    output = trunk(images(trunk.smallest_image, count=2))[-1].square().mean()
    if trainable:
        output.backward()
        torch.optim.SGD(trainable, lr=1.0).step()
    moved = {name.split(".")[0] for name, value in trunk.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == set(PARTS[frozen_stages + 1 :])


def test_norm_eval_keeps_statistics_and_trains_gamma() -> None:
    trunk = create_backbone("resnet18_d").freeze(norm_eval=True).train()
    norm = trunk.stage1[0].conv1.norm
    trunk(images(64, count=2))[-1].sum().backward()
    assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))
    assert norm.weight.grad is not None


@mark.parametrize("name", SMALL)
def test_out_indices_select_stages(name: str) -> None:
    trunk = create_backbone(name, out_indices=(1, 3)).eval()
    full = create_backbone(name).eval()
    full.load_state_dict(trunk.state_dict())
    batch = images(trunk.smallest_image)
    with torch.no_grad():
        assert all(torch.equal(x, y) for x, y in zip(trunk(batch), full(batch)[1::2], strict=True))


@mark.parametrize("name", list_backbones())
def test_the_smallest_image_leaves_something_of_every_map(name: str) -> None:
    with torch.device("meta"):
        trunk = create_backbone(name).eval()
        maps = trunk(torch.empty(1, 3, trunk.smallest_image, trunk.smallest_image))
        with raises(RuntimeError) if name == "inception_v3" else nullcontext():
            trunk(torch.empty(1, 3, trunk.smallest_image - 1, trunk.smallest_image - 1))
    assert maps[-1].shape[-2:] == (1, 1)


def test_every_listed_name_can_be_built() -> None:
    with torch.device("meta"):
        trunks = {name: create_backbone(name) for name in list_backbones()}
    assert {"resnet50_d", "inception_v3", "mobilenet_v1"} <= trunks.keys()
    assert all(len(trunk.feature_info) == 4 for trunk in trunks.values())
    assert {name: default_image_size(name) for name in trunks if default_image_size(name) != 224} == {
        "inception_v3": 299
    }


@mark.parametrize(
    ("name", "auxiliary", "millions"),
    [
        ("mobilenet_v1", False, 4.23),
        ("mobilenet_v1_075", False, 2.59),
        ("mobilenet_v1_050", False, 1.33),
        ("mobilenet_v1_025", False, 0.47),
        ("inception_v3", False, 23.83),
        ("inception_v3", True, 27.16),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, auxiliary: bool, millions: float) -> None:
    """Howard et al., Table 6 (4.2, 2.6, 1.3 and 0.5 million), and torchvision's page of Inception-V3 (27.2)."""
    with torch.device("meta"):
        model = create_classifier(name, 1000, auxiliary=auxiliary)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == approx(millions, abs=0.006)


def test_dropout_belongs_to_inception_and_follows_the_global_seed() -> None:
    def outputs(name: str, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return models[name](images(75, count=2))

    models = {name: create_classifier(name, 5).train() for name in SMALL}
    with torch.no_grad():
        assert torch.equal(outputs("inception_v3", 0), outputs("inception_v3", 0))
        assert not torch.equal(outputs("inception_v3", 0), outputs("inception_v3", 1))
        for name in ("resnet18_d", "mobilenet_v1_025"):
            assert torch.equal(outputs(name, 0), outputs(name, 1))
    assert models["inception_v3"].dropout.p == 0.5


def test_an_auxiliary_head_stays_behind() -> None:
    classifier = create_classifier("inception_v3", 5, auxiliary=True)
    bundle = make_bundle(classifier, "inception_v3", imagenet_contract(299), {"recipe": "r"}, "memory")
    ledger = load_trunk(create_backbone("inception_v3", output_stride=16, padded=True), bundle)
    dropped = ledger.summary()["dropped"]
    assert len(dropped["dropped: auxiliary head"]) == 14
    assert len(dropped["dropped: classifier head"]) == 2
    assert ledger.mapped == len(classifier.trunk.state_dict())


@mark.parametrize("name", SMALL)
def test_xavier_initialisation_everywhere(name: str) -> None:
    classifier = create_classifier(name, 100)
    for module in classifier.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            area = module.weight[0, 0].numel()
            bound = (6 / (area * (module.weight.shape[0] + module.weight.shape[1]))) ** 0.5
            assert 0.95 * bound < module.weight.abs().max().item() <= bound
    assert not classifier.head.bias.any()


@mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet18d"}, "did you mean resnet18_d"),
        ({"name": "mobilenet"}, "did you mean mobilenet_v1"),
        ({"name": "vgg16"}, "known are resnet18_a"),
        ({"name": "resnet18_d", "output_stride": 4}, "output_stride=4: the network offers 8, 16 and 32"),
        ({"name": "mobilenet_v1", "output_stride": 12}, "output_stride=12: the network offers 8, 16 and 32"),
        ({"name": "inception_v3", "output_stride": 16}, "output_stride=16: .* offers 32, and with padded=True also"),
        ({"name": "inception_v3", "output_stride": 4, "padded": True}, "output_stride=4: the network offers 8, 16"),
        ({"name": "resnet18_d", "out_indices": (4,)}, "stages run from 0 to 3"),
        ({"name": "mobilenet_v1", "zero_gamma": True}, "needs residual blocks and MobileNetV1 has none"),
        ({"name": "inception_v3", "zero_gamma": True}, "needs residual blocks and InceptionV3 has none"),
    ],
)
def test_what_does_not_exist_is_refused(arguments: dict, message: str) -> None:
    with torch.device("meta"), raises(UserError, match=message):
        create_backbone(**arguments)


def test_only_inception_has_an_auxiliary_head() -> None:
    with raises(UserError, match="resnet18_d has no auxiliary head, only inception_v3 has one"):
        create_classifier("resnet18_d", 5, auxiliary=True)


def test_an_unknown_network_has_no_image_size() -> None:
    with raises(UserError, match="unknown network 'inception'"):
        default_image_size("inception")


@mark.parametrize("name", SMALL)
def test_freezing_more_than_there_is_is_refused(name: str) -> None:
    with raises(UserError, match="allowed are -1 to 4"):
        create_backbone(name).freeze(5)
