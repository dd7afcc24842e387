"""The composition root of the web process: makes every service once, takes and gives back the workspace."""

from __future__ import annotations

from collections.abc import Sequence

from app.config import Settings
from app.core.augmentation_previews import AugmentationPreviewService
from app.core.checksums import Checksums
from app.core.comparisons import ComparisonService
from app.core.dataset_pages import DatasetPageService
from app.core.datasets import DatasetService
from app.core.evaluation_pages import EvaluationPageService
from app.core.evaluations import EvaluationService
from app.core.events import EventBus
from app.core.experiments import ExperimentService
from app.core.export_pages import ExportPageService
from app.core.exports import ExportService
from app.core.forecasts import ForecastService
from app.core.gate import ProjectGate
from app.core.import_checks import ImportCheckService
from app.core.imports import ImportService
from app.core.job_views import JobService
from app.core.jobs.scheduler import JobScheduler
from app.core.leftovers import LeftoverService
from app.core.live_figures import LiveFigures
from app.core.page_views import PageService
from app.core.predictions import PredictionService
from app.core.project_list import ProjectListService
from app.core.projects import ProjectService
from app.core.run_observer import RunObserver
from app.core.samples import SampleService
from app.core.splits import SplitService
from app.core.states import StateService
from app.core.stores import open_stores
from app.core.system import SystemService
from app.core.table_views import TableViews
from app.core.tasks import TaskService
from app.core.training import TrainingService
from app.core.training_results import TrainingResultsService
from app.core.training_views import TrainingViewService
from app.open_files import cap_streams, read_limit
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.storage.event_log import ProjectEventLog, open_event_log
from app.storage.locks import ServerLock
from app.storage.paths import WorkspacePaths

STOP_TIMEOUT_S = 3.0


def check_workspace_is_free(settings: Settings) -> None:
    """Raise WorkspaceInUseError, naming the process, when another server holds the workspace."""
    lock = ServerLock(WorkspacePaths(settings.workspace_root))
    lock.acquire()
    lock.release()


class Studio:
    """Everything that the API can ask for."""

    def __init__(self, settings: Settings, worker_arguments: Sequence[str] = ()) -> None:
        """Make the services; nothing is read or written before `start`. `worker_arguments` go to every child."""
        self.settings = settings
        self._paths = WorkspacePaths(settings.workspace_root)
        self._lock = ServerLock(self._paths)
        self._stores = stores = open_stores(self._paths)
        self.bus = bus = EventBus(self._open_log, cap_streams(settings.max_streams, read_limit()))
        self.scheduler = scheduler = JobScheduler(self._paths, bus, settings, worker_arguments, stores.documents)
        gate, views, live = ProjectGate(), TableViews(), LiveFigures()
        self.projects = ProjectService(stores, bus, scheduler, gate)
        self.datasets = DatasetService(stores, bus, scheduler, gate, views)
        self.imports = ImportService(stores, bus, scheduler, gate, settings)
        self.import_checks = ImportCheckService(stores, scheduler, gate, settings)
        self.splits = SplitService(stores, bus, gate, views)
        self.experiments = ExperimentService(stores, bus, scheduler, gate, settings)
        self.samples = SampleService(stores, self.projects, self.imports, self.experiments)
        self.training = TrainingService(stores, bus, scheduler, gate, settings, live)
        self.training_results = TrainingResultsService(stores, bus, scheduler, live, views)
        self.forecasts = ForecastService(stores, scheduler, gate, settings)
        self.evaluations = EvaluationService(stores, bus, scheduler, gate, views, settings)
        self.evaluation_pages = EvaluationPageService(stores, self.evaluations, settings, views)
        checksums = Checksums()
        self.exports = ExportService(stores, bus, scheduler, gate, settings, checksums)
        self.comparisons = ComparisonService(stores)
        self.predictions = PredictionService(stores, scheduler, gate, settings)
        self.augmentations = AugmentationPreviewService(stores, scheduler, gate, settings)
        self.states = StateService(stores, bus, checksums)
        self.system = SystemService(stores, settings, scheduler, bus)
        self._leftovers = LeftoverService(stores, scheduler, weights_dir=settings.resolved_weights_dir)
        self.jobs = JobService(scheduler)
        self.tasks = TaskService()
        self.project_list = ProjectListService(stores, scheduler, self.projects, self.tasks, self.samples)
        self.training_views = TrainingViewService(stores, scheduler, self.tasks, settings, live)
        self.pages = PageService(self.projects, self.tasks, bus)
        self._runs = RunObserver(stores, bus, live)
        self.dataset_pages = DatasetPageService(stores, scheduler, self.datasets, views, settings)
        self.export_pages = ExportPageService(stores, self.exports, views)
        scheduler.register("train", self._runs)
        self.projects.on_delete(self.predictions.stop_project)
        self.projects.on_delete(self.augmentations.stop_project)
        self.projects.on_delete(self.import_checks.stop_project)
        self.projects.on_delete(self.states.forget)

    def start(self) -> None:
        """Take the workspace, repair what a crash left, and begin to work; raises WorkspaceInUseError."""
        self._lock.acquire()
        try:
            if self.system.explain_read_only():  # nothing can be repaired, and no job can run
                self.scheduler.load()
                return
            self._leftovers.note_start()
            self._stores.projects.open_workspace()
            self._stores.projects.clean_up()
            self._stores.documents.reserve.fill()
            self.scheduler.start()
            self._recover()
            self._leftovers.start()
        except BaseException:
            self._lock.release()
            raise

    def stop(self) -> None:
        """End children and streams, and give the workspace back."""
        self._leftovers.stop()
        self.scheduler.stop(STOP_TIMEOUT_S)
        self.bus.close()
        self._lock.release()

    def _recover(self) -> None:
        living = {job.id for job in self.scheduler.list_jobs() if job.status not in TERMINAL_JOB_STATUSES}
        self._runs.recover_orphans(living)
        self.imports.recover(living)
        self.import_checks.recover()
        self.evaluations.recover_orphans(living)
        self.exports.recover_orphans(living)
        self.predictions.clean_up()

    def _open_log(self, project_id: str) -> ProjectEventLog:
        return open_event_log(self._stores.documents, project_id)
