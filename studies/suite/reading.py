"""From a suite's YAML file to its ``Suite``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from backbones.cli.yaml_section import Section, read_yaml
from backbones.data.shapes import LAYOUTS
from backbones.errors import UserError, did_you_mean, not_none
from backbones.recipes.plugin import load_plugin
from backbones.recipes.recipe import RANDOM_RECIPE
from backbones.recipes.recipe_file import chosen_recipe, is_recipe_file
from backbones.recipes.switches import needs_teacher
from studies.suite.definition import Data, Options, Shapes, Suite, SuiteRow, TaskSettings
from studies.suite.gate.controls import read_controls
from studies.suite.gate.expectations import read_expectations
from transfer.catalogue import CLASSIFICATION, TASKS, transfers

SHAPES_PREFIX = "shapes:"
SUITE_KEYS = (
    *("title", "note", "seeds", "transfers-per-training", "baseline", "jobs", "shapes"),
    *("rows", "teachers", "expected", "controls"),
)
ROW_KEYS = ("name", "recipe", "network", "from", "teacher", "options", "seeds", "tasks", "transfers-per-training")
TEACHER_KEYS = ("name", "recipe", "network", "from", "teacher", "options", "seed")


def read_suite(path: Path) -> Suite:
    """Read the definition of a suite.

    Raises:
        UserError: A key or a value that is not what it should be; the message names file and key.
    """
    document = Section(path, "", read_yaml(path), (*SUITE_KEYS, *TASKS))
    shapes = _read_shapes(document)
    tasks = {name: _read_task(document, name, shapes) for name in TASKS if name in document}
    _transfers_per_training(document, [name for name in tasks if name in transfers()])
    _load_plugin(tasks[CLASSIFICATION].options if CLASSIFICATION in tasks else {}, f"{path}: {CLASSIFICATION}.options")
    teachers = tuple(
        row for section in document.sections("teachers", TEACHER_KEYS) for row in _read_rows(section, (), (0,))
    )
    transferred = tuple(name for name in transfers() if name in tasks)
    rows = tuple(
        row for section in document.sections("rows", ROW_KEYS) for row in _read_rows(section, transferred, None)
    )
    if not rows:
        raise UserError(f"{path}: rows names none; a suite needs one or more, each with recipe and network")
    _check_names(path, rows, teachers)
    _check_teachers(path, rows, teachers)
    _check_trainings(path, rows, teachers, tasks)
    return Suite(
        path=path,
        seeds=document.wholes("seeds", (0,)) or (0,),
        rows=rows,
        teachers=teachers,
        tasks=tasks,
        expected=read_expectations(document, rows),
        baseline=document.text("baseline"),
        jobs=document.whole("jobs", 1, least=1) or 1,
        title=document.text("title"),
        note=document.text("note"),
        controls=read_controls(document, rows),
    )


def _load_plugin(options: Options, place: str) -> None:
    """What is given as ``plugin`` among options, so that its tricks and recipes are known; it is run here, too."""
    file = options.get("plugin")
    if file is None:
        return
    if not isinstance(file, str):
        raise UserError(f"{place}.plugin is {file!r} where the path of a file should be")
    try:
        load_plugin(Path(os.path.expanduser(file)))
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


def _read_shapes(document: Section) -> dict[str, Shapes]:
    found = {}
    group = document.section("shapes")
    for name in group:
        section = group.section(name, ("images", "size", "seed", "layouts"))
        images, size = section.whole("images", least=1), section.whole("size", least=1)
        if images is None or size is None:
            section.error("", "needs images and size")
        layouts = section.texts("layouts") or tuple(LAYOUTS)
        for layout in layouts:
            if layout not in LAYOUTS:
                section.error(
                    "layouts", f"no layout {layout!r}; {did_you_mean(layout, LAYOUTS)}see {', '.join(LAYOUTS)}"
                )
        found[name] = Shapes(images, size, section.whole("seed", 0) or 0, layouts)
    return found


def _read_task(document: Section, name: str, shapes: dict[str, Shapes]) -> TaskSettings:
    if name == CLASSIFICATION:
        section = document.section(name, ("data", "train-images", "options"))
        return TaskSettings(_read_data(section, name, shapes), dict(section.section("options")))
    section = document.section(name, ("data", "train-images", "protocol", "options", "transfers-per-training"))
    protocol = section.text("protocol")
    if protocol is None:
        section.error("protocol", "is missing; give a file of det_configs/ or seg_configs/")
    several = next((count for each in (section, document) if (count := _transfers_per_training(each, [name]))), 1)
    return TaskSettings(_read_data(section, name, shapes), dict(section.section("options")), protocol, several)


def _transfers_per_training(section: Section, transfers: Sequence[str]) -> int | None:
    """What a document, a task or a row says of them; ``transfers`` are those that it is for."""
    count = section.whole("transfers-per-training", least=1)
    if count is not None and not transfers:
        section.error("transfers-per-training", "there is no transfer here; add detection or segmentation")
    return count


def _read_data(section: Section, task: str, shapes: dict[str, Shapes]) -> Data | None:
    said = section.text("data")
    if said is None:
        return None
    count = section.whole("train-images", least=1)
    if not said.startswith(SHAPES_PREFIX):
        return Data(path=Path(said), train_images=count)
    name = said.removeprefix(SHAPES_PREFIX)
    if name not in shapes:
        section.error(
            "data", f"no shapes {name!r}; {did_you_mean(name, shapes)}there are {', '.join(shapes) or 'none'}"
        )
    if task not in shapes[name].layouts:
        section.error("data", f"shapes.{name}.layouts has no {task}; add it there")
    return Data(shapes=shapes[name], train_images=shapes[name].images)


def _read_rows(section: Section, transfers: Sequence[str], seeds: tuple[int, ...] | None) -> Iterator[SuiteRow]:
    """The rows of one entry: recipes times networks."""
    recipes, networks = section.texts("recipe"), section.texts("network")
    own = section.wholes("seeds") if "seed" not in section else (section.whole("seed") or 0,)
    shared: dict[str, Any] = {
        "teacher": section.text("teacher"),
        "options": dict(section.section("options")),
        "seeds": own or seeds,
        "tasks": _tasks(section, transfers),
        "transfers_per_training": _transfers_per_training(section, transfers),
    }
    _load_plugin(shared["options"], f"{section.path}: {section.place('options')}")
    name = section.text("name")
    if "from" in section:
        from studies.suite.imported_row import imported_row

        yield imported_row(section, name, recipes or networks, shared)
        return
    if not recipes or not networks:
        section.error("", "needs recipe and network, or 'from' with public weights")
    if name and len(recipes) * len(networks) > 1:
        section.error("name", "fits one row, and this entry makes several; leave it out")
    for network in networks:
        for recipe in recipes:
            _check_row(section, recipe, network, shared)
            called = Path(recipe).stem if is_recipe_file(recipe) else recipe
            full = f"{called}-{network.replace(':', '-')}"  # timm:NAME, too, is to be part of a folder's name
            yield SuiteRow(name or (called if len(networks) == 1 else full), recipe, network, **shared)


def _tasks(section: Section, transfers: Sequence[str]) -> tuple[str, ...]:
    if "tasks" not in section:
        return tuple(transfers)
    chosen = section.texts("tasks")
    for task in chosen:
        if task not in transfers:
            there = ", ".join(transfers) or "none"
            section.error("tasks", f"no transfer {task!r}; {did_you_mean(task, transfers)}the suite has {there}")
    return tuple(task for task in transfers if task in chosen)


def _check_row(section: Section, recipe: str, network: str, shared: dict[str, Any]) -> None:
    from backbones.models import TIMM_PREFIX, check_network, list_backbones

    if network.startswith(TIMM_PREFIX):
        try:
            check_network(network)
        except UserError as error:
            section.error("network", str(error))
    elif network not in list_backbones():
        section.error("network", f"no network {network!r}; {did_you_mean(network, list_backbones())}see --network list")
    if recipe == RANDOM_RECIPE:
        if shared["teacher"] or shared["options"]:
            section.error("recipe", "a random row is not trained; take teacher and options away")
        return
    try:
        chosen_recipe(recipe)
    except UserError as error:
        section.error("recipe", str(error))


def _check_names(path: Path, rows: Sequence[SuiteRow], teachers: Sequence[SuiteRow]) -> None:
    names = [row.name for row in (*rows, *teachers)]
    for name in names:
        if not re.fullmatch(r"[\w.+=-]+", name):
            raise UserError(f"{path}: the name {name!r} is to be a folder's; use letters, digits and - _ . + =")
        if names.count(name) > 1:
            raise UserError(f"{path}: {names.count(name)} rows are called {name!r}; give each a name of its own")


def _check_teachers(path: Path, rows: Sequence[SuiteRow], teachers: Sequence[SuiteRow]) -> None:
    by_name = {teacher.name: teacher for teacher in teachers}
    for teacher in teachers:
        if teacher.recipe == RANDOM_RECIPE:
            raise UserError(f"{path}: teacher {teacher.name} is random; give it a recipe that trains it")
        above: SuiteRow | None = teacher
        for _ in teachers:
            above = above and by_name.get(above.teacher or "")
        if above:  # longer than there are teachers: a circle
            raise UserError(f"{path}: teacher {teacher.name} is taught by its own student; take one 'teacher' away")
    for row in (*rows, *teachers):
        known = [teacher.name for teacher in teachers if teacher is not row]
        if row.teacher and row.teacher not in known and not set("/:") & set(row.teacher):
            hint = did_you_mean(row.teacher, known)
            raise UserError(
                f"{path}: teacher {row.teacher!r} of {row.name} is none of the suite's; {hint}there are "
                f"{', '.join(known) or 'none'} (a path has a / in it, public weights a :)"
            )


def _check_trainings(
    path: Path, rows: Sequence[SuiteRow], teachers: Sequence[SuiteRow], tasks: dict[str, TaskSettings]
) -> None:
    """What is trained needs images, distillation a teacher, and two rows must differ in what the comparison sees."""
    seen: dict[Any, str] = {}
    for row in (*rows, *teachers):
        if row.source is None and row.recipe != RANDOM_RECIPE:
            _check_training(path, row, tasks)
    for row in rows:
        tricks = tuple(str(row.options.get(key)) for key in ("with", "without"))
        place = (row.recipe, row.network, row.source, *tricks)
        if place in seen:
            raise UserError(
                f"{path}: {seen[place]} and {row.name} are both {row.recipe or row.source} on {row.network}: the "
                "comparison could not tell them apart; put one of them into a suite of its own"
            )
        seen[place] = row.name


def _check_training(path: Path, row: SuiteRow, tasks: dict[str, TaskSettings]) -> None:
    if CLASSIFICATION not in tasks or tasks[CLASSIFICATION].data is None:
        raise UserError(f"{path}: classification.data is missing, and {row.name} is to be trained; give a folder")
    distils = needs_teacher(chosen_recipe(not_none(row.recipe)))
    switched = any("distillation" in str(row.options.get(key, "")) for key in ("with", "without"))
    if distils and not row.teacher and not switched:
        raise UserError(f"{path}: {row.name} distils and has no teacher; name one of teachers: with 'teacher'")
    if row.teacher and not distils and not switched:
        raise UserError(f"{path}: {row.name} has a teacher and does not distil; take 'teacher' away")
