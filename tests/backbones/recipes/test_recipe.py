"""The recipes, against the paper's text and tables as a person reads them; ``paper.json`` is not asked."""

from __future__ import annotations

from dataclasses import asdict

from pytest import approx, mark, raises

from backbones.errors import UserError
from backbones.recipes.recipe import RECIPES, find_recipe, recipe_list
from backbones.recipes.schedule import peak_learning_rate
from backbones.recipes.switches import is_on
from backbones.tricks import TRICKS

PLAIN = {"linear-scaling", "warmup", "no-bias-decay"}
RESIDUAL = PLAIN | {"zero-gamma"}
SMOOTH = {"cosine", "label-smoothing"}
# Epochs, batch, learning rate after the warmup, tricks: Sections 2.1, 3 and 5, Tables 3 to 6.
EXPECTED = {
    "b-standard": (120, 256, 0.1, set()),
    "d-efficient": (120, 1024, 0.4, RESIDUAL),
    "d-cosine": (120, 1024, 0.4, RESIDUAL | {"cosine"}),
    "d-smooth": (120, 1024, 0.4, RESIDUAL | SMOOTH),
    "d-distill": (120, 1024, 0.4, RESIDUAL | SMOOTH | {"distillation"}),
    "d-mixup": (200, 1024, 0.4, RESIDUAL | SMOOTH | {"mixup"}),
    "d-distill-mixup": (200, 1024, 0.4, RESIDUAL | SMOOTH | {"distillation", "mixup"}),
    "efficient": (120, 1024, 0.4, PLAIN),
    "cosine": (120, 1024, 0.4, PLAIN | {"cosine"}),
    "smooth": (120, 1024, 0.4, PLAIN | SMOOTH),
    "distill": (120, 1024, 0.4, PLAIN | SMOOTH | {"distillation"}),
    "mixup": (200, 1024, 0.4, PLAIN | SMOOTH | {"mixup"}),
    "distill-mixup": (200, 1024, 0.4, PLAIN | SMOOTH | {"distillation", "mixup"}),
    "batch256-scaling": (120, 256, 0.1, {"linear-scaling"}),
    "batch256-warmup": (120, 256, 0.1, {"linear-scaling", "warmup"}),
    "batch256-zero-gamma": (120, 256, 0.1, {"linear-scaling", "warmup", "zero-gamma"}),
    "batch256-no-bias-decay": (120, 256, 0.1, RESIDUAL),
    "batch256-fp16": (120, 256, 0.1, RESIDUAL | {"low-precision"}),
    "batch1024-scaling": (120, 1024, 0.4, {"linear-scaling"}),
    "batch1024-warmup": (120, 1024, 0.4, {"linear-scaling", "warmup"}),
    "batch1024-zero-gamma": (120, 1024, 0.4, {"linear-scaling", "warmup", "zero-gamma"}),
    "batch1024-no-bias-decay": (120, 1024, 0.4, RESIDUAL),
    "batch1024-fp16": (120, 1024, 0.4, RESIDUAL | {"low-precision"}),
}
VALUES = {
    "linear-scaling": ("linear_scaling", True, False),
    "warmup": ("warmup_epochs", 5, 0),
    "zero-gamma": ("zero_gamma", True, False),
    "no-bias-decay": ("no_bias_decay", True, False),
    "cosine": ("schedule", "cosine", "step"),
    "label-smoothing": ("label_smoothing", 0.1, 0),
    "distillation": ("distillation", 20, 0),
    "mixup": ("mixup", 0.2, 0),
}


def changes(base: str, refined: str) -> dict[str, object]:
    """Settings in which two recipes differ, apart from how they are described."""
    old, new = asdict(find_recipe(base)), asdict(find_recipe(refined))
    return {key: new[key] for key in new if new[key] != old[key] and key not in ("name", "summary")}


def test_there_are_exactly_the_rows_of_the_paper() -> None:
    assert list(RECIPES) == list(EXPECTED)


