"""The compare page: what is chosen, what is said, and what the address keeps."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.api.pages.compare.comparison import Result, build_result, comparison_fragment, thin
from app.api.pages.compare.page import CompareContext
from app.api.pages.compare.selection import Asked, Selection, describe_problem, list_choices, select
from app.api.pages.shell import ProjectShell
from app.api.templating import Fragment, render_fragment
from app.schemas.comparison import CompareQuery, Comparison
from app.schemas.evaluation import EvaluationRecord
from app.schemas.experiments import ExperimentRecord
from tests.client.fakes import EID, OTHER_EID, PID, comparison, evaluation, experiment

MARKUP = "<script>alert(1)</script>"
SELECTION = Selection(PID, (EID, OTHER_EID))
BARE = Asked((), "", "", "", 1, is_bare=True)


def record(eid: str, **changes: Any) -> ExperimentRecord:
    return ExperimentRecord.model_validate(experiment(**{"id": eid, "current_run_id": "run-00000001", **changes}))


def compare_label(**test: Any) -> Comparison:
    data = comparison(**test)
    row = {"filename": "a/b.png", "prediction": {"class_name": MARKUP, "confidence": 0.625}}
    image = {"filename": "a/b.png", "subset": "test", "ground_truth": {"class_name": "cat"}, "best": [EID]}
    data["images"] |= {"total_items": 30, "total_pages": 2, "counts": {EID: 30, OTHER_EID: 0}, "num_common": 1200}
    data["images"]["items"] = [image | {"results": {EID: row, OTHER_EID: row}}]
    data["epoch_metrics"] = [{"name": "val_accuracy", "title": "Accuracy", "direction": "max"}]
    epochs = [{"epoch": n, "train_loss": 1.0, "lr": 0.1, "duration_s": 1.0, "val_accuracy": n / 10} for n in (1, 2)]
    data["experiments"][0] |= {"epochs": epochs, "name": MARKUP}
    return Comparison.model_validate(data)


def show(result: Result | None, problem: str = "") -> str:
    shell = ProjectShell(PID, "Project", "task", "Task", "label", 1, "Compare", ())
    records = [record(EID, name="First"), record(OTHER_EID, name="Second")]
    context = CompareContext(
        shell, SELECTION.url, list_choices(SELECTION, records), 2, False, EID, "", 0, problem, result
    )
    return render_fragment(Fragment("compare/index.html", context))


@pytest.mark.parametrize(
    ("test", "title", "detail"),
    [
        ({}, "Second is better than First", "p = 0.01"),
        ({"p_adjusted": 0.0004, "verdict": "worse"}, "First is better than Second", "p < 0.001"),
        ({"p_adjusted": 0.08, "verdict": "open"}, "No clear winner between First and Second", "p = 0.08"),
        ({"p_adjusted": 1.0, "verdict": "open"}, "No clear winner between First and Second", "p = 1"),
    ],
)
def test_the_verdict_is_said_with_its_uncertainty(test: dict[str, Any], title: str, detail: str) -> None:
    (verdict,) = build_result(SELECTION, Comparison.model_validate(comparison(**test))).verdicts
    assert (verdict.title, verdict.detail) == (title, detail)
    assert (
        "correctly and First 80.0 %, a difference of +10.0 percentage points (95 % interval +5.0 to +15.0)"
        in verdict.lines[0]
    )
    assert "Only Second is correct on 9 images, only First on 3." in verdict.lines[1]


@pytest.mark.parametrize(
    ("alone", "words"),
    [
        ({"only_reference": 0}, "Only Second is correct on 9 images; only First on none."),
        ({"only_other": 0}, "Only First is correct on 3 images; only Second on none."),
        ({"only_reference": 0, "only_other": 0}, "There is no image that only one of them predicts correctly."),
        ({"only_reference": 0, "only_other": 1}, "Only Second is correct on 1 image; only"),
        ({"based_on": "error"}, "Second has the smaller error on 9 images, First on 3."),
        (
            {"based_on": "error", "only_reference": 0},
            "Second has the smaller error on 9 images, First on none.",
        ),
        ({"based_on": "error", "only_other": 0}, "First has the smaller error on 3 images, Second on none."),
        ({"based_on": "error", "only_other": 0, "only_reference": 0}, "Both have the same error on every image."),
    ],
)
def test_the_verdict_says_which_alone_is_right(alone: dict[str, Any], words: str) -> None:
    (verdict,) = build_result(SELECTION, Comparison.model_validate(comparison(**alone))).verdicts
    assert verdict.lines[1].startswith(words)


def test_differences_have_a_real_minus_sign() -> None:
    test = {"difference": -0.2, "low": -0.25, "high": -0.0001, "verdict": "worse"}
    (verdict,) = build_result(SELECTION, Comparison.model_validate(comparison(**test))).verdicts
    assert "\N{MINUS SIGN}20.0 percentage points (95 % interval \N{MINUS SIGN}25.0 to 0.0)" in verdict.lines[0]
    assert "-" not in verdict.lines[0]


def test_a_metric_without_an_interval_says_why() -> None:
    data = comparison()
    known = build_result(SELECTION, Comparison.model_validate(data)).metrics[0].bars
    assert [bar.interval for bar in known] == ["0.750 to 0.850", "no interval"]
    assert [bar.why_none for bar in known] == ["", "No interval could be calculated"]
    data["experiments"][1]["headline"]["accuracy"] |= {"value": -4.5, "reason": "3 of 5 classes have no image here."}
    data["experiments"][0]["headline"] = {}
    result = build_result(SELECTION, Comparison.model_validate(data))
    first, second = result.metrics[0].bars
    assert (first.value, first.interval, first.why_none) == ("not evaluated", "", "")
    assert (second.value, second.interval) == ("\N{MINUS SIGN}4.500", "no interval")
    assert "Not enough images for an interval. 3 of 5 classes have no image here." in show(result)


@pytest.mark.parametrize(
    ("first", "second", "title"),
    [
        (["test"], ["test"], "Metrics on test images"),
        (["test", "val"], ["val", "test"], "Metrics on validation and test images"),
        (["test"], ["train", "val", "test"], "Metrics"),
    ],
)
def test_the_metrics_name_the_images_that_they_were_measured_on(
    first: list[str], second: list[str], title: str
) -> None:
    page = Comparison.model_validate(comparison())
    evaluations = [EvaluationRecord.model_validate(evaluation(split_subsets=subsets)) for subsets in (first, second)]
    sides = [
        side.model_copy(update={"evaluation": measured})
        for side, measured in zip(page.experiments, evaluations, strict=True)
    ]
    assert build_result(SELECTION, page.model_copy(update={"experiments": sides})).metrics_title == title


def test_a_page_without_a_winner_names_none() -> None:
    page = Comparison.model_validate(comparison(p_value=0.04, p_adjusted=0.08, verdict="open"))
    html = show(build_result(SELECTION, page))
    assert "No clear winner" in html
    for word in ("is better than", "ahead", "(best)", "is-best", "Probability"):
        assert word not in html, word


def test_of_three_the_page_says_one_thing_above_all_pairs() -> None:
    data = comparison(verdict="open", p_adjusted=0.2)
    third = data["experiments"][1] | {"id": "exp-00000003", "name": "Third"}
    data["experiments"].append(third)
    pair = data["tests"][0]
    data["tests"] += [pair | {"other": third["id"]}, pair | {"reference": OTHER_EID, "other": third["id"]}]
    data["settings"] = []
    result = build_result(SELECTION, Comparison.model_validate(data))
    assert (len(result.verdicts), len(result.other_pairs), result.has_several_tests) == (2, 1, True)
    html = show(result)
    assert html.count("No clear winner") == 4
    assert "all 3 pairs compared here" in html


@pytest.mark.parametrize("based_on", ["correct", "error"])
def test_one_pair_is_not_said_to_be_corrected(based_on: str) -> None:
    alone = comparison(p_value=1.0, p_adjusted=1.0, verdict="open", based_on=based_on)
    html = show(build_result(SELECTION, Comparison.model_validate(alone)))
    assert "With one pair, the p-value needs no correction." in html
    assert not [word for word in ("uncorrected", "Holm", "all pairs together") if word in html]
    corrected = comparison(p_value=0.04, p_adjusted=0.08, verdict="open", based_on=based_on)
    assert "p = 0.04 (uncorrected)." in show(build_result(SELECTION, Comparison.model_validate(corrected)))


def test_errors_are_said_in_their_own_units() -> None:
    test = {"based_on": "error", "p_value": 0.01, "reference_mean": 2.5, "other_mean": 2.0, "difference": -0.5}
    (verdict,) = build_result(SELECTION, Comparison.model_validate(comparison(**test))).verdicts
    assert "mean error of Second is 2.000 and of First 2.500, a difference of \N{MINUS SIGN}0.5" in verdict.lines[0]
    assert "McNemar" not in "".join(verdict.lines)


def test_the_page_shows_every_part_and_names_as_text() -> None:
    html = show(build_result(SELECTION, compare_label()))
    assert MARKUP not in html
    assert html.count("&lt;script&gt;") > 5
    for text in ("Which model is better", "hyperparameters.seed", "30 other settings", "0.750 to 0.850"):
        assert text in html
    assert html.count("1,200 images can miss something.") == 1
    assert f"experiments={EID},{OTHER_EID}&amp;only={EID}" in html
    assert "page=2" in html
    assert "/api/datasets/" + PID + "/thumbnails/a%2Fb.png" in html
    assert "Evaluate Second" not in html
    assert len(html) < 100_000


def test_an_image_that_the_dataset_no_longer_has_is_no_broken_picture() -> None:
    data = compare_label().model_dump(mode="json")
    for item in data["images"]["items"]:
        item["is_gone"] = True
    number = len(data["images"]["items"])
    assert number > 0
    html = show(build_result(SELECTION, Comparison.model_validate(data)))
    assert (html.count(">no longer in the dataset<"), html.count("/thumbnails/")) == (number, 0)


def test_the_fragment_is_what_the_page_holds() -> None:
    query = CompareQuery(experiments=[EID, OTHER_EID])
    html = render_fragment(comparison_fragment(PID, query, compare_label(), {}))
    assert html.startswith('<div id="comparison"')
    assert MARKUP not in html
    for text in ("Which model is better", "hyperparameters.seed", "30 other settings", "0.750 to 0.850"):
        assert text in html
    page = show(build_result(Selection(PID, tuple(query.experiments), reference=EID), compare_label()))
    assert html.rstrip() in page
    only = render_fragment(comparison_fragment(PID, query.model_copy(update={"only": EID}), compare_label(), {}))
    assert only.count('aria-current="true"') == 2  # the curve, and the images of one experiment
    assert f'only={EID}" hx-push-url="true" aria-current="true"' in only


def test_a_fork_says_what_it_starts_from_by_name() -> None:
    data = comparison()
    gone = "exp-0000dead"
    data["settings"] = [
        {"key": "parent.experiment_id", "values": [None, EID]},
        {"key": "parent.run_id", "values": ["run-0000dead", "run-00000001"]},
        {"key": "parent.checkpoint", "values": [None, "last"]},
        {"key": "parent.experiment_id", "values": [gone, EID]},
    ]
    names = {EID: MARKUP, "run-00000001": "run 2 of First"}
    result = build_result(SELECTION, Comparison.model_validate(data), names)
    assert [(row.title, row.values) for row in result.settings] == [
        ("Starts from experiment", ("none", MARKUP)),
        ("Starts from run", ("run-0000dead", "run 2 of First")),
        ("Starts from checkpoint", ("none", "last")),
        ("Starts from experiment", (gone, MARKUP)),
    ]
    assert MARKUP not in show(result)


def test_without_evaluations_it_says_where_to_evaluate() -> None:
    data = comparison()
    note = {"code": "not_evaluated", "message": "Evaluate all.", "experiments": [OTHER_EID]}
    data |= {"tests": [], "notes": [note]}
    html = show(build_result(SELECTION, Comparison.model_validate(data)))
    assert f'href="/projects/{PID}/evaluation?experiment={OTHER_EID}"' in html
    assert "Which model is better" not in html


@pytest.mark.parametrize("code", ["different_precision", "seen_in_training", "leaks"])
def test_what_another_evaluation_does_not_change_offers_none(code: str) -> None:
    note = {"code": code, "message": "Know this.", "experiments": [EID, OTHER_EID]}
    html = show(build_result(SELECTION, Comparison.model_validate(comparison() | {"notes": [note]})))
    assert "Know this." in html
    assert "/evaluation?experiment=" not in html


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    line = [(float(epoch), 1 / epoch) for epoch in range(1, 1001)]
    kept = thin(line)
    assert len(kept) <= 202
    assert (kept[0][0], kept[-1][0]) == (1.0, 1000.0)
    assert thin(line[:3]) == tuple((x, float(f"{y:.6g}")) for x, y in line[:3])
    assert thin([]) == ()


def test_completed_experiments_come_first_and_untrained_ones_last() -> None:
    statuses = [("completed", "run-00000001"), ("failed", "run-00000001"), ("completed", "run-00000001")]
    records = [record(f"exp-0000000{n}", status=s, current_run_id=run) for n, (s, run) in enumerate(statuses)]
    records.append(record("exp-00000009", status="created", current_run_id=None))
    choices = list_choices(SELECTION, records)
    assert [choice.id[-1] for choice in choices] == ["2", "0", "1", "9"]


@pytest.mark.parametrize("status", ["training", "paused", "pending", "completed", "failed", "cancelled", "interrupted"])
def test_the_best_result_of_an_unfinished_run_is_so_far(status: str) -> None:
    (choice,) = list_choices(SELECTION, [record(EID, status=status, best_metric={"val_accuracy": 0.5})])
    is_unfinished = status in {"training", "paused", "pending"}
    assert choice.detail == "Validation accuracy 0.500" + (" so far" if is_unfinished else "")
    (choice,) = list_choices(SELECTION, [record(EID, status=status, best_metric={})])
    assert "so far" not in choice.detail
    page = compare_label()
    sides = [side.model_copy(update={"status": status}) for side in page.experiments]
    chart = build_result(SELECTION, page.model_copy(update={"experiments": sides})).chart
    assert chart is not None
    assert ("is at 0.200 so far" in chart.summary) is is_unfinished
    assert ("ends at 0.200" in chart.summary) is not is_unfinished


@pytest.mark.parametrize(
    ("kind", "truth", "title"),
    [
        ("label", {"class_name": "cat"}, "True class"),
        ("values", [1.5], "True value"),
        ("values", [1.5, 2], "True values"),
        ("mask", "x", "Annotation"),
    ],
)
def test_an_image_names_its_annotation_as_other_pages_do(kind: str, truth: Any, title: str) -> None:
    page = compare_label()
    items = [item.model_copy(update={"ground_truth": truth}) for item in page.images.items]
    assert len(items) == 1
    images = page.images.model_copy(update={"items": items})
    page = page.model_copy(update={"annotation_kind": kind, "images": images})
    assert f"<p>{title}: <strong>" in show(build_result(SELECTION, page))


def test_an_address_that_chooses_nothing_takes_the_two_trained_last() -> None:
    records = [record(f"exp-0000000{n}") for n in range(3)] + [record("exp-00000009", current_run_id=None)]
    selection, num_gone = select(PID, BARE, records)
    assert (selection.experiments, num_gone) == (("exp-00000001", "exp-00000002"), 0)
    assert select(PID, BARE, records[:1])[0].experiments == ()
    asked = Asked(("exp-00000002", "exp-000000ff", "exp-00000000"), "exp-00000000", "", "", 1, is_bare=False)
    selection, num_gone = select(PID, asked, records)
    assert (selection.ordered, num_gone) == (["exp-00000000", "exp-00000002"], 1)
    assert selection.query().experiments == ["exp-00000000", "exp-00000002"]
    choices = list_choices(selection, records)
    assert [choice.colour for choice in choices] == [2, 0, 1, 0]
    assert [bool(choice.reason) for choice in choices] == [False, False, False, True]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "Select at least two"), (1, "one more"), (2, ""), (6, ""), (7, "at most 6")]
)
def test_too_few_and_too_many_are_told(number: int, text: str) -> None:
    problem = describe_problem(Selection(PID, tuple(f"exp-0000000{n}" for n in range(number))))
    assert text in problem
    assert bool(problem) == bool(text)


def test_the_page_of_a_project_without_experiments(client: httpx.Client, project_id: str) -> None:
    html = client.get(f"/projects/{project_id}/compare").text
    assert "Nothing to compare yet" in html
    gone = client.get(f"/projects/{project_id}/compare?experiments=exp-00000000,x&page=3&only=%22%3E").text
    assert "Nothing to compare yet" in gone
    assert client.get("/projects/proj-00000000/compare").status_code == 404
