"""The pages as a browser without JavaScript gets them."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.api.live import LiveServer
from tests.api.operations import list_operations

MAX_REFERENCE_BYTES = 140_000


def test_start_page_leads_to_the_projects(client: httpx.Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/projects")
    assert client.head("/projects").status_code == 200


def test_project_is_listed_with_its_counts(client: httpx.Client, project_id: str) -> None:
    client.patch(f"/api/projects/{project_id}", json={"name": "Mushrooms", "description": "<i>of the woods</i>"})
    html = client.get("/projects").text
    card = html[html.index(f'id="{project_id}"') :]
    assert "Mushrooms" in card
    assert "&lt;i&gt;of the woods&lt;/i&gt;" in card
    assert re.search(r"<dt>Images</dt><dd>0</dd>", card)
    assert re.search(
        r'<time datetime="20\d\d-[^"]+Z" title="20\d\d-\d\d-\d\d \d\d:\d\d UTC" data-age>just now</time>', card
    )
    assert 'href="/docs"' in html


def test_list_is_a_fragment_for_htmx(client: httpx.Client, project_id: str) -> None:
    answer = client.get("/api/projects", headers={"hx-request": "true"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<section") or '<section id="project-list"' in answer.text
    assert project_id in answer.text
    assert "<html" not in answer.text
    card = client.get(f"/api/projects/{project_id}", headers={"hx-request": "true"}).text
    assert (f'id="{project_id}"' in card, "<section" in card) == (True, False)


def test_corrupt_document_is_named_and_the_rest_works(
    server: LiveServer, client: httpx.Client, project_id: str
) -> None:
    broken = client.post("/api/projects", json={"name": "Broken", "task": _first_task(client)}).json()["data"]["id"]
    root = Path(client.get("/api/system/workspace").json()["data"]["path"])
    (root / "projects" / broken / "project.json").write_text("{ this is no json")
    html = client.get("/projects").text
    assert "cannot be read" in html
    assert re.search(rf"<code>[^<]*{broken}[^<]*project.json[^<]*</code>", html)
    assert f'id="{project_id}"' in html


def test_reference_shows_every_operation_and_links_lead_somewhere(client: httpx.Client) -> None:
    html, schemas = client.get("/docs").text, client.get("/docs/schemas").text
    found = re.findall(r'\bid="([^"]+)"', html)
    anchors = set(found)
    assert len(found) == len(anchors)
    operations = list_operations()
    for operation in operations:
        assert f"op-{operation.document['operationId']}" in anchors
        assert f"<code>{operation.path}</code>" in html
    assert html.count('class="method method--') == len(operations)
    assert set(re.findall(r'href="#([^"]+)"', html)) <= anchors
    links = set(re.findall(r'href="/docs/schemas#([^"]+)"', html)) | set(re.findall(r'href="#([^"]+)"', schemas))
    assert len(links) > 100
    assert links <= set(re.findall(r'\bid="([^"]+)"', schemas))


def test_reference_names_bodies_and_answers(client: httpx.Client) -> None:
    html = client.get("/docs").text
    assert len(html) < MAX_REFERENCE_BYTES
    start = html.index('id="op-create_project"')
    section = html[start : html.index("</article>", start)]
    assert 'href="/docs/schemas#schema-ProjectCreate"' in section
    assert 'href="/docs/schemas#schema-ProjectSummary"' in section
    assert "required" in section


def test_static_files_are_there_and_revalidated(client: httpx.Client) -> None:
    for path in ("/static/css/app.css", "/static/favicon.svg"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert client.get(path, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    for path in ("/static/", "/static/css", "/static/../main.py", "/static/%2e%2e/main.py", "/static/css/%00"):
        assert client.get(path).status_code == 404


def _first_task(client: httpx.Client) -> str:
    task: str = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
    return task