@mark.parametrize("name", EXPECTED)
def test_a_recipe_is_its_row_of_the_paper(name: str) -> None:
    recipe = find_recipe(name)
    epochs, batch_size, learning_rate, tricks = EXPECTED[name]
    assert recipe.name == name
    assert (recipe.epochs, recipe.batch_size, recipe.base_learning_rate) == (epochs, batch_size, 0.1)
    assert peak_learning_rate(recipe, batch_size, None)[0] == approx(learning_rate)
    assert {trick for trick in TRICKS if is_on(recipe, trick)} == tricks
    for trick, (field, on, off) in VALUES.items():
        assert getattr(recipe, field) == (on if trick in tricks else off), trick


@mark.parametrize("name", EXPECTED)
def test_the_baselines_turning_points_keep_their_share_of_the_run(name: str) -> None:
    recipe = find_recipe(name)
    expected = (30, 60, 90) if recipe.epochs == 120 else (50, 100, 150)
    assert recipe.milestones == expected
    assert [milestone / recipe.epochs for milestone in recipe.milestones] == [0.25, 0.5, 0.75]


@mark.parametrize("name", EXPECTED)
def test_only_table_4_decides_the_precision_for_the_machine(name: str) -> None:
    """Table 4 has float32 down to its last row; elsewhere all rows of a comparison run in the same format."""
    expected = name.endswith("-fp16") if name.startswith("batch") else None
    assert find_recipe(name).low_precision is expected


@mark.parametrize("name", RECIPES)
def test_momentum_and_weight_decay_are_gluoncvs(name: str) -> None:
    recipe = find_recipe(name)
    assert (recipe.momentum, recipe.weight_decay) == (0.9, 1e-4)


def test_efficient_is_the_baseline_with_the_heuristics_of_section_3() -> None:
    assert changes("b-standard", "d-efficient") == {
        "batch_size": 1024,
        "warmup_epochs": 5,
        "linear_scaling": True,
        "zero_gamma": True,
        "no_bias_decay": True,
    }


@mark.parametrize(
    ("base", "refined", "change"),
    [
        ("d-efficient", "d-cosine", {"schedule": "cosine"}),
        ("d-cosine", "d-smooth", {"label_smoothing": 0.1}),
        ("d-smooth", "d-distill", {"distillation": 20.0}),
        ("d-smooth", "d-mixup", {"epochs": 200, "milestones": (50, 100, 150), "mixup": 0.2}),
        ("d-mixup", "d-distill-mixup", {"distillation": 20.0}),
        ("batch1024-scaling", "batch1024-warmup", {"warmup_epochs": 5}),
        ("batch1024-warmup", "batch1024-zero-gamma", {"zero_gamma": True}),
        ("batch1024-zero-gamma", "batch1024-no-bias-decay", {"no_bias_decay": True}),
        ("batch1024-no-bias-decay", "batch1024-fp16", {"low_precision": True}),
        ("batch256-fp16", "batch1024-fp16", {"batch_size": 1024}),
    ],
)
def test_each_further_row_adds_one_refinement(base: str, refined: str, change: dict[str, object]) -> None:
    assert changes(base, refined) == change


@mark.parametrize("name", [name for name in EXPECTED if name.startswith("d-")])
def test_networks_without_residual_blocks_have_the_same_rows_without_zero_gamma(name: str) -> None:
    assert changes(name, name.removeprefix("d-")) == {"zero_gamma": False}


def test_unknown_recipe_lists_the_known_ones() -> None:
    with raises(UserError, match=r"'d-smoth'.*b-standard, d-efficient, d-cosine, d-smooth, d-distill, d-mixup"):
        find_recipe("d-smoth")


def described() -> dict[str, list[str]]:
    """The lines of the list by recipe."""
    blocks: dict[str, list[str]] = {}
    for line in recipe_list().splitlines():
        if not line.startswith(" "):
            name = line.split()[0]
            assert name not in blocks
            blocks[name] = []
        blocks[name].append(line.strip())
    return blocks


