"""What every page of a project has around it, and what a person sees in place of a page that is not there."""

from __future__ import annotations

import re

import httpx
import pytest

NOUNS = ("dataset", "split", "training", "evaluation", "export", "compare", "playground")
MAX_HTML_BYTES = 100_000
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize("noun", NOUNS)
def test_page_is_in_the_shell(client: httpx.Client, project_id: str, noun: str) -> None:
    client.patch(f"/api/projects/{project_id}", json={"name": "Mushrooms"})
    answer = client.get(f"/projects/{project_id}/{noun}")
    html = answer.text
    assert answer.status_code == 200
    assert html.startswith("<!doctype html>")
    assert len(answer.content) < MAX_HTML_BYTES
    assert client.head(f"/projects/{project_id}/{noun}").status_code == 200
    current = re.findall(r'<a href="(/projects/[^"]+)" aria-current="page">', html)
    assert current == [f"/projects/{project_id}/{noun}"]
    for other in NOUNS:
        assert f'href="/projects/{project_id}/{other}"' in html
    assert "Mushrooms" in html
    assert "Classification" in html
    assert re.search(rf'<body data-project-id="{project_id}" data-seq="\d+">', html)
    assert len(re.findall(r"<h1[ >]", html)) == 1


def test_seq_of_the_page_is_the_newest_event(client: httpx.Client, project_id: str) -> None:
    last = client.get(f"/api/projects/{project_id}/events?limit=1").json()["data"]["last_seq"]
    html = client.get(f"/projects/{project_id}/dataset").text
    assert f'data-seq="{last}"' in html


def test_project_leads_to_its_dataset(client: httpx.Client, project_id: str) -> None:
    answer = client.get(f"/projects/{project_id}")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/projects/{project_id}/dataset")
    assert client.get("/projects/proj-00000000").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/projects/proj-00000000", "/projects/proj-00000000/dataset", "/projects/<script>/training"],
)
def test_missing_page_is_a_page_for_people_and_json_for_scripts(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert "Page not found" in answer.text
    assert 'href="/projects"' in answer.text
    assert "<script>" not in answer.text
    assert client.get(path).json()["status"] == "error"
    fragment = client.get(path, headers={**BROWSER, "hx-request": "true"}).text
    assert 'id="error"' in fragment
    assert "<html" not in fragment


def test_api_never_answers_with_a_page(client: httpx.Client) -> None:
    answer = client.get("/api/projects/proj-00000000", headers=BROWSER)
    assert answer.json()["error"]["code"] == "NOT_FOUND"


def test_patterns_show_every_public_macro_and_are_linked_nowhere(client: httpx.Client, project_id: str) -> None:
    from app.api.templating import TEMPLATES_DIR

    source = (TEMPLATES_DIR / "patterns" / "index.html").read_text()
    elsewhere = {"navigation.html", "scripts.html", "icons.html"}
    seen = 0
    for file in sorted((TEMPLATES_DIR / "macros").glob("*.html")):
        if file.name in elsewhere or file.name in {"schema_fields.html", "operation.html"}:
            continue
        shown_by_others = {"attributes", "overlay", "confirm_dialog", "field", "generated_field"}
        for macro in re.findall(r"{% macro ([a-z]\w*)\(", file.read_text()):
            seen += 1
            assert macro in shown_by_others or re.search(rf"\b{macro}\(", source), f"{file.name}: {macro}"
    assert seen >= 30
    assert client.get("/_patterns").status_code == 200
    for path in ("/projects", "/docs", f"/projects/{project_id}/dataset"):
        assert "_patterns" not in client.get(path).text
