"""A contract type for import-linter: of some packages, others may import the listed modules and no more."""

from __future__ import annotations

from collections.abc import Iterable

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowListContract(Contract):
    """Keeps direct imports from `source_modules` into `guarded_modules` to `allowed_modules`.

    The first two are packages with everything in them, the last are single modules. An entry that nothing imports
    breaks the contract too, so the list stays as short as it can be.
    """

    type_name = "allow_list"

    source_modules = fields.SetField(subfield=fields.StringField())
    guarded_modules = fields.SetField(subfield=fields.StringField())
    allowed_modules = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        sources = expand_packages(graph, as_names(self.source_modules))
        guarded = expand_packages(graph, as_names(self.guarded_modules))
        importers: dict[str, list[str]] = {}
        for source in sorted(sources):
            for imported in graph.find_modules_directly_imported_by(source) & guarded:
                importers.setdefault(imported, []).append(source)
        allowed = as_names(self.allowed_modules)
        unlisted = {module: names for module, names in importers.items() if module not in allowed}
        unused = sorted(allowed - importers.keys())
        return ContractCheck(kept=not unlisted and not unused, metadata={"unlisted": unlisted, "unused": unused})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for module, importers in sorted(check.metadata["unlisted"].items()):
            output.print_error(f"{module} is not on the list, and {', '.join(importers)} imports it")
        for module in check.metadata["unused"]:
            output.print_error(f"{module} is on the list, and nothing imports it: take it off")


def as_names(field: object) -> set[str]:
    """Return the names in a field of a contract. To the type checker it is a field still, in its objects a set."""
    assert isinstance(field, Iterable)
    return {str(name) for name in field}


def expand_packages(graph: ImportGraph, names: Iterable[str]) -> set[str]:
    """Return modules with everything inside of them; a name that does not exist is refused, since it guards nothing."""
    found = set()
    for name in names:
        if name not in graph.modules:
            raise ValueError(f"There is no module {name}")
        found |= {name, *graph.find_descendants(name)}
    return found