def test_list_names_every_recipe_with_its_settings() -> None:
    blocks = described()
    assert list(blocks) == list(EXPECTED)
    for name, (epochs, batch_size, learning_rate, tricks) in EXPECTED.items():
        rate = f"0.1 / 256 * {batch_size} = {learning_rate}" if "linear-scaling" in tricks else "0.1"
        decay = "cosine" if "cosine" in tricks else "step"
        settings = f"{epochs} epochs, batch {batch_size}, learning rate {rate}, {decay} decay, color paper"
        assert blocks[name][1] == settings


TOP1 = {
    2: {"b-standard": ["resnet50_a 75.87", "inception_v3 77.32", "mobilenet_v1 69.03"]},
    3: {
        "b-standard": ["resnet50_a 75.87", "inception_v3 77.32", "mobilenet_v1 69.03"],
        "d-efficient": ["resnet50_a 76.21"],
        "efficient": ["inception_v3 77.50", "mobilenet_v1 71.90"],
    },
    4: {
        "batch256-scaling": ["resnet50_a 75.87"],
        "batch256-warmup": ["resnet50_a 76.03"],
        "batch256-zero-gamma": ["resnet50_a 76.19"],
        "batch256-no-bias-decay": ["resnet50_a 76.16"],
        "batch256-fp16": ["resnet50_a 76.15"],
        "batch1024-scaling": ["resnet50_a 75.17"],
        "batch1024-warmup": ["resnet50_a 75.93"],
        "batch1024-zero-gamma": ["resnet50_a 76.37"],
        "batch1024-no-bias-decay": ["resnet50_a 76.03"],
        "batch1024-fp16": ["resnet50_a 76.21"],
    },
    5: {"d-efficient": ["resnet50_a 76.21", "resnet50_b 76.66", "resnet50_c 76.87", "resnet50_d 77.16"]},
    6: {
        "d-efficient": ["resnet50_d 77.16"],
        "d-cosine": ["resnet50_d 77.91"],
        "d-smooth": ["resnet50_d 78.31"],
        "d-distill": ["resnet50_d 78.67"],
        "d-mixup": ["resnet50_d 79.15"],
        "d-distill-mixup": ["resnet50_d 79.29"],
        "efficient": ["inception_v3 77.50", "mobilenet_v1 71.90"],
        "cosine": ["inception_v3 78.19", "mobilenet_v1 72.83"],
        "smooth": ["inception_v3 78.40", "mobilenet_v1 72.93"],
        "distill": ["inception_v3 78.26", "mobilenet_v1 71.97"],
        "mixup": ["inception_v3 78.77", "mobilenet_v1 73.28"],
        "distill-mixup": ["inception_v3 78.34", "mobilenet_v1 72.51"],
    },
}
# Top-1, mAP (Table 8), mIoU and pixel accuracy (Table 9).
TRANSFER = {
    "b-standard": (76.14, 77.54, 37.05, 78.08),
    "d-efficient": (77.16, 78.30, 38.88, 78.88),
    "d-cosine": (77.91, 79.23, 39.33, 79.25),
    "d-smooth": (78.34, 80.71, 38.75, 78.64),
    "d-distill": (78.67, 80.96, 38.90, 78.97),
    "d-mixup": (79.16, 81.10, 37.99, 78.47),
    "d-distill-mixup": (79.29, 81.33, 38.40, 78.72),
}


def test_list_shows_the_papers_number_of_every_row_and_no_other() -> None:
    expected: dict[str, set[str]] = {name: set() for name in EXPECTED}
    for table, rows in TOP1.items():
        for name, numbers in rows.items():
            expected[name].add(f"top-1 in the paper's Table {table}: {', '.join(numbers)}")
    for name, (top1, detection, miou, pixels) in TRANSFER.items():
        expected[name].add(f"in the paper's Table 8: top-1 {top1:.2f}, map {detection:.2f}")
        expected[name].add(f"in the paper's Table 9: top-1 {top1:.2f}, miou {miou:.2f}, pixel_accuracy {pixels:.2f}")
    assert {name: sorted(lines[2:]) for name, lines in described().items()} == {
        name: sorted(lines) for name, lines in expected.items()
    }
