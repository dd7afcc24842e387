"""The list of torch-free modules: what it refuses, and that the plan shows the same one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from grimp import ImportGraph
from importlinter import ContractCheck
from importlinter.api import read_configuration

from tests.import_contracts import AllowListContract

ROOT = Path(__file__).parent.parent


def check(imports: list[tuple[str, str]], allowed: list[str], guarded: str = "job") -> ContractCheck:
    """Check a graph of these imports, each (importer, imported), where `web` may import what is allowed of `job`."""
    graph = ImportGraph()
    for module in ("web", "web.page", "job", "job.names", "job.engine", "shared"):
        graph.add_module(module)
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported)
    options: dict[str, Any] = {"source_modules": ["web"], "guarded_modules": [guarded], "allowed_modules": allowed}
    return AllowListContract("only names", {}, options).check(graph, verbose=False)


def test_listed_modules_may_be_imported() -> None:
    imports = [("web.page", "job.names"), ("web", "shared"), ("job.names", "job.engine")]
    assert check(imports, ["job.names"]).kept


def test_an_import_that_is_not_listed_breaks_the_contract() -> None:
    result = check([("web.page", "job.names"), ("web.page", "job.engine")], ["job.names"])
    assert not result.kept
    assert result.metadata == {"unlisted": {"job.engine": ["web.page"]}, "unused": []}


def test_an_entry_that_nothing_imports_breaks_the_contract() -> None:
    result = check([("web.page", "job.names")], ["job.names", "job.engine"])
    assert not result.kept
    assert result.metadata == {"unlisted": {}, "unused": ["job.engine"]}


def test_a_guarded_package_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no module jobs"):
        check([], [], guarded="jobs")


def test_the_plan_lists_the_modules_of_the_contract() -> None:
    contracts = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    (allowed,) = [options["allowed_modules"] for options in contracts if options["type"] == "allow_list"]
    rows = re.findall(r"^\| `(tasks|models|datasets|export)` \| (.+) \|$", read_plan(), re.MULTILINE)
    listed = [f"app.{package}.{module}" for package, modules in rows for module in re.findall(r"`([\w.]+)`", modules)]
    assert len(listed) >= 30
    assert sorted(listed) == sorted(allowed)


def read_plan() -> str:
    return (ROOT / "plan" / "architecture.md").read_text("utf-8")
