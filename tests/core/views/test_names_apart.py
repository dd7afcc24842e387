"""Experiments with one name are told apart where several are shown."""

from __future__ import annotations

import itertools

from app.core.studio import Studio
from app.core.views.names_apart import tell_apart
from app.schemas.comparison import CompareQuery
from app.schemas.training_views import ExperimentQuery
from tests.core.conftest import create_experiment, train_to_end


def test_only_a_shared_name_is_followed_by_the_digits_of_its_id(studio: Studio, imported_id: str) -> None:
    first, second, other = (create_experiment(studio, imported_id, name) for name in ("Base", "Base", "base"))
    names = tell_apart([first, second, other])
    assert names == {first.id: f"Base ({first.id[4:]})", second.id: f"Base ({second.id[4:]})", other.id: "base"}
    assert tell_apart([first, other]) == {first.id: "Base", other.id: "base"}
    assert tell_apart([]) == {}


def test_every_list_of_experiments_tells_them_apart(studio: Studio, imported_id: str) -> None:
    records = [train_to_end(studio, imported_id, create_experiment(studio, imported_id, "Base")) for _ in range(2)]
    expected = {record.id: f"Base ({record.id[4:]})" for record in records}
    ids = [record.id for record in records]
    listed = studio.training_views.list_rows(imported_id, ExperimentQuery())
    shown = [
        listed.names,
        {model.id: model.name for model in studio.predictions.list_models(imported_id)},
        {item.id: item.name for item in studio.evaluation_pages.list_experiments(imported_id, None).experiments},
        {item.id: item.name for item in studio.export_pages.get_offer(imported_id).candidates},
        {
            item.id: item.name
            for item in studio.comparisons.compare(imported_id, CompareQuery(experiments=ids)).experiments
        },
    ]
    assert shown == list(itertools.repeat(expected, 5))
    assert studio.experiments.get_experiment(imported_id, ids[0]).name == "Base"
