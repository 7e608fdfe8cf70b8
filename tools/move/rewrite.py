"""One module after the move: its imports, what it calls by them, and names that change."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.move.bindings import Import, Scope, imports_of, resolve, scope_of
from tools.move.edits import Edits
from tools.move.plan import FILE, Module, Plan

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Rewritten:
    """A module whose text is edited in place; *edits* tells what became of each part of it."""

    def __init__(self, plan: Plan, module: Module) -> None:
        self.module = module
        self.edits = Edits(text=module.text)
        self.scope: Scope = scope_of(plan, module)
        #: From the old names in this module to the new ones.
        self.locals: dict[str, str] = {}
        self._plan = plan
        self._new = plan.new_name(module.name)
        self._nodes = list(ast.walk(self.scope.tree))
        self._uses = self._attributes()
        self._bases = self._base_names()
        self._rewrite()

    def _rewrite(self) -> None:
        self._rename_own()
        for local, found in self.scope.imports.items():
            if len(found) > 1:
                self._report(
                    f"imports {local} from {' and '.join(sorted(f.module for f in found))}"
                )
            one = next(iter(found))
            if one.name is None:
                self._rename_module(local, one)
            else:
                self._rename_imported(local, one, one.name)
        for node in imports_of(self.scope.tree):
            self._write_import(node)
        for constant in self._nodes:
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                self._rewrite_string(constant, constant.value)

    def _attributes(self) -> dict[str, set[str]]:
        """Return which attributes of each imported name are used."""
        found: dict[str, set[str]] = {}
        for node in self._nodes:
            if isinstance(node, ast.Attribute) and self._is_imported(node.value):
                assert isinstance(node.value, ast.Name)
                found.setdefault(node.value.id, set()).add(node.attr)
        return found

    def _is_imported(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.id in self.scope.imports
            and id(node) in self.scope.visible
        )

    def _base_names(self) -> dict[str, str]:
        """Return a local name for each module of ours that is used as one, no two alike."""
        wanted: dict[str, set[str]] = {}
        for local, imports in self.scope.imports.items():
            found = next(iter(imports))
            if found.name is not None:
                continue
            new = self._plan.new_name(found.module)
            modules = {module for module, _ in self._targets(local, found).values()} or {new}
            for module in modules:
                is_kept = found.renamed and module == new
                base = local if is_kept else module.rpartition(".")[2]
                wanted.setdefault(base, set()).add(module)
        taken = {local for local, found in self.scope.imports.items() if next(iter(found)).name}
        return {
            module: base
            if len(modules) == 1 and base not in taken
            else "_".join(module.split(".")[-2:])
            for base, modules in wanted.items()
            for module in modules
        }

    def _targets(self, local: str, found: Import) -> dict[str, tuple[str, str]]:
        """Return the new module and the new name of each attribute of a module that is used."""
        result = {}
        for attribute in self._uses.get(local, ()):
            module, name = resolve(self._plan, found.module, attribute)
            after = self._plan.new_attribute(module, name) if name else ""
            result[attribute] = (self._plan.new_name(module), after)
        return result

    def _base(self, local: str, module: str, found: Import) -> str:
        """Return by which local name *module* is used."""
        if found.renamed and self._plan.new_name(found.module) == module:
            return local
        base = self._bases.get(module, module.rpartition(".")[2])
        return f"{base}_module" if base != local and base in self.scope.bound else base

    def _rename_own(self) -> None:
        for (module, old), new in self._plan.renames.items():
            if module != self.module.name:
                continue
            if old not in self.scope.own:
                self._report(f"has no top-level {old}")
            self._check_free(new)
            for node in self.scope.tree.body:
                if isinstance(node, _DEFINITION) and node.name == old:
                    self._rename_definition(node, new)
            self._rename_uses(old, new)

    def _rename_definition(self, node: _Definition, new: str) -> None:
        begin = self.edits.offset(node.lineno, node.col_offset)
        place = self.edits.raw.index(node.name.encode(), begin)
        self.edits.replace((place, place + len(node.name.encode())), new)

    def _rename_imported(self, local: str, found: Import, name: str) -> None:
        """Give what an import binds its new name, where that changes."""
        after = self._plan.new_attribute(found.module, name)
        if found.renamed and self._plan.new_name(found.module) != self._new:
            return
        if after != local:
            self._check_free(after)
            self._rename_uses(local, after)

    def _rename_module(self, local: str, found: Import) -> None:
        """Name a module as it is called now, wherever it is used; nothing, where it is this one."""
        targets = self._targets(local, found)
        values = set()
        for node in self._nodes:
            if not (isinstance(node, ast.Attribute) and self._means(node.value, local)):
                continue
            values.add(id(node.value))
            module, name = targets[node.attr]
            if module == self._new:
                if name in self.scope.bound - self.scope.own:
                    self._report(f"binds {name}, which {local}.{node.attr} becomes")
                self.edits.replace(self.edits.span(node), name)
                continue
            self._rename_node(node.value, local, self._base(local, module, found))
            if name and name != node.attr:
                _, end = self.edits.span(node)
                self.edits.replace((end - len(node.attr.encode()), end), name)
        self._rename_bare(local, found, values)

    def _rename_bare(self, local: str, found: Import, values: set[int]) -> None:
        """Rename a module that is used by itself, as in ``monkeypatch.setattr(module, …)``."""
        for node in self._nodes:
            if not self._means(node, local) or id(node) in values:
                continue
            assert isinstance(node, ast.Name)
            if isinstance(node.ctx, ast.Store):
                continue
            base = self._base(local, self._plan.new_name(found.module), found)
            self._rename_node(node, local, base)
            if found.module in self._plan.reexporting:
                self._report(f"uses the package {local} itself")

    def _rename_node(self, node: ast.expr, local: str, base: str) -> None:
        if base != local:
            self.edits.replace(self.edits.span(node), base)
            self.locals[local] = base

    def _rename_uses(self, old: str, new: str) -> None:
        self.locals[old] = new
        listed = self._listed()
        for node in self._nodes:
            if self._means(node, old):
                assert isinstance(node, ast.Name)
                self.edits.replace(self.edits.span(node), new)
            elif isinstance(node, ast.Constant) and node.value == old and old in listed:
                self.edits.replace(self.edits.span(node), f'"{new}"')

    def _means(self, node: ast.AST, local: str) -> bool:
        """Return whether *node* is the module's name *local*, not one of a function's own."""
        return isinstance(node, ast.Name) and node.id == local and id(node) in self.scope.visible

    def _check_free(self, name: str) -> None:
        if name in self.scope.bound or name in self.scope.imports:
            self._report(f"binds {name} already")

    def _report(self, what: str) -> None:
        self._plan.report(self.module.name, what)

    def _listed(self) -> set[str]:
        """Return what ``__all__`` names."""
        for node in self.scope.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return set(ast.literal_eval(node.value))
        return set()

    def _write_import(self, node: ast.ImportFrom) -> None:
        if node.module is None or not self._is_ours(node):
            return
        lines: dict[str, list[str]] = {}
        for module, text in self._imported(node, node.module):
            lines.setdefault(module, []).append(text)
        same = [
            alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in node.names
        ]
        if lines == {node.module: same}:
            return
        indent, comment = " " * node.col_offset, self._comment(node)
        written = "".join(
            f"{indent}from {module} import {', '.join(dict.fromkeys(names))}{comment}\n"
            for module, names in lines.items()
        )
        self.edits.replace(self.edits.whole_lines(node), written)

    def _is_ours(self, node: ast.ImportFrom) -> bool:
        modules = self._plan.modules
        return node.module in modules or any(
            f"{node.module}.{alias.name}" in modules for alias in node.names
        )

    def _imported(self, node: ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
        """Yield the new module to import from, and what, for each alias of a statement."""
        for alias in node.names:
            local = alias.asname or alias.name
            module, name = resolve(self._plan, package, alias.name)
            if name is not None:
                target, after = self._plan.new_name(module), self._plan.new_attribute(module, name)
                if target != self._new:
                    yield target, f"{after} as {alias.asname}" if alias.asname else after
                continue
            found = Import(local=local, module=module, name=None, renamed=alias.asname is not None)
            modules = {one for one, _ in self._targets(local, found).values()}
            for target in sorted(modules or {self._plan.new_name(module)}):
                if target != self._new:
                    parent, _, last = target.rpartition(".")
                    base = self._base(local, target, found)
                    yield parent, last if base == last else f"{last} as {base}"

    def _comment(self, node: ast.ImportFrom) -> str:
        begin, end = self.edits.whole_lines(node)
        found = re.findall(r"#.*", self.edits.raw[begin:end].decode())
        kept = [one for one in found if "fmt: skip" not in one]
        return "  " + " ".join(kept) if kept else ""

    def _rewrite_string(self, node: ast.Constant, value: str) -> None:
        """Rewrite a string that is a dotted name of ours, with or without ``:NAME`` at its end.

        Also the beginning of one in an f-string, and a module's path.
        """
        if self._plan.is_text(value) or FILE.search(value):
            return
        if value in self._plan.paths:
            after = self._plan.paths[value]
        elif re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:\w+)?", value):
            after = dotted(self._plan, value)
        elif re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\.", value):
            after = dotted(self._plan, value[:-1]) + "."
        else:
            return
        if after != value:
            span = self.edits.span(node)
            text = self.edits.raw[slice(*span)].decode()
            if text.count(value) != 1:
                self._report(f"line {node.lineno}: the string {value!r}")
                return
            self.edits.replace(span, text.replace(value, after))


def dotted(plan: Plan, value: str) -> str:
    """Return a dotted name, of a module or of something in one, as it is after the move."""
    parts = value.replace(":", ".:").split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module in plan.modules and module not in plan.dropped:
            rest = parts[length:]
            if rest:
                module, name = resolve(plan, module, rest[0])
                rest[0] = plan.new_attribute(module, rest[0]) if name else rest[0]
            return ".".join([plan.new_name(module), *rest]).replace(".:", ":")
    return value
