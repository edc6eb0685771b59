"""Code with numbers in place of the names that a module, an import or the definition itself gives a meaning."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from backbones.runs.fingerprint.scopes import (
    Reference,
    arguments,
    bound,
    drop_docstring,
    imported,
    inner_module,
    is_text,
    module_file,
    own_statements,
    stored,
)


class Resolver(ast.NodeTransformer):
    """Puts numbers in place of names, in the order in which they occur."""

    def __init__(self, names: tuple[str, ...], meanings: Mapping[str, Reference | str], root: Path) -> None:
        self.names, self.meanings, self.root = names, meanings, root
        self.references: list[Reference] = []
        self.loads: list[Path] = []
        self.scopes: list[dict[str, Reference | str | None]] = []  # None: a local variable

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        signature = node.args
        signature.defaults = [self.visit(each) for each in signature.defaults]
        signature.kw_defaults = [each and self.visit(each) for each in signature.kw_defaults]
        node.returns = None
        for argument in arguments(signature):
            argument.annotation = None
        drop_docstring(node)
        node.body = self._inside(node.body, [argument.arg for argument in arguments(signature)])
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args.defaults = [self.visit(each) for each in node.args.defaults]
        self.scopes.append(dict.fromkeys(argument.arg for argument in arguments(node.args)))
        node.body = self.visit(node.body)
        self.scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [self.visit(each) for each in node.bases]
        node.keywords = [self.visit(each) for each in node.keywords]
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        drop_docstring(node)
        scope = dict.fromkeys(name for statement in node.body for name in bound(statement))
        body = []
        for statement in node.body:  # a method does not see the names of its class
            is_method = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
            if not is_method:
                self.scopes.append(scope)
            body.append(self.visit(statement))
            if not is_method:
                self.scopes.pop()
        node.body = body
        return node

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        self.scopes.append(dict.fromkeys(stored(node.generators)))
        resolved = self.generic_visit(node)
        self.scopes.pop()
        return resolved

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if any(scope.get("") for scope in self.scopes):  # inside a function a type means nothing
            node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.stmt) -> ast.AST:
        return ast.Pass()

    visit_ImportFrom = visit_Import

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        name, _, inner = str(node.value).partition(":") if is_text(node) else ("", "", "")
        module = module_file(self.root, name)
        return self._refer(Reference(module, inner or None)) if module else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        names, base = [node.attr], node.value
        while isinstance(base, ast.Attribute):
            names.insert(0, base.attr)
            base = base.value
        meaning = self._meaning(base.id) if isinstance(base, ast.Name) else None
        if not isinstance(meaning, Reference) or meaning.name is not None:
            return self.generic_visit(node)
        module = meaning.module
        while names and (inner := inner_module(module, names[0])):
            module = inner
            names.pop(0)
        found: ast.expr = self._refer(Reference(module, names.pop(0) if names else None))
        for name in names:
            found = ast.Attribute(found, name, ast.Load())
        return found

    def visit_Name(self, node: ast.Name) -> ast.AST:
        meaning = self._meaning(node.id)
        if node.id in self.names and not any(node.id in scope for scope in self.scopes):
            return ast.Name(f"own{self.names.index(node.id)}", node.ctx)
        if isinstance(meaning, Reference):
            return self._refer(meaning)
        return ast.Name(meaning, node.ctx) if isinstance(meaning, str) else node

    def _inside(self, body: Sequence[ast.stmt], parameters: Sequence[str]) -> list[ast.stmt]:
        scope: dict[str, Reference | str | None] = dict.fromkeys([*parameters, *stored(body)])
        for statement in own_statements(body):
            for name, meaning, loaded in imported(statement, self.root):
                scope[name] = meaning
                self.loads += loaded
        scope[""] = "function"
        self.scopes.append(scope)
        found = [self.visit(statement) for statement in body]
        self.scopes.pop()
        return found

    def _meaning(self, name: str) -> Reference | str | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return self.meanings.get(name)

    def _refer(self, reference: Reference) -> ast.Name:
        if reference not in self.references:
            self.references.append(reference)
        return ast.Name(f"reference{self.references.index(reference)}", ast.Load())
