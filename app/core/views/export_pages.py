"""What the export page is drawn from, read in one call each. Changes nothing and knows nothing of HTML."""

from __future__ import annotations

from collections.abc import Mapping

from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, DatasetNotImportedError, NotFoundError
from app.core.export_observer import ACTIVE_STATUSES, ExportObserver
from app.core.exports import ExportService
from app.core.source_names import SourceNames
from app.core.views.names_apart import tell_apart
from app.export.catalog import STEPS, get_format
from app.schemas.experiments import ExperimentRecord
from app.schemas.export import ExportRecord, ParityCertificate
from app.schemas.export_pages import (
    ComparedMetric,
    ExportCandidate,
    ExportDetail,
    ExportEntry,
    ExportModel,
    ExportOffer,
    ExportPage,
    ExportProgressView,
    FileState,
    ParityImage,
    StepState,
)


class ExportPageService:
    """Reads what the export page shows."""

    def __init__(self, shared: Collaborators, exports: ExportService, observer: ExportObserver) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._exports = exports
        self._observer = observer
        self._views = shared.views

    def get_page(self, project_id: str, export_id: str | None = None) -> ExportPage:
        """Return the page with one export selected, the newest without an id; raises NotFoundError for the project."""
        records = self._exports.list_exports(project_id).exports
        experiments = {record.id: record for record in self._stores.experiments.read_all(project_id)}
        names = tell_apart(experiments.values())
        chosen = next((record for record in records if export_id in (None, record.id)), None)
        return ExportPage(
            entries=[_describe_entry(record, names) for record in records],
            selected=self._describe(project_id, chosen, experiments, names) if chosen is not None else None,
            missing_id=export_id if chosen is None else None,
            can_export=any(record.status == "completed" for record in experiments.values()),
            has_experiments=bool(experiments),
        )

    def get_offer(self, project_id: str, experiment_id: str | None = None) -> ExportOffer:
        """Return what can be exported, beginning with an experiment if it can be; newest first."""
        self._lookup.find_project(project_id)
        records = self._stores.experiments.read_all(project_id)[::-1]
        ready = [record for record in records if record.status == "completed"]
        first = next((record for record in ready if experiment_id in (None, record.id)), ready[0] if ready else None)
        names = tell_apart(records)
        return ExportOffer(
            candidates=[_describe_candidate(record, names[record.id]) for record in records],
            model=self._describe_model(project_id, first) if first is not None else None,
            formats=self._exports.list_formats().formats,
        )

    def get_progress(self, project_id: str, export_id: str) -> tuple[ExportRecord, ExportProgressView | None]:
        """Return an export with how far it is, None when it does not run; raises NotFoundError."""
        record = self._exports.get_export(project_id, export_id)
        return record, self._find_progress(record)

    def get_model(self, project_id: str, experiment_id: str) -> ExportModel:
        """Return what can be exported of an experiment; raises NotFoundError or ExperimentNotFoundError."""
        return self._describe_model(project_id, self._lookup.find_experiment(project_id, experiment_id))

    def _describe_model(self, project_id: str, record: ExperimentRecord) -> ExportModel:
        size = record.hyperparameters.get("image_size")
        return ExportModel(
            experiment_id=record.id,
            checkpoints=self._stores.experiments.list_checkpoints(project_id, record),
            image_size=size if isinstance(size, int) else None,
        )

    def _describe(
        self,
        project_id: str,
        record: ExportRecord,
        experiments: Mapping[str, ExperimentRecord],
        names: Mapping[str, str],
    ) -> ExportDetail:
        certificate = self._stores.exports.read_certificate(project_id, record.id)
        spec = get_format(record.format)
        return ExportDetail(
            **dict(_describe_entry(record, names)),
            progress=self._find_progress(record),
            certificate=certificate,
            metrics=self._compare_metrics(project_id, certificate) if certificate is not None else [],
            worst=self._find_worst(project_id, certificate) if certificate is not None else [],
            option_names=list(spec.options) if spec is not None else [],
            files=self._check_files(project_id, record) if record.status == "completed" else "none",
            usage=[line.format(bundle=f"{record.id}.zip") for line in spec.usage] if spec is not None else [],
            retry_reason=self._find_retry_reason(project_id, record, experiments),
        )

    def _find_progress(self, record: ExportRecord) -> ExportProgressView | None:
        if record.status not in ACTIVE_STATUSES:
            return None
        event = self._observer.find_progress(record)
        pct = event.pct if event is not None else 0.0 if record.status == "running" else None
        names = [name for name in STEPS if name != "simplify" or record.options.simplify]
        begun = [name for name in names if pct is not None and STEPS[name] <= pct]
        steps = [
            StepState(name=name, is_done=name in begun[:-1], is_current=name in begun[-1:] and pct is not None)
            for name in names
        ]
        return ExportProgressView(pct=pct, message=event.message if event is not None else "", steps=steps)

    def _compare_metrics(self, project_id: str, certificate: ParityCertificate) -> list[ComparedMetric]:
        try:
            titles = {metric.name: metric.title for metric in self._lookup.find_spec(project_id).info.headline_metrics}
        except NotFoundError:
            titles = {}
        names = {**certificate.metric_torch, **certificate.metric_exported}
        return [
            ComparedMetric(
                title=titles.get(name, name),
                model=certificate.metric_torch.get(name),
                exported=certificate.metric_exported.get(name),
            )
            for name in names
        ]

    def _find_worst(self, project_id: str, certificate: ParityCertificate) -> list[ParityImage]:
        try:
            known = self._views.view(project_id, self._lookup.find_table(project_id)).by_name
        except DatasetNotImportedError:
            known = {}
        name_of = SourceNames(self._lookup, self._views).of_project(project_id)
        return [
            ParityImage(
                filename=image.filename,
                diff=image.diff,
                is_there=image.filename in known,
                source_name=image.source_name or name_of(image.filename),
            )
            for image in certificate.worst
        ]

    def _check_files(self, project_id: str, record: ExportRecord) -> FileState:
        try:
            self._exports.model_path(project_id, record.id)
        except NotFoundError:
            return "missing"
        except ConflictError:
            return "changed"
        return "there"

    def _find_retry_reason(
        self, project_id: str, record: ExportRecord, experiments: Mapping[str, ExperimentRecord]
    ) -> str | None:
        experiment = experiments.get(record.experiment_id)
        if experiment is None:
            return "The experiment was deleted."
        if experiment.status != "completed":
            return f"The experiment is {experiment.status}; only completed experiments can be exported."
        if record.checkpoint not in self._stores.experiments.list_checkpoints(project_id, experiment):
            return f"The checkpoint “{record.checkpoint}” no longer exists."
        return self._lookup.explain_missing_images(project_id, experiment.split_name) or None


def _describe_entry(record: ExportRecord, names: Mapping[str, str]) -> ExportEntry:
    spec = get_format(record.format)
    return ExportEntry(
        record=record,
        format_title=spec.display_name if spec is not None else record.format,
        experiment_name=names.get(record.experiment_id),
    )


def _describe_candidate(record: ExperimentRecord, name: str) -> ExportCandidate:
    reason = None if record.status == "completed" else f"{record.status}; only completed ones can be exported"
    return ExportCandidate(id=record.id, name=name, status=record.status, reason=reason)
