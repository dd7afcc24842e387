"""The playground page and the images that it offers."""

from __future__ import annotations

import httpx

from app.api.pages.playground.page import PlaygroundContext, _describe_model, image_picker_fragment, playground_url
from app.api.pages.shell import ProjectShell
from app.api.templating import Fragment, render_fragment
from app.schemas.datasets import ImageItem, ImagePage
from app.schemas.predict import AskableModel
from tests.client.fakes import EID, OTHER_EID, PID

MARKUP = "<img src=x>"


def page_of(*names: str, page: int = 1, total_pages: int = 1) -> ImagePage:
    items = [
        ImageItem(
            filename=name,
            width=8,
            height=8,
            class_name=None,
            split=[],
            selected_split_value=None,
            annotation_count=0,
        )
        for name in names
    ]
    return ImagePage(
        page=page, page_size=48, total_items=len(names), total_pages=total_pages, selected_split_name=None, items=items
    )


def test_models_are_offered_with_the_reason_why_not() -> None:
    models = [
        AskableModel(id=EID, name="Good", split_name="main", best_metric={"val_accuracy": 0.9}, reason=""),
        AskableModel(id=OTHER_EID, name="New", split_name="main", best_metric={}, reason="not trained yet"),
    ]
    shell = ProjectShell(PID, MARKUP, "task", "Task", "label", 1, "Playground", ())
    options = tuple(_describe_model(model) for model in models)
    context = PlaygroundContext(
        shell, options, EID, 'a" b.png', 'day1/a" b.png', is_missing=True, explains_values=False
    )
    html = render_fragment(Fragment("playground/index.html", context))
    assert f'<option value="{EID}" selected>Good · Validation accuracy 0.900</option>' in html
    assert f'<option value="{OTHER_EID}" disabled>New (not trained yet)</option>' in html
    assert 'data-image="a&#34; b.png" data-name="day1/a&#34; b.png"' in html
    assert "The model in this link is not available" in html
    assert "data-is-signed" not in html
    assert MARKUP not in html


def test_picker_links_to_the_page_with_the_image() -> None:
    html = render_fragment(image_picker_fragment(PID, EID, page_of("a/ü.png", MARKUP), "x", "test"))
    assert 'id="image-picker"' in html
    assert f"/api/datasets/{PID}/thumbnails/a%2F%C3%BC.png" in html
    assert playground_url(PID, EID, "a/ü.png").replace("&", "&amp;") in html
    assert MARKUP not in html
    assert html.count("data-filename") == 2
    assert "first page" in html
    assert "last page" in html
    middle = render_fragment(image_picker_fragment(PID, EID, page_of("a.png", page=2, total_pages=3), "x y", "val"))
    assert "subset=val&amp;search=x+y&amp;page=3" in middle
    assert "No images match" in render_fragment(image_picker_fragment(PID, EID, page_of(), "", "all"))


def test_a_project_without_models_says_what_to_do(client: httpx.Client, project_id: str) -> None:
    html = client.get(f"/projects/{project_id}/playground").text
    assert "No trained model yet" in html
    assert f'href="/projects/{project_id}/training"' in html
    assert client.get("/projects/proj-00000000/playground").status_code == 404
    refused = client.get(f"/projects/{project_id}/playground/image-picker", headers={"HX-Request": "true"})
    assert (refused.status_code, 'data-code="DATASET_NOT_IMPORTED"' in refused.text) == (422, True)
    assert client.get(f"/projects/{project_id}/playground/image-picker?subset=x").status_code == 422


def test_camera_is_allowed_for_our_own_pages_only(client: httpx.Client) -> None:
    policy = client.get("/projects").headers["permissions-policy"]
    assert "camera=(self)" in policy
    assert "microphone=()" in policy
