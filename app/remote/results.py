"""Evaluation, export, prediction and comparison over REST."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.remote.transport import Transport, drop_none, join_path
from app.schemas.comparison import Comparison
from app.schemas.evaluation import (
    CheckpointList,
    EvaluationDeleted,
    EvaluationRecord,
    EvaluationView,
    NamedCheckpoint,
    ResultInfo,
    ResultPage,
)
from app.schemas.export import (
    ExportDeleted,
    ExportFormat,
    ExportFormatList,
    ExportList,
    ExportRecord,
    ParityCertificate,
)
from app.schemas.predict import Prediction, PredictorState


class Evaluations:
    """What `/api/evaluation` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def start(self, project_id: str, experiment_id: str, **request: Any) -> EvaluationRecord:
        """Start an evaluation; `request` as in `app.schemas.evaluation.EvaluationRequest`."""
        path = join_path("evaluation", project_id, experiment_id)
        return self._http.send("POST", EvaluationRecord, path, json=drop_none(request))

    def get(self, project_id: str, experiment_id: str) -> EvaluationView:
        """Return the evaluation and, once it has completed, its aggregate."""
        return self._http.get(EvaluationView, join_path("evaluation", project_id, experiment_id))

    def reset(self, project_id: str, experiment_id: str) -> EvaluationDeleted:
        """Delete the evaluation."""
        return self._http.send("DELETE", EvaluationDeleted, join_path("evaluation", project_id, experiment_id))

    def results(self, project_id: str, experiment_id: str, **query: Any) -> ResultPage:
        """Return a page of per-image results; `query` as in `app.schemas.evaluation.ResultQuery`."""
        path = join_path("evaluation", project_id, experiment_id, "results")
        return self._http.get(ResultPage, path, drop_none(query))

    def result_info(self, project_id: str, experiment_id: str, filename: str) -> ResultInfo:
        """Return one result with its image and its neighbours."""
        return self._http.get(
            ResultInfo, join_path("evaluation", project_id, experiment_id, "results", filename, "info")
        )

    def checkpoints(self, project_id: str, experiment_id: str) -> Sequence[NamedCheckpoint]:
        """Return the checkpoints that exist."""
        path = join_path("evaluation", project_id, experiment_id, "checkpoints")
        return self._http.get(CheckpointList, path).checkpoints


class Exports:
    """What `/api/export` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def formats(self) -> Sequence[ExportFormat]:
        """Return every format, the unavailable ones with their reason."""
        return self._http.get(ExportFormatList, join_path("export", "formats")).formats

    def all(self, project_id: str) -> Sequence[ExportRecord]:
        """Return the exports of a project."""
        return self._http.get(ExportList, join_path("export", project_id)).exports

    def get(self, project_id: str, export_id: str) -> ExportRecord:
        """Return one export."""
        return self._http.get(ExportRecord, join_path("export", project_id, export_id))

    def create(self, project_id: str, experiment_id: str, **request: Any) -> ExportRecord:
        """Start an export; `request` as in `app.schemas.export.ExportRequest`: checkpoint, format, options."""
        body = {"experiment_id": experiment_id, **drop_none(request)}
        return self._http.send("POST", ExportRecord, join_path("export", project_id), json=body)

    def delete(self, project_id: str, export_id: str) -> ExportDeleted:
        """Delete an export with its files."""
        return self._http.send("DELETE", ExportDeleted, join_path("export", project_id, export_id))

    def parity(self, project_id: str, export_id: str) -> ParityCertificate:
        """Return the certificate: the exported file beside the trained model on real images."""
        return self._http.get(ParityCertificate, join_path("export", project_id, export_id, "parity"))

    def download(self, project_id: str, export_id: str, destination: Path) -> Path:
        """Store the model file."""
        return self._http.download(join_path("export", project_id, export_id, "download"), destination)

    def download_bundle(self, project_id: str, export_id: str, destination: Path) -> Path:
        """Store the bundle (zip): model, labels, certificate, golden inputs and outputs, predict.py."""
        return self._http.download(join_path("export", project_id, export_id, "bundle"), destination)


class Predictions:
    """What `/api/predict` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def predict(
        self,
        project_id: str,
        experiment_id: str,
        image: Path | str,
        *,
        explain: bool = False,
        target: int | None = None,
    ) -> Prediction:
        """Return the prediction of an experiment's best checkpoint for one image file.

        `explain` adds a heat map: where the model looked, for the predicted class or for the one with number `target`.
        """
        file = Path(image)
        params = {"explain": True if explain else None, "target": target}
        with file.open("rb") as content:
            parts = [("file", (file.name, content, "application/octet-stream"))]
            return self._http.upload(Prediction, join_path("predict", project_id, experiment_id), parts, {}, params)

    def state(self, project_id: str, experiment_id: str) -> PredictorState:
        """Return whether a process has the model of an experiment loaded."""
        return self._http.get(PredictorState, join_path("predict", project_id, experiment_id))

    def unload(self, project_id: str, experiment_id: str) -> PredictorState:
        """End the process that has the model of an experiment loaded."""
        return self._http.send("DELETE", PredictorState, join_path("predict", project_id, experiment_id))


class Comparisons:
    """What `/api/compare` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def get(self, project_id: str, experiment_ids: Sequence[str], **query: Any) -> Comparison:
        """Return 2 to 6 experiments side by side; the others are compared with the first.

        `query` as in `app.schemas.comparison.CompareQuery`: only, page, page_size.
        """
        params = {"experiments": ",".join(experiment_ids), **drop_none(query)}
        return self._http.get(Comparison, join_path("compare", project_id), params)
