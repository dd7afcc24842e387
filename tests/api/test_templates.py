"""Every template compiles, escapes what it shows, and asks for nothing that its context lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from app.api.errors import ErrorContext, error_fragment
from app.api.pages.projects.page import project_list_fragment
from app.api.templating import STATIC_DIR, TEMPLATES_DIR, Fragment, render_fragment, template_environment
from app.schemas.envelope import ErrorBody, FieldProblem
from app.schemas.experiments import ErrorInfo
from app.schemas.project_list import ListedProject, ProjectListPage, ProjectQuery
from app.schemas.projects import CorruptDocument
from app.schemas.samples import SampleInfo

TEMPLATES = sorted(path.relative_to(TEMPLATES_DIR) for path in TEMPLATES_DIR.rglob("*") if path.is_file())
MARKUP = "<script>alert(1)</script>\"'&"


# Parts of a report are named by their type and come with the report: tests/api/pages/evaluation/parts/test_registry.py.
PARTS = Path("evaluation/parts")
FRAGMENTS = [path for path in TEMPLATES if path.name.startswith("_") and path.parent != PARTS]
ROOT = Path(__file__).parents[2]


def test_number_of_templates() -> None:
    assert len(TEMPLATES) >= 28
    assert len(FRAGMENTS) >= 2
    assert all(path.suffix == ".html" for path in TEMPLATES)


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_compiles(path: Path) -> None:
    assert template_environment().get_template(path.as_posix())


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_has_no_inline_script_style_or_handler(path: Path) -> None:
    source = (TEMPLATES_DIR / path).read_text()
    pattern = (
        r"""<script(?![^>]*\bsrc=)(?! type="application/json")|<style|\bstyle=|\son[a-z]+=|\|\s*safe|javascript:"""
    )
    assert not re.search(pattern, source)
    assert not re.search(r"hx-on|hx-vals=.js:|hx-boost|x-html|hx-trigger=[^>]*\[", source)


@pytest.mark.parametrize("path", FRAGMENTS, ids=str)
def test_fragment_has_one_name_in_four_places(path: Path) -> None:
    """Its file, the id of its root, the builder `<name>_fragment` in app/api, and a test that speaks of it."""
    name = path.stem.removeprefix("_")
    element_id = name.replace("_", "-")
    tags = re.findall(r"<[a-z][^>]*>", re.sub(r"\{#.*?#\}", "", (TEMPLATES_DIR / path).read_text(), flags=re.DOTALL))
    assert f'id="{element_id}"' in tags[0]
    builders = [file for file in (ROOT / "app" / "api").rglob("*.py") if f"def {name}_fragment(" in file.read_text()]
    assert len(builders) == 1
    words = re.compile(rf"\b({name}_fragment|{element_id})\b")
    assert any(words.search(file.read_text()) for file in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_refers_to_no_other_host(path: Path) -> None:
    source = (TEMPLATES_DIR / path).read_text()
    assert not re.search(r"""(src|href|action)\s*=\s*["'](https?:)?//""", source)


def test_style_sheet_refers_to_no_other_host() -> None:
    source = (STATIC_DIR / "css" / "app.css").read_text()
    assert "url(" not in source
    assert "@import" not in source


def list_page(*projects: ListedProject, corrupt: list[CorruptDocument] | None = None) -> ProjectListPage:
    return ProjectListPage(
        projects=list(projects),
        corrupt=corrupt or [],
        query=ProjectQuery(),
        num_projects=len(projects),
        num_found=len(projects),
        num_pages=1,
        tasks=[],
        samples=[SampleInfo(task="t", title="Digits", description="Ten.", num_images=10, licence="CC0")],
    )


def test_names_with_markup_are_shown_as_text() -> None:
    project = ListedProject(
        id="proj-00000000",
        name="x",
        task=MARKUP,
        description=MARKUP,
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
        changed_at=MARKUP,
        failed_import=ErrorInfo(type="x", message=MARKUP),
    )
    html = render_fragment(
        project_list_fragment(list_page(project, corrupt=[CorruptDocument(path=MARKUP, reason=MARKUP)]))
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;") == 8


def test_empty_list_says_what_to_do_next() -> None:
    html = render_fragment(project_list_fragment(list_page()))
    assert "No projects yet" in html
    assert 'hx-post="/api/samples/t"' in html
    assert 'data-dialog-open="new-project"' in html


def test_name_that_the_context_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_fragment(Fragment("projects/_project_list.html", ErrorContext("A", "b", [])))


def test_error_fragment_carries_what_a_script_needs() -> None:
    problems = [FieldProblem(field="hyperparameters.max_epochs", message=MARKUP)]
    html = render_fragment(error_fragment(ErrorBody(code="VALIDATION_ERROR", message="No.", details=problems)))
    assert 'data-code="VALIDATION_ERROR"' in html
    assert 'data-field="hyperparameters.max_epochs"' in html
    assert "<script" not in html
