"""Every group of boxes or radio buttons in a form that is sent has one label and one place for its error."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from tests.api.checking import check_import_html
from tests.api.live import LiveServer
from tests.api.pages.evaluated import make_experiment, make_project

VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "use", "path", "rect", "circle"})


class GroupReader(HTMLParser):
    """Collects, for each group of choices in a typed form, what stands directly in it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.groups: dict[str, dict[str, bool]] = {}
        self._stack: list[dict[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if self._stack and self.open and _is_group(*self.open[-1]):
            self._stack[-1]["error"] |= "field__error" in classes
            self._stack[-1]["label"] |= tag == "legend"
        if self._stack:
            self._stack[-1]["label"] |= "field__label" in classes
        is_typed = any(name == "form" and ("hx-ext" in place or "hx-post" in place) for name, place in self.open)
        if tag == "input" and is_typed and _is_choice(given):
            assert self._stack, f"{given['name']} stands in no group"
            self.groups.setdefault(given["name"], self._stack[-1])
        if tag in VOID:
            return
        self.open.append((tag, given))
        if _is_group(tag, given):
            self._stack.append({"label": False, "error": False})

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or tag not in [name for name, _ in self.open]:
            return
        while True:
            name, given = self.open.pop()
            if _is_group(name, given):
                self._stack.pop()
            if name == tag:
                return


def _is_group(tag: str, given: dict[str, str]) -> bool:
    return tag == "fieldset" or given.get("role") == "group"


def _is_choice(given: dict[str, str]) -> bool:
    kind, name = given.get("type"), given.get("name", "")
    # The place that images come from is never refused: it only chooses between two parts of the form.
    if name == "source-choice":
        return False
    return kind == "radio" or (kind == "checkbox" and name.endswith("[]"))


@pytest.fixture(scope="module")
def pages(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The pages and fragments with such groups, by name."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        folder = tmp_path_factory.mktemp("groups") / "images"
        project = make_project(server, client, folder, classes=("apple", "pear"))
        experiment = make_experiment(server, client, project)
        yield {
            "projects": client.get("/projects").text,
            "evaluation": client.get(f"/projects/{project}/evaluation?experiment={experiment}").text,
            "export": client.get(f"/projects/{project}/export/export-form").text,
            "training": client.get(f"/projects/{project}/training?experiment={experiment}").text,
            "import": check_import_html(client, project, {"source_path": str(folder)}),
        }


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("projects", {"task"}),
        ("evaluation", {"split_subsets[]"}),
        ("export", {"format"}),
        ("training", {"model.backbone", "hardware.selected_devices[]"}),
        ("import", {"mode"}),
    ],
)
def test_each_group_has_a_label_and_a_place_for_its_error(pages: dict[str, str], page: str, names: set[str]) -> None:
    reader = GroupReader()
    reader.feed(pages[page])
    assert set(reader.groups) == names
    for name, group in reader.groups.items():
        assert group == {"label": True, "error": True}, name
