"""Every trick on or off on its own."""

from __future__ import annotations

from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from backbones.errors import UserError
from backbones.recipes.recipe import RECIPES, Recipe, find_recipe
from backbones.recipes.switches import is_on, switch
from backbones.tricks import TRICKS

ON = {
    "linear-scaling": ("linear_scaling", True),
    "warmup": ("warmup_epochs", 5),
    "zero-gamma": ("zero_gamma", True),
    "no-bias-decay": ("no_bias_decay", True),
    "low-precision": ("low_precision", True),
    "cosine": ("schedule", "cosine"),
    "label-smoothing": ("label_smoothing", 0.1),
    "distillation": ("distillation", 20.0),
    "mixup": ("mixup", 0.2),
}
NUMBERS = ("warmup", "label-smoothing", "distillation", "mixup")


def again(name: str) -> Recipe:
    """The recipe that a switched recipe's name describes."""
    base, *marks = name.split()
    on = [mark.removeprefix("+") for mark in marks if mark.startswith("+")]
    off = [mark.removeprefix("-") for mark in marks if mark.startswith("-")]
    assert len(on) + len(off) == len(marks)
    return switch(find_recipe(base), on, off)


def test_there_is_a_switch_for_every_trick_of_the_paper() -> None:
    assert [name for name, trick in TRICKS.items() if trick.field] == list(ON)


@mark.parametrize("trick", ON)
def test_on_is_the_papers_value_and_nothing_else_changes(trick: str) -> None:
    field, value = ON[trick]
    base = find_recipe("b-standard")
    changed = switch(base, [trick], [])
    assert getattr(changed, field) == value
    assert is_on(changed, trick)
    assert not is_on(base, trick)
    assert changed.name == f"b-standard +{trick}"
    assert changed.summary == f"{base.summary}; changed: +{trick}"
    assert replace(changed, name=base.name, summary=base.summary, **{field: getattr(base, field)}) == base


@mark.parametrize("trick", ON)
def test_off_takes_back_what_on_did(trick: str) -> None:
    field, _ = ON[trick]
    everything = replace(find_recipe("b-standard"), **dict(ON.values()))
    changed = switch(everything, [], [trick])
    assert not is_on(changed, trick)
    assert all(is_on(changed, other) for other in ON if other != trick)
    assert changed.name == f"b-standard -{trick}"
    assert asdict(changed) == {
        **asdict(everything),
        field: {"schedule": "step"}.get(field, 0),
        "name": changed.name,
        "summary": changed.summary,
    }


@given(
    st.sampled_from(sorted(RECIPES)),
    st.dictionaries(st.sampled_from(sorted(ON)), st.booleans()),
)
def test_any_subset_from_any_recipe(name: str, wanted: dict[str, bool]) -> None:
    base = find_recipe(name)
    changed = switch(
        base, [trick for trick in wanted if wanted[trick]], [trick for trick in wanted if not wanted[trick]]
    )
    expected = {trick for trick in ON if wanted.get(trick, is_on(base, trick))}
    assert {trick for trick in ON if is_on(changed, trick)} == expected
    assert again(changed.name) == changed
    untouched = {field for trick, (field, _) in ON.items() if trick in wanted} | {"name", "summary"}
    assert all(value == getattr(base, key) for key, value in asdict(changed).items() if key not in untouched)


@given(
    st.sampled_from(sorted(RECIPES)),
    st.dictionaries(
        st.sampled_from(NUMBERS), st.floats(0, 1, exclude_min=True, exclude_max=True, allow_subnormal=False)
    ),
)
def test_a_name_keeps_every_digit_of_a_value(name: str, values: dict[str, float]) -> None:
    """Two runs with different numbers must not go by the same name."""
    changed = switch(find_recipe(name), [f"{trick}={value!r}" for trick, value in values.items()], [])
    for trick, value in values.items():
        assert getattr(changed, ON[trick][0]) == value
    assert again(changed.name) == changed


@mark.parametrize(
    ("on", "off", "name"),
    [
        (["mixup"], ["zero-gamma"], "d-smooth -zero-gamma +mixup"),
        (["mixup=0.4"], [], "d-smooth +mixup=0.4"),
        (["warmup=10"], [], "d-smooth +warmup=10"),
        (["label-smoothing=0.2"], ["cosine"], "d-smooth -cosine +label-smoothing=0.2"),
        ([], ["low-precision"], "d-smooth -low-precision"),  # float32 is not what the machine would choose
    ],
)
def test_the_name_tells_what_changed(on: list[str], off: list[str], name: str) -> None:
    changed = switch(find_recipe("d-smooth"), on, off)
    assert changed.name == name
    assert again(name) == changed


@mark.parametrize(
    ("on", "off"),
    [([], []), (["cosine"], ["mixup"]), (["label-smoothing=0.1"], []), (["warmup=5"], ["distillation"])],
)
def test_asking_for_what_is_so_anyway_changes_nothing(on: list[str], off: list[str]) -> None:
    recipe = find_recipe("d-smooth")
    assert switch(recipe, on, off) is recipe


def test_the_papers_rows_are_their_neighbours_with_a_switch() -> None:
    same = {"name": "", "summary": ""}
    for base, trick, row in (
        ("d-efficient", "cosine", "d-cosine"),
        ("d-cosine", "label-smoothing", "d-smooth"),
        ("d-smooth", "distillation", "d-distill"),
        ("d-mixup", "distillation", "d-distill-mixup"),
    ):
        assert replace(switch(find_recipe(base), [trick], []), **same) == replace(find_recipe(row), **same)


@mark.parametrize(
    ("on", "off", "message"),
    [
        (["mixup"], ["mixup"], "mixup: named more than once"),
        (["mixup", "mixup=0.4"], [], "mixup: named more than once"),
        ([], ["cosine", "cosine"], "cosine: named more than once"),
        (["mixup", "cosine"], ["mixup", "cosine"], "cosine, mixup: named more than once"),
        (["mixups"], [], "--with mixups: no such trick; there are linear-scaling, warmup"),
        ([], ["momentum"], "--without momentum: no such trick; there are linear-scaling"),
        ([], ["mixup=0.2"], "--without mixup=0.2: no such trick"),
        (["cosine=0.5"], [], "--with cosine=0.5: cosine is on or off and takes no value; write --with cosine"),
        (["zero-gamma=1"], [], "takes no value"),
        (["mixup="], [], "--with mixup=: '' is not a number; the paper's value is 0.2"),
        (["mixup=lots"], [], "'lots' is not a number; the paper's value is 0.2"),
        (["mixup=0"], [], "--with mixup=0: the value must be above 0; the paper's is 0.2"),
        (["mixup=-1"], [], "must be above 0; "),
        (["mixup=inf"], [], "must be above 0"),
        (["mixup=nan"], [], "must be above 0"),
        (["label-smoothing=1"], [], "must be above 0 and below 1; the paper's is 0.1"),
        (["distillation=0"], [], "must be above 0; the paper's is 20"),
        (["warmup=-0.5"], [], "must be above 0 and below 120; the paper's is 5"),
        (["warmup=120"], [], "must be above 0 and below 120"),
    ],
)
def test_impossible_wishes_are_refused(on: list[str], off: list[str], message: str) -> None:
    with raises(UserError, match=message):
        switch(find_recipe("d-smooth"), on, off)
