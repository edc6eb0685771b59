"""From a suite to its runs, in an order in which every run comes after those it needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backbones.bundles.bundle import read_bundle
from backbones.errors import not_none
from backbones.external.families import parse_source
from backbones.external.sources import absolute_source, parse_weight_source, source_identity
from backbones.files import sha256_file
from backbones.recipes.recipe import RANDOM_RECIPE
from backbones.recipes.recipe_file import chosen_recipe, is_recipe_file
from backbones.runs.fingerprint import ROOT, code_fingerprint
from studies.suite import commands
from studies.suite.commands import IMPORTER, Parsers
from studies.suite.data import data_fingerprint, data_folder, train_images
from studies.suite.definition import Import, Suite, SuiteRow
from studies.suite.planned_run import ID_DIGITS, PlannedRun, digest_of
from studies.suite.seeds import check_transfer_seeds, transfer_seed
from studies.suite.trainings import classifier_training, transfer_training
from transfer.catalogue import CLASSIFICATION, TASKS

BUNDLE = "backbone.safetensors"


def plan_runs(suite: Suite, out: Path, parsers: Parsers, processes: int = 1) -> list[PlannedRun]:
    """Every run of a suite, trainings first, one seed after the other.

    Args:
        suite: What is asked for.
        out: Folder of the suite.
        parsers: Of the tools, by task.
        processes: Of each run (``torchrun``); a transfer takes fewer where its total batch has no so many shares.

    Raises:
        UserError: Options, protocols or weights that a run would refuse, or seeds of transfers that would be the same.
    """
    for row in suite.rows:
        for task in row.tasks:
            check_transfer_seeds(suite.path, row.name, row.seeds or suite.seeds, _transfers(suite, row, task))
    planner = _Planner(suite, out, parsers, processes)
    for row in suite.teachers:
        planner.backbone(row, (row.seeds or (0,))[0])
    seeds = dict.fromkeys(seed for row in suite.rows for seed in row.seeds or suite.seeds)
    for seed in seeds:
        rows = [row for row in suite.rows if seed in (row.seeds or suite.seeds)]
        for row in rows:
            planner.backbone(row, seed)
        for row in rows:
            for task in row.tasks:
                for number in range(1, _transfers(suite, row, task) + 1):
                    planner.transfer(row, seed, task, number)
    return list(planner.runs.values())


def _transfers(suite: Suite, row: SuiteRow, task: str) -> int:
    return row.transfers_per_training or suite.tasks[task].transfers_per_training


@dataclass
class _Backbone:
    """What a transfer or a student starts from: a word for the command, the run that makes it, and its identity."""

    path: str
    needs: tuple[str, ...]
    digest: str


def _imported_network(source: Import) -> str:
    return read_bundle(source.source).architecture if source.finished else parse_source(source.source).architecture


def _elsewhere(word: str, place: str) -> _Backbone:
    """What no run of the suite makes."""
    asked = parse_weight_source(word, place)
    return _Backbone(str(asked.path or asked.text), (), source_identity(word, place))


@dataclass
class _Planner:
    suite: Suite
    out: Path
    parsers: Parsers
    processes: int
    runs: dict[str, PlannedRun] = field(default_factory=dict)
    backbones: dict[tuple[str, int | None], _Backbone] = field(default_factory=dict)

    def backbone(self, row: SuiteRow, seed: int) -> _Backbone:
        """The row's backbone with a seed, planned when it is first asked for."""
        if row.recipe == RANDOM_RECIPE:
            word = f"random:{row.network}"
            return _Backbone(word, (), word)
        key = (row.name, None if row.source else seed)
        if key not in self.backbones:
            self.backbones[key] = self._import(row) if row.source else self._training(row, seed)
        return self.backbones[key]

    def transfer(self, row: SuiteRow, seed: int, task: str, number: int) -> None:
        """One transfer of a row's training with a seed; ``number`` from 1."""
        settings, place = self.suite.tasks[task], f"{self.suite.path}: {task}.options"
        word, protocol = commands.find_protocol(settings.protocol or "", f"{self.suite.path}: {task}.protocol")
        backbone = self.backbone(row, seed)
        data = data_folder(settings.data, task) if settings.data else None
        options = commands.option_words(settings.options, self.parsers[task], place)
        words = commands.transfer_words(word, backbone.path, data, options)
        words += ["--seed", str(transfer_seed(seed, number))]
        identity = {
            "data": data_fingerprint(settings.data, task) if settings.data else "the protocol's",
            "code": code_fingerprint(TASKS[task].tool, protocol, ROOT),
            "backbone": backbone.digest,
        }
        asked = commands.resolved(self.parsers[task], [*words, "--out", "."], place, task)
        images = settings.data.train_images if settings.data else None
        training = transfer_training(protocol, asked, images, self.processes, place)
        network = _imported_network(row.source) if row.source else row.network
        facts = {"protocol": Path(word).stem, "network": network, "training": training.words}
        self._add(row, seed, task, words, place, identity, backbone.needs, facts, training.processes, number)

    def _training(self, row: SuiteRow, seed: int) -> _Backbone:
        settings = self.suite.tasks[CLASSIFICATION]
        data, place = not_none(settings.data), f"{self.suite.path}: options of {row.name}"
        teacher = self._teacher(row)
        options = commands.option_words({**settings.options, **row.options}, self.parsers[CLASSIFICATION], place)
        words = commands.training_words(
            row.recipe or "",
            row.network or "",
            options,
            data_folder(data, CLASSIFICATION),
            Path(teacher.path) if teacher else None,
        )
        identity: dict[str, Any] = {
            "data": data_fingerprint(data, CLASSIFICATION),
            "code": code_fingerprint(TASKS[CLASSIFICATION].tool, None, ROOT),
            "teacher": teacher and teacher.digest,
        }
        if is_recipe_file(row.recipe or ""):
            identity["recipe"] = asdict(chosen_recipe(row.recipe or ""))
        taught_by = next((each.network for each in self.suite.teachers if each.name == row.teacher), None)
        facts = {"network": row.network, "images": train_images(data), "recipe": row.recipe, "teacher": taught_by}
        needs = teacher.needs if teacher else ()
        words += ["--seed", str(seed)]
        asked = commands.resolved(self.parsers[CLASSIFICATION], [*words, "--out", "."], place, CLASSIFICATION)
        facts["training"] = classifier_training(asked, self.processes, place).words
        run = self._add(row, seed, CLASSIFICATION, words, place, identity, needs, facts, self.processes)
        return _Backbone(str(run.folder / BUNDLE), (run.name,), run.digest)

    def _teacher(self, row: SuiteRow) -> _Backbone | None:
        if row.teacher is None:
            return None
        for teacher in self.suite.teachers:
            if teacher.name == row.teacher:
                return self.backbone(teacher, (teacher.seeds or (0,))[0])
        return _elsewhere(absolute_source(row.teacher), f"{self.suite.path}: teacher of {row.name}")

    def _import(self, row: SuiteRow) -> _Backbone:
        source = not_none(row.source)
        if source.finished:
            return _elsewhere(source.source, f"{self.suite.path}: from of {row.name}")
        files = {
            name: path and sha256_file(commands.absolute(path))
            for name, path in (("checkpoint", source.checkpoint), ("classes", source.classes))
        }
        stated = {} if source.top1 is None else {"top1": source.top1}
        identity = {"source": source.source, "key": source.key, **files, **stated}
        digest = digest_of({**identity, "code": code_fingerprint(IMPORTER, None, ROOT)})
        folder = self.out / "imports" / f"{row.name}-{digest[:ID_DIGITS]}"
        words = [*commands.import_words(source), "--out", str(folder / BUNDLE)]
        run = PlannedRun(
            name=f"{row.name} import",
            row=row.name,
            kind="import",
            seed=None,
            command=(IMPORTER, *words),
            folder=folder,
            product=folder / BUNDLE,
            log=self.out / "logs" / f"import-{row.name}-{digest[:ID_DIGITS]}.log",
            digest=digest,
            compared=False,
        )
        self.runs[run.name] = run
        return _Backbone(str(run.product), (run.name,), digest)

    def _add(
        self,
        row: SuiteRow,
        seed: int,
        task: str,
        words: list[str],
        place: str,
        identity: dict[str, Any],
        needs: tuple[str, ...],
        facts: dict[str, Any],
        processes: int,
        number: int = 1,
    ) -> PlannedRun:
        # A folder is named only once the options are known to be good; --out itself is no part of the identity.
        asked = commands.resolved(self.parsers[task], [*words, "--out", "."], place, task)
        known = {**asked, "recipe": None} if "recipe" in identity else asked  # by content, wherever the file lies
        digest = digest_of({"tool": TASKS[task].tool, "asked": known, "processes": processes, **identity})
        taught = row in self.suite.teachers
        further = "" if number == 1 else str(number)
        group, step = f"{row.name}-seed{seed}", f"{TASKS[task].short}{further}-{digest[:ID_DIGITS]}"
        folder = self.out / ("teachers" if taught else "runs") / group / step
        run = PlannedRun(
            name=f"{row.name} seed {seed} {task} {further}".rstrip(),
            row=row.name,
            kind=task,
            seed=transfer_seed(seed, number),
            command=commands.launched(TASKS[task].tool, [*words, "--resume", "--out", str(folder)], processes),
            folder=folder,
            product=folder / "result.json",
            log=self.out / "logs" / f"{group}-{step}.log",
            needs=needs,
            digest=digest,
            compared=not taught,
            facts={**facts, "asked": asked, "processes": processes},
        )
        self.runs[run.name] = run
        return run
