"""Every template compiles, escapes what it shows, and asks for nothing that its context lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from app.api.errors import ErrorContext
from app.api.pages.projects import project_list_fragment
from app.api.templating import STATIC_DIR, TEMPLATES_DIR, Fragment, render_fragment, template_environment
from app.schemas.projects import CorruptDocument, ProjectList, ProjectSummary
from app.schemas.tasks import TaskList

TEMPLATES = sorted(path.relative_to(TEMPLATES_DIR) for path in TEMPLATES_DIR.rglob("*") if path.is_file())
MARKUP = "<script>alert(1)</script>\"'&"


def test_number_of_templates() -> None:
    assert len(TEMPLATES) == 9
    assert all(path.suffix == ".html" for path in TEMPLATES)


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_compiles(path: Path) -> None:
    assert template_environment().get_template(path.as_posix())


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_has_no_inline_script_style_or_handler(path: Path) -> None:
    source = (TEMPLATES_DIR / path).read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son[a-z]+=|\|\s*safe|javascript:", source)


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_refers_to_no_other_host(path: Path) -> None:
    source = (TEMPLATES_DIR / path).read_text()
    assert not re.search(r"""(src|href|action)\s*=\s*["'](https?:)?//""", source)


def test_style_sheet_refers_to_no_other_host() -> None:
    source = (STATIC_DIR / "css" / "app.css").read_text()
    assert "url(" not in source
    assert "@import" not in source


def test_names_with_markup_are_shown_as_text() -> None:
    project = ProjectSummary(
        id="proj-00000000", name="x", task=MARKUP, description=MARKUP, created_at="a", updated_at=MARKUP
    )
    corrupt = [CorruptDocument(path=MARKUP, reason=MARKUP)]
    html = render_fragment(project_list_fragment(ProjectList(projects=[project], corrupt=corrupt), TaskList(tasks=[])))
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;") == 6


def test_empty_list_says_what_to_do_next() -> None:
    html = render_fragment(project_list_fragment(ProjectList(projects=[]), TaskList(tasks=[])))
    assert "No projects yet" in html
    assert "ai-studio demo" in html
    assert 'href="/docs' in html


def test_name_that_the_context_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_fragment(Fragment("projects/_project_list.html", ErrorContext("A", "b", [])))
