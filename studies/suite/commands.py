"""The command of every run, and what it comes to: the options of the tool, read by the tool's own parser."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from backbones.cli.command import CommandParser
from backbones.errors import UserError, did_you_mean
from backbones.external.sources import absolute_source, source_identity
from backbones.files import sha256_file
from backbones.recipes.recipe_file import is_recipe_file
from backbones.runs.fingerprint import ROOT
from studies.suite.definition import Import
from transfer.catalogue import CLASSIFICATION, TASKS

IMPORTER = "tools/import_weights.py"
# What the suite gives each run itself, and what makes no run.
RESERVED = {
    "data": "data of the same section",
    "network": "network of a row",
    "recipe": "recipe of a row",
    "teacher": "teacher of a row",
    "backbone": "rows",
    "seed": "seeds",
    "out": "--out of tools/run_suite.py",
    "resume": "nothing: every run resumes what it finds",
    "dry-run": "--plan of tools/run_suite.py",
    "dump-config": "nothing: it makes no run",
}
# Paths, and what changes no number of a classifier.
NOT_IDENTITY = (
    *("data", "out", "resume", "teacher", "backbone", "tensorboard", "wandb", "validate_every", "config"),
    "keep",  # is about what stays when the result is there
    "allow_shared_images",  # the images are the data's
)
SAME_FOR_CLASSIFIERS = ("workers",)

# Options that name a file: looked for where the command is given, as data are, and known by what is in it.
FILES = ("classes", "plugin")

Parsers = Mapping[str, CommandParser]  # by task


def option_words(options: Mapping[str, Any], parser: CommandParser, place: str) -> list[str]:
    """Options of a suite as words of a command line.

    Args:
        options: Names without dashes; a list for several words, true for a switch.
        parser: The tool's.
        place: File and key, for messages.

    Raises:
        UserError: An option that the tool has not or the suite gives itself, or a value that no command line can have.
    """
    words = []
    for name, value in options.items():
        _check_name(parser, name, place)
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and word.startswith("-"):
                raise UserError(f"{place}.{name}: {word!r} would be another option; take its dashes away")
        if name == "init-from" and isinstance(value, str):
            words += [f"--{name}", absolute_source(value)]
        elif name in FILES and isinstance(value, str):
            words += [f"--{name}", absolute(value)]
        elif isinstance(value, list) and value and not any(isinstance(each, (list, dict)) for each in value):
            words += [f"--{name}", *map(str, value)]
        elif value is True:
            words.append(f"--{name}")
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            words += [f"--{name}", str(value)]
        else:
            raise UserError(f"{place}.{name} is {value!r} where a word, a number, a list or true should be")
    return words


def _check_name(parser: CommandParser, name: str, place: str) -> None:
    if name in RESERVED:
        raise UserError(f"{place}.{name}: the suite gives it to each run itself; it comes from {RESERVED[name]}")
    known = {option.removeprefix("--") for option in parser._option_string_actions if option.startswith("--")}
    known -= {"help", *RESERVED}
    if name not in known:
        hint = did_you_mean(name, known)
        raise UserError(f"{place}.{name}: there is no such option for a run; {hint}see --help of the tool")


def absolute(said: str | Path) -> str:
    """A path that a user gave, ``~`` included; of a user who does not exist, it stays as it is."""
    return os.path.abspath(os.path.expanduser(said))


def resolved(parser: CommandParser, words: Sequence[str], place: str, task: str) -> dict[str, Any]:
    """Everything that a command asks for, defaults included, but for paths; of files that decide a result, their hash.

    Raises:
        UserError: Options that the tool would refuse, or a file that is not there.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{place}: {message}; see python {TASKS[task].tool if task in TASKS else IMPORTER} --help")

    parser.error = refuse  # type: ignore[method-assign]
    left_out = {*NOT_IDENTITY, *(SAME_FOR_CLASSIFIERS if task == CLASSIFICATION else ())}
    asked = vars(parser.parse_args(list(words)))
    if asked.get("init_from"):
        asked["init_from"] = source_identity(asked["init_from"], f"{place}.init-from")
    for name in ("classes", "plugin"):
        if asked.get(name):
            if not Path(asked[name]).is_file():
                raise UserError(f"{place}.{name} {asked[name]}: there is no such file")
            asked[name] = sha256_file(asked[name])
    if asked.get("plugin") is None:
        left_out.add("plugin")  # ids of runs without are what they were
    return {name: value for name, value in asked.items() if name not in left_out}


def training_words(recipe: str, network: str, options: Sequence[str], data: Path, teacher: Path | None) -> list[str]:
    """``tools/train_cls.py``, up to seed and folder."""
    if is_recipe_file(recipe):
        recipe = absolute(recipe)
    words = ["--data", str(data), "--network", network, "--recipe", recipe, *options]
    return words + (["--teacher", str(teacher)] if teacher else [])


def transfer_words(protocol: str, backbone: str, data: Path | None, options: Sequence[str]) -> list[str]:
    """``tools/transfer_det.py`` or ``_seg.py``, up to seed and folder."""
    return [protocol, "--backbone", backbone, *(["--data", str(data)] if data else []), *options]


def import_words(weights: Import) -> list[str]:
    """``tools/import_weights.py``, up to the bundle."""
    words = [weights.source]
    for name in ("checkpoint", "key", "classes", "top1"):
        if value := getattr(weights, name):
            words += [f"--{name}", absolute(value) if isinstance(value, Path) else str(value)]
    return words


def find_protocol(said: str, place: str) -> tuple[str, Path]:
    """A protocol as a command names it, from the project's folder, and its file.

    Raises:
        UserError: No such file.
    """
    for folder in (ROOT, Path.cwd()):
        if (path := folder / said).is_file():
            return (said if folder == ROOT else str(path)), path
    raise UserError(f"{place}: {said} is no file here, and none of the project; see det_configs/ and seg_configs/")


def launched(tool: str, words: Sequence[str], processes: int) -> tuple[str, ...]:
    """The words after ``python``; several processes are torchrun's.

    A command is given in the project's folder, so paths in there need not say where that is.
    """
    words = [word.removeprefix(f"{ROOT}{os.sep}") for word in words]
    if processes == 1:
        return (tool, *words)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes))
    return (*torchrun, tool, *words)
