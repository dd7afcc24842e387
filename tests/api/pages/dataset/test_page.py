"""The dataset page and its fragments as HTML: states, filters, one image, clearing, the report of a dry run."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.api.pages.dataset.clearing import clear_form_fragment
from app.api.pages.dataset.content import title_of
from app.api.pages.dataset.grid import image_grid_fragment
from app.api.pages.dataset.query import DatasetAddress
from app.api.templating import render_fragment
from app.core.views.dataset_pages import describe_formats
from app.schemas.dataset_pages import DatasetRemoval, ImageListing
from tests.api.checking import check_import, check_import_html
from tests.api.live import LiveServer

NUM_PER_CLASS = 60
MARKUP = "<b>red&"
HTMX = {"hx-request": "true"}


def draw_folders(root: Path) -> Path:
    """Two classes, one with markup in its name, of 60 images each; one file is broken."""
    for name, shade in ((MARKUP, 200), ("blue", 20)):
        (root / name).mkdir(parents=True)
        for number in range(NUM_PER_CLASS):
            Image.new("RGB", (16, 12), (shade, number, 255 - shade)).save(root / name / f"{name[-4:]}_{number:03}.png")
    (root / "blue" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return root


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folders(tmp_path_factory.mktemp("source") / "images")


@pytest.fixture(scope="module")
def imported(server: LiveServer, source: Path) -> str:
    """A project with the images and a split, to be read only."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        return import_source(client, source)


def import_source(client: httpx.Client, source: Path) -> str:
    """Return a new project with the images and a split."""
    task = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
    project_id: str = client.post("/api/projects", json={"name": "Imported", "task": task}).json()["data"]["id"]
    started = client.post(f"/api/datasets/{project_id}/import/local", json={"source_path": str(source)}).json()
    wait_for_job(client, started["data"]["job_id"])
    assert client.post(f"/api/splits/{project_id}", json={"name": "main"}).status_code == 200
    return project_id


