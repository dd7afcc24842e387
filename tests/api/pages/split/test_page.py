"""What the HTML of the split page holds: cards, empty states, the preview and the figures."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.api.pages.split.cards import make_class_bars, make_parts, make_split_list, split_list_fragment
from app.api.templating import render_fragment
from app.schemas.splits import SplitCounts, SplitInfo, SplitOverview, SplitRatios, SplitUser
from tests.api.live import LiveServer
from tests.core.conftest import draw_class_folders

PROJECT = "proj-00000000"
HTMX = {"hx-request": "true"}
MARKUP = "<script>alert(1)</script>"


def split(name: str = "main", users: int = 0, status: str = "completed", **changes: object) -> SplitInfo:
    """Return a split of ten images."""
    experiments = [
        SplitUser.model_validate({"id": f"exp-{number:08x}", "name": f"try {number}", "status": status})
        for number in range(users)
    ]
    values = {
        "name": name,
        "index": 0,
        "stats": SplitCounts(train=7, val=2, test=1),
        "class_distribution": {"cat": SplitCounts(train=4, val=1, test=1), MARKUP: SplitCounts(train=3, val=1)},
        "experiments": experiments,
        **changes,
    }
    return SplitInfo.model_validate(values)


def render(*splits: SplitInfo) -> str:
    """Return the HTML of a list."""
    return render_fragment(split_list_fragment(PROJECT, SplitOverview(num_images=10, splits=list(splits))))


@pytest.fixture
def imported_id(server: LiveServer, client: httpx.Client, project_id: str, tmp_path: Path) -> str:
    """A project with twenty images of two classes."""
    source = draw_class_folders(tmp_path)
    answer = client.post(f"/api/datasets/{project_id}/import/local", json={"source_path": str(source)})
    if answer.status_code == 202:
        server.studio.scheduler.wait(answer.json()["data"]["job_id"], 60.0)
    return project_id


def test_project_without_images_leads_to_the_dataset_page(client: httpx.Client, project_id: str) -> None:
    html = client.get(f"/projects/{project_id}/split").text
    assert "No images yet" in html
    assert f'href="/projects/{project_id}/dataset"' in html
    assert 'data-dialog-open="new-split"' not in html


def test_page_its_list_and_its_fragments(client: httpx.Client, imported_id: str) -> None:
    assert "No split yet" in client.get(f"/projects/{imported_id}/split").text
    body = {"name": "my split", "ratios": {"train": 0.5, "val": 0.25, "test": 0.25}, "seed": 7}
    assert client.post(f"/api/splits/{imported_id}", json=body).status_code == 200
    html = client.get(f"/projects/{imported_id}/split/split-list").text
    assert '<section id="split-list"' in html
    assert "<html" not in html
    assert "Random split: 50 / 25 / 25 %, seed 7." in html
    assert f'href="/projects/{imported_id}/dataset?split=my+split&amp;subset=train"' in html
    assert f'hx-delete="/api/splits/{imported_id}/my%20split"' in html
    preview = client.get(f"/api/splits/{imported_id}/preview?train=0.6&val=0.2&test=0.2&seed=1", headers=HTMX).text
    assert '<div id="split-preview"' in preview
    assert "12" in preview
    figures = client.get(f"/api/splits/{imported_id}/my%20split", headers=HTMX).text
    assert '<div id="split-classes"' in figures
    assert "<td>blue</td>" in figures


def test_taken_name_is_said_beside_the_field(client: httpx.Client, imported_id: str) -> None:
    assert client.post(f"/api/splits/{imported_id}", json={"name": "twice"}).status_code == 200
    error = client.post(f"/api/splits/{imported_id}", json={"name": "twice"}).json()["error"]
    assert (error["code"], error["details"][0]["field"]) == ("CONFLICT", "name")


def test_card_says_where_it_comes_from_and_names_are_text() -> None:
    html = render(split(is_imported=True), split("mine", ratios=SplitRatios(), seed=3, warnings=["Few images."]))
    assert "Imported with the dataset" in html
    assert "Random split: 70 / 15 / 15 %, seed 3." in html
    assert "The actual shares differ, because a class with few images can only be divided roughly." in html
    exact = split(ratios=SplitRatios(train=0.7, val=0.2, test=0.1), seed=3)
    assert "The actual shares differ" not in render(exact)
    assert "Few images." in html
    assert MARKUP not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("users", "text"),
    [(0, "No experiment uses this split"), (1, "An experiment uses this split: “try 0”"), (9, "“try 3” and 5 more")],
)
def test_deletion_names_the_experiments(users: int, text: str) -> None:
    assert text in render(split(users=users))


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        (("completed",), "Its model is kept, but it cannot be evaluated or exported again."),
        (("completed", "completed"), "Their models are kept, but they cannot be evaluated or exported again."),
        (("failed",), "To train it, choose another split in its settings."),
        (("failed", "created"), "To train them, choose another split in their settings."),
        (
            ("completed", "cancelled"),
            "The models of the completed ones are kept, but cannot be evaluated or exported again. "
            "To train the others, choose another split in their settings.",
        ),
    ],
)
def test_deletion_says_what_the_experiments_still_can_do(statuses: tuple[str, ...], text: str) -> None:
    users = [split(users=1, status=status).experiments[0] for status in statuses]
    assert text in render(split(experiments=users))


def test_split_of_an_active_run_cannot_be_deleted_and_says_why() -> None:
    html = render(split(users=1, status="training"))
    assert "A training run uses this split" in html
    assert "hx-delete" not in html
    assert 'href="/projects/proj-00000000/training?experiment=exp-00000000"' in html


@pytest.mark.parametrize(
    ("counts", "percents"),
    [
        ((4, 1, 1, 0), ["66 %", "17 %", "17 %"]),
        ((5, 1, 1, 0), ["72 %", "14 %", "14 %"]),
        ((90, 5, 5, 0), ["90.0 %", "5.0 %", "5.0 %"]),
        ((99_998, 1, 1, 0), ["100.0 %", "< 0.1 %", "< 0.1 %"]),
        ((2, 0, 2, 2), ["34 %", "0 %", "33 %", "33 %"]),
        ((0, 0, 0, 0), ["0 %", "0 %", "0 %"]),
    ],
)
def test_shown_shares_sum_to_100(counts: tuple[int, int, int, int], percents: list[str]) -> None:
    train, val, test, none = counts
    parts = make_parts(SplitCounts(train=train, val=val, test=test, none=none))
    assert [part.percent for part in parts] == percents


def test_bars_add_up_and_long_lists_are_cut() -> None:
    parts = make_parts(SplitCounts(train=7, val=2, test=1))
    assert [(part.subset, part.count, part.percent) for part in parts] == [
        ("train", "7", "70 %"),
        ("val", "2", "20 %"),
        ("test", "1", "10 %"),
    ]
    assert parts[-1].x + parts[-1].width == pytest.approx(100.0)
    bars = make_class_bars({f"class {number}": SplitCounts(train=number + 1) for number in range(1000)})
    assert (len(bars.rows), bars.num_more, bars.rows[0].name) == (6, 994, "class 999")
    assert make_class_bars({"": SplitCounts(train=3)}).rows == ()


def test_page_stays_small_with_many_splits_of_many_classes() -> None:
    distribution = {f"class {number}": SplitCounts(train=3, val=1) for number in range(1000)}
    splits = [split(f"split {number}", class_distribution=distribution) for number in range(12)]
    listing = make_split_list(PROJECT, SplitOverview(num_images=4000, splits=splits))
    assert len(listing.cards) == 12
    assert len(render(*splits)) < 80_000


def test_whether_a_deleted_split_can_be_had_again_is_said_as_it_is() -> None:
    leaks = {"identical": {"groups": 2, "images": 4, "test_in_train": 2}}
    assert "You can create it again with the same percentages and seed." in render(split(seed=1))
    assert "Importing the dataset again restores it." in render(split(is_imported=True))
    assert "gives a different split, because identical images are now kept in one subset" in render(
        split(seed=1, leaks=leaks)
    )


def test_a_model_of_an_earlier_split_of_the_name_is_no_user_of_this_one() -> None:
    earlier = [{"id": "exp-00000001", "name": "old", "status": "completed", "is_of_earlier_split": True}]
    current = [{"id": "exp-00000002", "name": "new", "status": "completed"}]
    html = render(split(experiments=earlier))
    assert "Used by" not in html
    assert "Not used by any experiment yet" not in html
    assert "Trained on an earlier split of this name:" in html
    assert "No experiment uses this split." in html
    both = render(split(experiments=earlier + current))
    assert (
        both.index("Used by") < both.index(">new<") < both.index("an earlier split of this name") < both.index(">old<")
    )
    assert "An experiment uses this split: “new”." in both
