"""A recipe from a YAML file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st
from pytest import fixture, mark, raises

from backbones.cli.yaml_section import LARGEST
from backbones.errors import UserError
from backbones.recipes.checked import KINDS, check_recipe
from backbones.recipes.recipe import RECIPES, Recipe, find_recipe
from backbones.recipes.recipe_file import chosen_recipe, read_recipe
from backbones.tricks import TRICKS
from backbones.tricks.trick import Trick

SAME = {"name": "mine", "summary": "s"}


@fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


def test_what_is_left_out_is_the_bases_or_the_baselines(written: Callable[[str], Path]) -> None:
    path = written("name: mine\nsummary: s\nbase: d-mixup\nepochs: 10\nmilestones: [2, 5.5]\nlow_precision: null\n")
    assert read_recipe(path) == replace(find_recipe("d-mixup"), epochs=10, milestones=(2, 5.5), warmup_epochs=5, **SAME)
    assert chosen_recipe(str(path)) == read_recipe(path)
    path = written("name: mine\nsummary: s\nmixup: 0.4\n")
    assert read_recipe(path) == replace(find_recipe("b-standard"), mixup=0.4, **SAME)


def test_a_name_is_never_a_file(written: Callable[[str], Path]) -> None:
    assert chosen_recipe("d-smooth") is RECIPES["d-smooth"]
    with raises(UserError, match="unknown recipe"):
        find_recipe(str(written("name: mine")))  # what a run says of itself goes this way


@given(st.sampled_from(sorted(RECIPES)), st.data())
def test_every_shipped_recipe_can_be_written_out(tmp_path_factory, name: str, data: st.DataObject) -> None:
    """All fields of one on top of another give the one."""
    recipe = replace(find_recipe(name), **SAME)
    text = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}
    path = tmp_path_factory.mktemp("recipe") / "mine.yml"
    path.write_text(yaml.safe_dump({"base": data.draw(st.sampled_from(sorted(RECIPES))), **text}))
    assert read_recipe(path) == recipe


@mark.parametrize("name", RECIPES)
def test_shipped_recipes_pass_but_for_their_names(name: str) -> None:
    check_recipe(replace(RECIPES[name], name="mine"))
    with raises(UserError, match="already"):
        check_recipe(RECIPES[name])


def test_every_field_is_checked() -> None:
    of_tricks = {trick.field for trick in TRICKS.values() if trick.field and trick.lowest is not None}
    assert {field.name for field in fields(Recipe)} == set(KINDS) | of_tricks


@mark.parametrize(
    ("line", "message"),
    [
        ("epoch: 3", "unknown key epoch; did you mean epochs"),
        ("epochs: 3\nepochs: 4", "line 3: not readable as YAML .'epochs' stands there twice"),
        ("epochs: 0", "epochs is 0 where a whole number from 1 should be"),
        ("epochs: 2.5", "epochs is 2.5 where"),
        ("epochs: true", "epochs is True where"),
        ("epochs: 5\nbase: d-smooth", "warmup_epochs is 5, and epochs 5: make it less"),
        ("epochs: 50", "milestones is .30, 60, 90., and epochs 50: make them less"),
        ("batch_size: many", "batch_size is 'many' where"),
        ("base_learning_rate: 0", "base_learning_rate is 0 where a number above 0"),
        ("base_learning_rate: .nan", "base_learning_rate is nan where"),
        ("momentum: 1", "momentum is 1 where"),
        ("weight_decay: -1", "weight_decay is -1 where"),
        ("weight_decay: 1e-4", "weight_decay is '1e-4' where"),  # YAML 1.1 takes it for a word; 1.0e-4 is a number
        ("schedule: linear", "schedule is 'linear' where step or cosine"),
        ("milestones: [60, 30]", "milestones is .60, 30. where a list of rising numbers"),
        ("milestones: 30", "milestones is 30 where"),
        ("milestones: [-5]", "milestones is .-5,. where"),
        ("zero_gamma: 1", "zero_gamma is 1 where true or false"),
        ("low_precision: 16", "low_precision is 16 where"),
        ("label_smoothing: 1", "label_smoothing is 1 where 0 or a number above 0 and below 1 should be"),
        ("mixup: true", "mixup is True where"),
        ("color: blue", "color is 'blue' where paper or gluoncv"),
        ("color: [paper]", "color is .'paper',. where"),
        ("tricks: cutmix", "tricks is 'cutmix' where"),
        ("tricks: {nothing-like-it: 1}", "tricks.nothing-like-it: no such trick; .*there are"),
        ("tricks: {mixup: 1}", "tricks.mixup: no such trick"),  # a field of its own
        ("base: d-smoth", "unknown recipe 'd-smoth': did you mean d-smooth"),
        ("base: other.yaml", "unknown recipe 'other.yaml'"),
        ("summary: ''", "summary is '' where"),
        ("name: !!python/object/apply:os.getcwd []", "not readable as YAML"),
    ],
)
def test_a_mistake_is_one_message_with_file_and_key(written: Callable[[str], Path], line: str, message: str) -> None:
    path = written(f"name: mine\n{line}\n" if not line.startswith("name") else line)
    with raises(UserError, match=message) as refused:
        read_recipe(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


@mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3", "name: is missing"),
        ("name: d-smooth", "name: there is a recipe 'd-smooth' already"),
        ("name: random", "name: there is a recipe 'random' already"),
        ("name: d-smooth +mixup", "name is 'd-smooth .mixup' where a word"),  # what a switched recipe is called
        ("name: a.yaml", "name is 'a.yaml' where a word"),
        ("[1, 2]", "it holds .1, 2. where a section"),
        ("name: " + "x" * LARGEST, "bytes, more than"),
    ],
)
def test_what_is_no_recipe(written: Callable[[str], Path], text: str, message: str) -> None:
    with raises(UserError, match=message):
        read_recipe(written(text))


@mark.parametrize("place", ["milestones: {}", "tricks: {{x: {}}}", "{}: 3", "epochs: {{? {} : 3}}", "name: {}"])
def test_aliases_of_aliases_do_not_fill_the_memory(written: Callable[[str], Path], place: str) -> None:
    """They are 8 ** 12 words when they are written out."""
    lists = ["&a0 [x, x, x, x, x, x, x, x]"]
    lists += [f"&a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 12)]
    text = place.format(f"[{', '.join(lists)}]")
    with raises(UserError) as refused:
        read_recipe(written(text if text.startswith("name") else f"name: mine\n{text}"))
    assert len(str(refused.value)) < 2000


def test_a_document_without_end_is_refused(written: Callable[[str], Path]) -> None:
    with raises(UserError, match="sections in sections without end"):
        read_recipe(written("[" * 100_000))


def test_tricks_of_a_plugin(written: Callable[[str], Path], own_registries: None) -> None:
    TRICKS["cutmix"] = Trick(on=1.0, off=0.0, lowest=0, draw=lambda *_: 0, mix=lambda x, y, _: (x, y))
    TRICKS["still"] = Trick()
    assert read_recipe(written("name: mine\ntricks: {cutmix: 0.5, still: true}")).tricks == {
        "cutmix": 0.5,
        "still": True,
    }
    for line, message in (
        ("tricks: {cutmix: -1}", "tricks.cutmix is -1 where 0 or a number above 0 should be"),
        ("tricks: {still: 1}", "tricks.still is 1 where True should be"),
        ("tricks: {cutmx: 1}", "tricks.cutmx: no such trick; did you mean cutmix"),
    ):
        with raises(UserError, match=message):
            read_recipe(written(f"name: mine\n{line}"))