def wait_for_job(client: httpx.Client, job_id: str) -> None:
    deadline = time.monotonic() + 60
    while client.get(f"/api/jobs/{job_id}").json()["data"]["status"] in {"pending", "running"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_empty_page_says_what_to_do_and_how_images_lie(client: httpx.Client, project_id: str) -> None:
    html = client.get(f"/projects/{project_id}/dataset").text
    assert "No images yet" in html
    assert 'data-dialog-open="import-dialog"' in html
    known = client.get("/api/tasks").json()["data"]["tasks"][0]["import_formats"]
    assert len(known) >= 2
    titles = [title_of(item) for item in describe_formats(known)]
    assert (
        re.findall(r"<li>([^<]+)</li>", html[html.index("Supported folder layouts and formats") :])[: len(known)]
        == titles
    )
    assert titles[0].startswith("One folder of images per class")


def test_page_of_images_is_small_and_names_are_text(client: httpx.Client, imported: str) -> None:
    answer = client.get(f"/projects/{imported}/dataset")
    assert answer.status_code == 200
    html = answer.text
    assert len(answer.content) < 100_000
    assert html.count('class="tile"') == 60
    assert html.count('loading="lazy"') == 60
    assert "<b>red" not in html
    assert "&lt;b&gt;red&amp; (60)" in html
    assert "120 images" in text_of(html)
    assert "broken.png" in text_of(html)
    assert "Page 1 of 2" in text_of(html)


def test_filters_order_and_page_are_in_the_address(client: httpx.Client, imported: str) -> None:
    query = {"class": "blue", "search": "_00", "sort": "-filename", "view": "list", "split": "main"}
    answer = client.get(f"/projects/{imported}/dataset/image-grid", params=query, headers=HTMX)
    names = re.findall(r"data-image-link>([^<]+)<", answer.text)
    assert names == [f"blue/blue_{number:03}.png" for number in range(9, -1, -1)]
    assert '<section id="image-grid"' in answer.text
    assert "10 of 120 images" in answer.text
    pushed = answer.headers["hx-push-url"]
    assert httpx.URL(pushed).params == httpx.QueryParams(query)
    page = client.get(pushed).text
    assert re.findall(r"data-image-link>([^<]+)<", page) == names
    assert '<option value="blue" selected>' in page
    assert 'value="_00"' in page


def test_subsets_of_a_split_can_be_browsed(client: httpx.Client, imported: str) -> None:
    stats = client.get(f"/api/splits/{imported}/main").json()["data"]["stats"]
    html = client.get(f"/projects/{imported}/dataset?split=main&subset=val").text
    assert f"{stats['val']} of 120 images" in text_of(html)
    assert f"Training {stats['train']} Validation {stats['val']} Test {stats['test']}" in text_of(html)
    gone = text_of(client.get(f"/projects/{imported}/dataset?split=gone&subset=val").text)
    assert "The split “gone” does not exist" in gone
    assert "120 images" in gone


def test_images_are_sorted_by_path_and_the_list_says_so(client: httpx.Client, imported: str) -> None:
    html = client.get(f"/projects/{imported}/dataset?view=list").text
    names = [unescape(name) for name in re.findall(r"data-image-link>([^<]+)<", html)]
    assert len(names) > 50
    assert names == sorted(names)
    assert all("/" in name for name in names)
    assert "Path (A to Z)" in html
    assert re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', html)[:3] == ["Path", "Class", "Size, px"]
    assert "Annotations" not in html


@pytest.mark.parametrize("kind", ["box", "rotated_box", "instance", "label", "values", "mask"])
def test_the_list_counts_what_an_image_can_have_several_of(kind: str) -> None:
    item = {"filename": "a.png", "width": 9, "height": 9, "annotation_count": 7, "class_name": None}
    item |= {"split": [], "selected_split_value": None}
    page: dict[str, Any] = {"items": [item], "page": 1, "page_size": 1, "total_items": 1, "total_pages": 1}
    page["selected_split_name"] = None
    listing = ImageListing.model_validate({"page": page, "num_all": 1, "split_names": [], "annotation_kind": kind})
    address = DatasetAddress.model_validate({"view": "list"})
    html = render_fragment(image_grid_fragment("proj-00000000", address, listing))
    titles = {"box": "Boxes", "rotated_box": "Boxes", "instance": "Objects"}
    assert re.findall(r'<th scope="col" class="is-number">([^<]+)</th>', html)[1:] == [
        titles[name] for name in [kind] if name in titles
    ]
    assert ('<td class="is-number">7</td>' in html) is (kind in titles)


def test_the_result_of_an_import_says_where_every_image_is_named(client: httpx.Client, source: Path) -> None:
    task = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
    project = client.post("/api/projects", json={"name": "Fresh", "task": task}).json()["data"]["id"]
    started = client.post(f"/api/datasets/{project}/import/local", json={"source_path": str(source)}).json()
    wait_for_job(client, started["data"]["job_id"])
    html = client.get(f"/projects/{project}/dataset").text
    assert "The reasons are under Statistics; the CSV file there names every image." in text_of(html)
    table = client.get(f"/api/datasets/{project}/import/problems").text
    assert "blue/broken.png" in table
    assert f'href="/api/datasets/{project}/import/problems"' in html
    client.delete(f"/api/projects/{project}")


def test_nothing_found_says_which_filter_to_drop(client: httpx.Client, imported: str) -> None:
    html = text_of(client.get(f"/projects/{imported}/dataset?class=blue&search=red").text)
    assert "No images match" in html
    assert "Remove the class filter “blue” (shows 60 images)" in html
    assert "Remove the search filter “red” (shows 60 images)" in html
    html = text_of(client.get(f"/projects/{imported}/dataset?class=green&search=zebra").text)
    assert "Remove the" not in html
    assert "Remove all filters (shows 120 images)" in html


@pytest.mark.parametrize("query", ["page=99999", "page=2", "unknown=1", "subset=&class=&search=", "image=nobody.png"])
def test_odd_addresses_are_a_page(client: httpx.Client, imported: str, query: str) -> None:
    assert client.get(f"/projects/{imported}/dataset?{query}").status_code == 200


@pytest.mark.parametrize("query", ["page=0", "page=x", "sort=colour", "view=xl", "subset=all", "search=%00"])
def test_addresses_that_mean_nothing_are_refused(client: httpx.Client, imported: str, query: str) -> None:
    answer = client.get(f"/projects/{imported}/dataset?{query}", headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert f"<li>{query.partition('=')[0]}: " in answer.text
    assert "Remove them from the address" in answer.text
    assert "Request validation failed" not in answer.text


def test_page_of_a_refused_address_names_the_parts_that_are_wrong(client: httpx.Client, imported: str) -> None:
    answer = client.get(f"/projects/{imported}/dataset?page=x&sort=colour", headers={"accept": "text/html"})
    text = text_of(answer.text)
    assert answer.status_code == 422
    assert "page: This must be a whole number." in text
    assert "sort: This must be" in text
    assert "Request validation failed" not in text


def test_one_image_has_facts_and_neighbours_in_the_order_of_the_filter(client: httpx.Client, imported: str) -> None:
    query = {"class": "blue", "sort": "-filename", "image": "blue_058.png"}
    answer = client.get(f"/projects/{imported}/dataset/image-detail", params=query, headers=HTMX)
    html = unescape(answer.text)
    assert 'id="image-detail"' in html
    hrefs = re.findall(r'href="([^"]+)" data-image-link data-image-key="(\w+)"', html)
    assert [(httpx.URL(url).params["image"], key) for url, key in hrefs] == [
        ("blue_059.png", "ArrowLeft"),
        ("blue_057.png", "ArrowRight"),
    ]
    text = text_of(answer.text)
    assert "2 of 60" in text
    assert re.search(r"Split main (Train|Validation|Test)", text)
    deep = client.get(f"/projects/{imported}/dataset", params=query).text
    assert 'data-image="blue_058.png" data-is-shown' in deep
    other = client.get(f"/projects/{imported}/dataset/image-detail", params={**query, "class": MARKUP})
    assert "This image does not match the current filters" in other.text
    missing = client.get(f"/projects/{imported}/dataset/image-detail?image=nobody.png", headers=HTMX)
    assert missing.status_code == 404


def test_the_detail_shows_the_picture_as_it_is_read(client: httpx.Client, imported: str) -> None:
    html = client.get(f"/projects/{imported}/dataset/image-detail", params={"image": "blue_000.png"}).text
    (url,) = re.findall(r'<img src="([^"]+/picture[^"]+)"', unescape(html))
    original = client.get(f"/api/datasets/{imported}/images/blue_000.png")
    shown = client.get(url)
    assert (shown.status_code, shown.headers["content-type"], shown.content) == (200, "image/png", original.content)
    for name in ("nobody.png", "../dataset.json", "\x00"):
        missing = client.get(f"/projects/{imported}/dataset/picture", params={"image": name})
        assert missing.status_code == 404


def test_a_mask_that_is_not_there_is_not_found(client: httpx.Client, imported: str) -> None:
    query = {"image": "blue_000.png", "annotation": "0"}
    assert client.get(f"/projects/{imported}/dataset/mask", params=query).status_code == 404


def test_report_names_problems_and_carries_the_mapping(client: httpx.Client, project_id: str, source: Path) -> None:
    url = f"/api/datasets/{project_id}/import/check"
    mapping = {"blue": "cold", MARKUP: None}
    body = {"source_path": str(source), "options": {"class_mapping": mapping}}
    report = check_import(client, project_id, body)
    assert (report["classes"], report["found_classes"]) == (["cold"], {MARKUP: 60, "blue": 60})
    html = check_import_html(client, project_id, body)
    assert 'id="import-report"' in html
    assert "<b>red" not in html
    text = text_of(html)
    assert "60 of 61 images will be imported; 1 will not" in text
    assert "broken.png" in text
    assert f"60 images are left out, because the class {MARKUP!r} is left out." in text
    assert re.search(r'value="cold" maxlength', html)
    assert html.count('name="mode"') == 3
    for name in ("", "   ", "a\x00b", "x" * 201):
        body = {"source_path": str(source), "options": {"class_mapping": {"blue": name}}}
        assert client.post(url, json=body).status_code == 422


def test_clear_form_says_what_goes(client: httpx.Client, source: Path) -> None:
    imported = import_source(client, source)
    html = client.get(f"/projects/{imported}/dataset/clear-form", headers=HTMX).text
    assert 'id="clear-form"' in html
    text = text_of(html)
    assert "120 images with annotations" in text
    assert "1 split: main" in text
    assert client.delete(f"/api/datasets/{imported}").status_code == 200
    content = client.get(f"/projects/{imported}/dataset/dataset-content", headers=HTMX).text
    assert '<div id="dataset-content"' in content
    assert 'data-state="empty"' in content


@pytest.mark.parametrize("mode", ["copy", "link", "reference"])
def test_clear_form_of_a_sample_names_no_original_folder(mode: str) -> None:
    removal = DatasetRemoval(reason=None, num_images=3, import_mode=mode, split_names=[], num_experiments=0)
    assert "not changed" in text_of(render_fragment(clear_form_fragment("p", removal)))
    trained = text_of(render_fragment(clear_form_fragment("p", removal.model_copy(update={"num_experiments": 2}))))
    assert (
        "2 experiments with models are kept, but cannot be trained, evaluated or exported until you import the images "
        "again and create a split of the same name."
    ) in trained
    single = text_of(render_fragment(clear_form_fragment("p", removal.model_copy(update={"num_experiments": 1}))))
    assert "1 experiment with a model is kept" in single
    sample = removal.model_copy(update={"is_sample": True})
    words = text_of(render_fragment(clear_form_fragment("p", sample)))
    assert "3 images with annotations, and the image files" in words
    assert "not changed" not in words


def test_failed_import_is_explained_on_the_page(client: httpx.Client, project_id: str, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    started = client.post(f"/api/datasets/{project_id}/import/local", json={"source_path": str(tmp_path)}).json()
    wait_for_job(client, started["data"]["job_id"])
    text = text_of(client.get(f"/projects/{project_id}/dataset").text)
    assert "The import failed No image could be imported." in text
    assert "No images yet" in text


def test_identical_images_are_named_with_the_labels_that_differ(
    client: httpx.Client, project_id: str, tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            colour = (number, 0, 0) if number < 2 else (9, len(name), ord(name[0]))
            Image.new("RGB", (8, 8), colour).save(tmp_path / name / f"{name}{number}.png")
    started = client.post(f"/api/datasets/{project_id}/import/local", json={"source_path": str(tmp_path)}).json()
    wait_for_job(client, started["data"]["job_id"])
    html = client.get(f"/projects/{project_id}/dataset").text
    assert 'id="identical-images"' in html
    assert "4 identical images" in html
    assert (
        "4 images are identical to another image (2 groups). In 2 of the groups, the images have different labels."
        in html
    )
    assert f'<a href="/projects/{project_id}/dataset?image=cat0.png">cat/cat0.png: cat</a>' in html
    summary = client.get(f"/api/datasets/{project_id}").json()["data"]
    assert [group["labels"] for group in summary["identical"]["examples"]] == [["cat", "dog"]] * 2


def test_what_the_import_left_unused_stays_on_the_page(client: httpx.Client, tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    for number in range(4):
        Image.new("RGB", (16, 12), (number, 60 * number, 9)).save(root / f"{number}.png")
    rows = "".join(f"{number}.png,{'ab'[number % 2]},<blurred>\n" for number in range(4))
    (root / "t.csv").write_text(f"file,label,note\n{rows}", "utf-8")
    (root / "todo.txt").write_text("nothing", "utf-8")
    page = client.get(f"/projects/{import_source(client, root)}/dataset").text
    notes = re.search(r'<div class="mt-2" id="import-notes">(.*?)</div>', page, re.DOTALL)
    assert notes is not None
    shown = unescape(notes[1])
    assert "How the source was read" in shown
    assert "<li>Columns that are not used: 'note'.</li>" in shown
    assert "<li>1 other file is not used: todo.txt.</li>" in shown
