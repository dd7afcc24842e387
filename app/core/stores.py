"""The repositories of one workspace, made once and handed to every service."""

from __future__ import annotations

from dataclasses import dataclass

from app.storage.dataset_repository import DatasetRepository
from app.storage.documents import DocumentStore
from app.storage.evaluation_repository import EvaluationRepository
from app.storage.experiment_repository import ExperimentRepository
from app.storage.export_repository import ExportRepository
from app.storage.measurement_repository import MeasurementRepository
from app.storage.paths import WorkspacePaths
from app.storage.project_repository import ProjectRepository
from app.tasks.registry import list_kinds


@dataclass(frozen=True)
class Stores:
    """One repository per noun."""

    paths: WorkspacePaths
    documents: DocumentStore
    projects: ProjectRepository
    datasets: DatasetRepository
    experiments: ExperimentRepository
    evaluations: EvaluationRepository
    exports: ExportRepository
    measurements: MeasurementRepository


def open_stores(paths: WorkspacePaths) -> Stores:
    """Return the repositories of a workspace."""
    documents, kinds = DocumentStore(paths), list_kinds()
    return Stores(
        paths=paths,
        documents=documents,
        projects=ProjectRepository(documents, kinds),
        datasets=DatasetRepository(documents, kinds),
        experiments=ExperimentRepository(documents),
        evaluations=EvaluationRepository(documents),
        exports=ExportRepository(documents),
        measurements=MeasurementRepository(documents),
    )
