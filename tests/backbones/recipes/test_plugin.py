"""A plugin: what it adds, what is refused, and that nothing is left of one that failed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from pytest import fixture, mark, raises

from backbones.errors import UserError
from backbones.recipes.plugin import check_origin, load_plugin
from backbones.recipes.recipe import RECIPES, find_recipe, recipe_list
from backbones.recipes.switches import is_on, switch
from backbones.tricks import TRICKS

pytestmark = mark.usefixtures("own_registries")
GOOD = """
from __future__ import annotations
from dataclasses import dataclass, replace
from backbones.recipes.recipe import Recipe, find_recipe
from backbones.tricks.trick import Trick

@dataclass
class Line:  # needs its module in sys.modules
    factor: float

TRICKS = {"line": Trick(decay=lambda done, total: Line(1 - done / total).factor), "two-words": Trick(on=3.0, lowest=0)}
RECIPES = {"d-line": replace(find_recipe("d-efficient"), name="d-line", tricks={"line": True})}
"""


@fixture
def plugin(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_its_tricks_and_recipes_are_as_all_others(plugin: Callable[[str], Path]) -> None:
    path = plugin(GOOD)
    assert load_plugin(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(TRICKS)[-2:] == ["line", "two-words"]
    assert is_on(find_recipe("d-line"), "line")
    assert not is_on(find_recipe("d-smooth"), "line")
    assert switch(find_recipe("d-line"), ["two-words=2.5"], ["line"]).name == "d-line -line +two-words=2.5"
    assert recipe_list().splitlines()[-2].startswith("d-line ")
    with raises(UserError, match="cosine and line both decide the decay"):
        switch(find_recipe("d-line"), ["cosine"], [])


def test_a_file_that_was_changed_stands_in_for_what_it_was(plugin: Callable[..., Path]) -> None:
    first = load_plugin(plugin(GOOD))
    second = load_plugin(plugin(GOOD.replace("two-words", "three-words")))
    assert first != second
    assert "two-words" not in TRICKS
    assert list(TRICKS)[-2:] == ["line", "three-words"]


def test_a_run_that_names_no_plugin_has_nothing_of_one(plugin: Callable[..., Path]) -> None:
    """In a process that has loaded one for another run, as a notebook does."""
    digest = load_plugin(plugin(GOOD))
    recipe = find_recipe("d-line")
    check_origin("d-line", recipe, digest)
    switched = switch(find_recipe("d-smooth"), ["two-words"], [])
    for asked, each in (("d-line", recipe), ("d-smooth", switched)):
        with raises(UserError, match="is of a plugin that this run does not name; give --plugin"):
            check_origin(asked, each, None)
    check_origin("d-smooth", find_recipe("d-smooth"), None)


def test_the_same_content_is_run_once(plugin: Callable[..., Path], tmp_path: Path) -> None:
    text = f"{GOOD}open({str(tmp_path / 'ran')!r}, 'a').write('x')\n"
    assert load_plugin(plugin(text)) == load_plugin(plugin(text, "elsewhere.py"))
    assert (tmp_path / "ran").read_text() == "x"
    with raises(UserError, match="TRICKS\\['line'\\]: there is such a trick already"):
        load_plugin(plugin(GOOD + "# another\n", "third.py"))


TRICK = "from backbones.tricks.trick import Trick\n"
RECIPE = """
from dataclasses import replace
from backbones.recipes.recipe import find_recipe
BASE = find_recipe("d-smooth")
"""


@mark.parametrize(
    ("text", "message"),
    [
        ("", "defines neither TRICKS nor RECIPES"),
        ("x = 1\ny = 1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("x = 1\nif", "line 2: SyntaxError"),
        ("import no_such_module", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("TRICKS = 3", "TRICKS is no dictionary"),
        ("TRICKS = {'a': 3}", "TRICKS\\['a'\\] is 3 where a Trick should be"),
        (f"{TRICK}TRICKS = {{'A b': Trick()}}", "the name should be of small letters, digits and -"),
        (f"{TRICK}TRICKS = {{'mixup': Trick()}}", "there is such a trick already"),
        (f"{TRICK}TRICKS = {{'mine': Trick(field='mixup')}}", "field is for tricks of the paper"),
        (f"{TRICK}TRICKS = {{'mine': Trick(mix=max)}}", "draw and mix go together"),
        (f"{RECIPE}RECIPES = {{'d-smooth': BASE}}", "there is a recipe 'd-smooth' already"),
        (f"{RECIPE}RECIPES = {{'mine': replace(BASE, name='other')}}", "it calls itself 'other'"),
        (f"{RECIPE}RECIPES = {{'a b': replace(BASE, name='a b')}}", "name is 'a b' where a word of letters"),
        (f"{RECIPE}RECIPES = {{'m': replace(BASE, name='m', epochs='3')}}", "epochs is '3' where a whole number"),
        (
            f"{TRICK}{RECIPE}TRICKS = {{'mine': Trick()}}\n"
            "RECIPES = {'m': replace(BASE, name='m', tricks={'mine': True, 'yours': True})}",
            "tricks.yours: no such trick; .*there are .*mine",
        ),
        (
            f"{TRICK}{RECIPE}TRICKS = {{'mine': Trick(on=1.0, lowest=0, highest=2)}}\n"
            "RECIPES = {'m': replace(BASE, name='m', tricks={'mine': 2})}",
            "tricks.mine is 2 where 0 or a number above 0 and below 2 should be",
        ),
    ],
)
def test_one_message_for_what_is_wrong_and_nothing_is_left(
    plugin: Callable[[str], Path], text: str, message: str
) -> None:
    path, before = plugin(text), (dict(TRICKS), dict(RECIPES))
    for _ in range(2):  # a failure is not remembered as a success
        with raises(UserError, match=message) as refused:
            load_plugin(path)
        assert str(refused.value).startswith(f"--plugin {path}")
        assert "\n" not in str(refused.value)
    assert before == (TRICKS, RECIPES)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with raises(UserError, match="cannot read it: No such file"):
        load_plugin(tmp_path / "nowhere.py")
    (tmp_path / "mine.txt").write_text(GOOD)
    with raises(UserError, match=r"is no Python file; its name should end in \.py"):
        load_plugin(tmp_path / "mine.txt")
