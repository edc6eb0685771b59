"""A YAML document read key by key; every mistake is one message that names file and key."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from backbones.errors import UserError, did_you_mean
from backbones.machine.lacks import blame_machine
from backbones.text_files import read_text

LARGEST = 2**20  # bytes; what people write is a hundredth of it
MOST_NODES, MOST_LEVELS = 100_000, 40  # values, those behind aliases each time they are named; sections in sections
_SHORT = reprlib.Repr()  # an alias of aliases would print as gigabytes
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 200, 200


class _Loader(yaml.SafeLoader):
    """``SafeLoader``, to which a key that stands there twice is an error and not the last one's victory.

    A date is a word, as everything here that is neither number nor switch, and a value that is none of its kind
    (``!!int x``) is an error of the document.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _count(node, {}, 0)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, OverflowError, KeyError) as error:
            said = f"{node.tag.rpartition(':')[2]} cannot be made of this ({error})"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str):
                if key in seen:
                    said = f"{key!r} stands there twice"
                    raise yaml.constructor.ConstructorError(None, None, said, key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _count(node: yaml.Node, known: dict[yaml.Node, int], level: int) -> int:
    """Values in a part of a document, each alias counting as what it stands for: ten of ten of ten are a thousand."""
    if node not in known:
        known[node] = MOST_NODES + 1  # as long as it is not counted: one that holds itself has no end
        below = [each for item in node.value for each in (item if isinstance(item, tuple) else (item,))]
        nested = below if isinstance(node, yaml.CollectionNode) else []
        known[node] = 1 + sum(_count(each, known, level + 1) for each in nested)
    if level > MOST_LEVELS or known[node] > MOST_NODES:
        much = f"{MOST_LEVELS} levels" if level > MOST_LEVELS else f"{MOST_NODES} values, by aliases"
        raise yaml.composer.ComposerError(None, None, f"it holds more than {much}", node.start_mark)
    return known[node]


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        UserError: It cannot be read, is too large (its aliases counted as what they stand for) or too deep, or is no
            YAML; the message names the line.
    """
    try:
        return yaml.load(read_text(path, LARGEST), _Loader)  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        blame_machine(error, f"cannot read {path}")
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except RecursionError:
        raise UserError(f"{path}: sections in sections without end; is it the right file?") from None
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f", line {mark.line + 1}" if mark else ""
        said = " ".join(str(problem or error).split())
        raise UserError(f"{path}{where}: not readable as YAML ({said}); mend that line") from None


def shown(value: Any) -> str:
    """A value for a message, cut short where it is long or deep."""
    return _SHORT.repr(value)


class Section(Mapping[str, Any]):
    """A mapping of a document, all of whose keys are known.

    Args:
        path: The file.
        key: Dotted place of the section in it; "" for the whole document.
        content: What stands there.
        known: The keys that it may have; None: any.

    Raises:
        UserError: No mapping, or a key that is none of those.
    """

    def __init__(self, path: Path, key: str, content: Any, known: Sequence[str] | None = None) -> None:
        self.path = path
        self.key = key
        if not isinstance(content, Mapping):
            self.refuse("", content, "a section of 'key: value' lines")
        self._content = content
        for name in content:
            if not isinstance(name, str):
                raise UserError(f"{path}: {self.place(str(name))} is no word; put it in quotes")
            if known is not None and name not in known:
                hint = did_you_mean(name, known)
                raise UserError(f"{path}: unknown key {self.place(name)}; {hint}known here are {', '.join(known)}")

    def __getitem__(self, name: str) -> Any:
        return self._content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def place(self, name: str) -> str:
        """Dotted place of a key."""
        return ".".join(part for part in (self.key, name) if part)

    def refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
        """Say that a value is not what should be there."""
        where = f"{self.place(name)} is" if self.place(name) else "it holds"
        raise UserError(f"{self.path}: {where} {shown(value)} where {wanted} should be")

    def error(self, name: str, problem: str) -> NoReturn:
        """Say what is wrong with a key."""
        raise UserError(f"{self.path}: {self.place(name)}: {problem}")

    def section(self, name: str, known: Sequence[str] | None = None) -> Section:
        """A section below this one; empty where there is none."""
        return Section(self.path, self.place(name), self.get(name, {}), known)

    def sections(self, name: str, known: Sequence[str]) -> list[Section]:
        """A list of sections; empty where there is none."""
        return [
            Section(self.path, f"{self.place(name)}[{number}]", content, known)
            for number, content in enumerate(self._list(name, "a list of sections"))
        ]

    def text(self, name: str, default: str | None = None) -> str | None:
        """A word."""
        value = self.get(name, default)
        if value is not None and (not isinstance(value, str) or not value):
            self.refuse(name, value, "a word")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A word, or a list of words; empty where there is none."""
        value = self.get(name, [])
        found = self._list(name, "a word or a list of words") if not isinstance(value, str) else [value]
        for word in found:
            if not isinstance(word, str) or not word:
                self.refuse(name, word, "a word")
        return tuple(found)

    def whole(self, name: str, default: int | None = None, least: int = 0) -> int | None:
        """A whole number."""
        value = self.get(name, default)
        if value is not None and not _is_whole(value, least):
            self.refuse(name, value, f"a whole number from {least}")
        return value

    def wholes(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...] | None:
        """A list of different whole numbers from 0."""
        if name not in self:
            return default
        found = self._list(name, "a list of whole numbers")
        if not found or not all(_is_whole(value, 0) for value in found) or len(set(found)) < len(found):
            self.refuse(name, found, "a list of different whole numbers from 0")
        return tuple(found)

    def number(self, name: str) -> float | None:
        """A number."""
        value = self.get(name)
        if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool)):
            self.refuse(name, value, "a number")
        if value is not None and not abs(value) < math.inf:
            self.refuse(name, value, "a finite number")
        return value

    def _list(self, name: str, wanted: str) -> list[Any]:
        value = self.get(name, [])
        if not isinstance(value, list):
            self.refuse(name, value, wanted)
        return value


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
