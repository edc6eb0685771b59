"""The code that decides what a run's result is: one hash per tool, and protocol where one is given.

The definitions that a tool uses, directly or through others, count as what they are (``definitions``): an import counts
by what it resolves to. Where a definition lies and what it is called, comments, docstrings,
annotations and layout do not count, and neither does what only draws, prints or watches. Documents, tests, the
comparison and the suite itself are used by no run, so changing them changes no hash. Every run records its hash, and
the report says where rows have different ones.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from backbones.errors import UserError
from backbones.files import sha256_file
from backbones.runs.fingerprint.definitions import Definition, Module, Reference, bare_code, read_module, words
from backbones.runs.fingerprint.remembered import Made, remembered

ROOT = Path(__file__).resolve().parents[3]
SHORT = 12  # digits that a run records
# Modules, with what is in them, that no metric depends on; each of them exists (a test looks).
WATCHING = (
    *("backbones.cli.command", "backbones.cli.guidance", "backbones.cli.shell", "backbones.reporting.printable"),
    *("backbones.monitoring", "backbones.reporting.drawing", "backbones.runs.fingerprint"),
    *("backbones.data.loader_processes", "backbones.machine.siblings"),
    *("backbones.runs.keeping", "transfer.openmmlab.keeping"),
    *("backbones.training.dry_run", "transfer.evaluation.pictures", "transfer.openmmlab.tensorboard"),
    *("transfer.proof.announce", "transfer.run.dry_run", "transfer.run.dump"),
    *("backbones.recipes.paper", "studies.results.paper"),  # numbers to stand beside ours
)
_ROUNDS = 4  # to this depth the hash of a definition knows its references; deeper ones are in the fingerprint, too


@cache
def code_fingerprint(tool: str, protocol: Path | None = None, root: Path = ROOT) -> str:
    """SHA-256 over the code of a tool, and over a protocol with the files it is based on.

    Args:
        tool: Path of the tool below ``root``.
        protocol: Configuration file of a transfer.
        root: Folder of the project.

    Raises:
        UserError: The protocol, or a file that it is based on, cannot be read.
    """
    asked = (tool, str(protocol.resolve()) if protocol else "")
    return remembered(root, asked, lambda: _make(tool, protocol, root))


def _make(tool: str, protocol: Path | None, root: Path) -> Made:
    configurations = list(_with_bases(protocol)) if protocol else []
    graph = _Graph(root)
    graph.load(root / tool)
    graph.use(Reference(root / tool))
    for configuration in configurations:
        for module in words(configuration, root):
            graph.load(module)
            graph.use(Reference(module))
    essences = {bare_code(path, root) for path in configurations}
    digest = hashlib.sha256()
    for part in (*sorted(graph.digests()), *sorted(map(_hash, essences))):
        digest.update(part.encode())
    others = (*configurations, *Path(__file__).parent.glob("*.py"))
    return digest.hexdigest(), graph.read | {path: sha256_file(path) for path in others}


def recorded_code(tool: str, protocol: Path | None = None) -> str | None:
    """The beginning of the hash, for ``run.json``; None for a protocol whose ``_base_`` only OpenMMLab can read."""
    try:
        return code_fingerprint(tool, protocol)[:SHORT]
    except UserError:
        return None


class _Graph:
    """The definitions in use, and what each of them refers to; ``read`` is the digest of each file that was read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._watching = {root.joinpath(*name.split(".")) for name in WATCHING}
        self._loaded: set[Path] = set()
        self.read: dict[Path, str] = {}
        self._used: dict[Definition, list[list[Definition]]] = {}  # by reference, in their order

    def load(self, path: Path) -> None:
        """A module is imported: what that does counts, and that of all modules that come with it."""
        pending = [path]
        while pending:
            path = pending.pop()
            if path in self._loaded or self._watches(path):
                continue
            self._loaded.add(path)
            module = self._module(path)
            for effect in module.effects:
                self._use(effect)
            pending += module.imports

    def use(self, reference: Reference) -> None:
        """What a reference means counts, with all that it refers to."""
        for definition in self._resolve(reference):
            self._use(definition)

    def digests(self) -> set[str]:
        """One hash of each definition in use."""
        first = {definition: _hash(definition.essence) for definition in self._used}
        found: Mapping[Definition, str] = first
        for _ in range(_ROUNDS):
            found = {
                definition: _hash(first[definition], *(_of(found, meaning) for meaning in meanings))
                for definition, meanings in self._used.items()
            }
        return set(found.values())

    def _use(self, definition: Definition) -> None:
        pending = [definition]
        while pending:
            definition = pending.pop()
            if definition in self._used:
                continue
            self._used[definition] = []
            for module in definition.loads:
                self.load(module)
            for reference in definition.references:
                meaning = self._resolve(reference)
                self._used[definition].append(meaning)
                pending += meaning

    def _resolve(self, reference: Reference) -> list[Definition]:
        """The definitions behind a reference, through imports on the way; none in a module that watches."""
        if self._watches(reference.module):
            return []
        module = self._module(reference.module)
        name = reference.name
        if name and name in module.definitions:
            return [module.definitions[name]]
        if name and name in module.bindings:
            meaning = module.bindings[name]
            return self._resolve(meaning) if isinstance(meaning, Reference) else []
        return [*dict.fromkeys(module.definitions.values()), *module.effects]

    def _module(self, path: Path) -> Module:
        module = read_module(path, self._root)
        self.read[path] = module.digest
        return module

    def _watches(self, path: Path) -> bool:
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        return any(each in self._watching for each in (place, *place.parents))


def _of(found: Mapping[Definition, str], meaning: Iterable[Definition]) -> str:
    return ",".join(sorted(found[definition] for definition in meaning))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _with_bases(path: Path) -> Iterator[Path]:
    """A configuration and those of the project that its ``_base_`` names, all the way; ``mmdet::`` is a library's."""
    yield path
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} is not a readable configuration: {error}") from None
    for node in body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "_base_" for target in node.targets):
            try:
                bases = ast.literal_eval(node.value)
            except ValueError:
                raise UserError(f"{path}: _base_ is computed; write the names of its files out") from None
            for base in [bases] if isinstance(bases, str) else bases:
                if "::" not in base:
                    yield from _with_bases(path.parent / base)
