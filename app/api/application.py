"""Builds the web application. The only place that knows every router and every middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, FastAPI, params
from fastapi.routing import APIRoute

from app.api.dependencies import ERROR_RESPONSES, expect_job
from app.api.errors import install_error_handlers
from app.api.pages.compare import page as compare_page
from app.api.pages.dataset import page as dataset_page
from app.api.pages.evaluation import page as evaluation_page
from app.api.pages.export import page as export_page
from app.api.pages.patterns import page as patterns_page
from app.api.pages.playground import page as playground_page
from app.api.pages.projects import page as projects_page
from app.api.pages.reference import page as reference_page
from app.api.pages.sign_in import page as sign_in_page
from app.api.pages.split import page as split_page
from app.api.pages.start import page as start_page
from app.api.pages.training import page as training_page
from app.api.pages.training import results as training_results_page
from app.api.routes import (
    augmentations,
    comparisons,
    datasets,
    evaluations,
    experiments,
    exports,
    folders,
    forecasts,
    import_checks,
    jobs,
    predictions,
    projects,
    samples,
    splits,
    states,
    system,
    tasks,
    training,
    uploads,
    weights,
)
from app.api.security.addresses import allowed_host_names
from app.api.security.bodies import BodyMiddleware, BodyTimeouts
from app.api.security.crashes import CrashMiddleware
from app.api.security.headers import SecurityHeadersMiddleware
from app.api.security.hosts import HostMiddleware
from app.api.security.origins import OriginMiddleware
from app.api.security.read_only import ReadOnlyMiddleware
from app.api.security.secrets import SecretAddressMiddleware
from app.api.security.sessions import Sessions
from app.api.security.tokens import TokenMiddleware
from app.api.static_files import VersionedStaticFiles
from app.api.streams import experiment_stream, project_events, websocket
from app.api.templating import STATIC_DIR
from app.config import Settings
from app.core.signed_out import open_signed_out
from app.core.studio import Studio
from app.schemas.envelope import ErrorEnvelope

API_ROUTERS: tuple[APIRouter, ...] = (
    projects.router,
    states.router,
    project_events.router,
    datasets.router,
    folders.router,
    import_checks.router,
    uploads.router,
    splits.router,
    experiments.router,
    training.router,
    forecasts.router,
    augmentations.router,
    experiment_stream.router,
    evaluations.router,
    exports.router,
    comparisons.router,
    predictions.router,
    tasks.router,
    samples.router,
    jobs.router,
    system.router,
    weights.router,
)
PAGE_ROUTERS: tuple[APIRouter, ...] = (
    projects_page.router,
    sign_in_page.router,
    start_page.router,
    reference_page.router,
    patterns_page.router,
    dataset_page.router,
    split_page.router,
    training_page.router,
    training_results_page.router,
    evaluation_page.router,
    export_page.router,
    compare_page.router,
    playground_page.router,
)
# Whoever asks these may start a job of the engines next.
JOB_ROUTERS = (
    experiments.router,
    training.router,
    evaluations.router,
    exports.router,
    training_page.router,
    training_results_page.router,
    evaluation_page.router,
    export_page.router,
    playground_page.router,
)
DESCRIPTION = """From a folder of images to a trained, evaluated and exported model.

Every answer is `{"status": "ok", "data": ...}` or `{"status": "error", "error": {"code", "message", "details"?}}`.
"""


class _StudioApi(FastAPI):
    """The application; its document has the schema of errors, which the operations only refer to."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        schema = ErrorEnvelope.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        parts: dict[str, Any] = schema.pop("$defs", {})
        document["components"]["schemas"] |= {**parts, ErrorEnvelope.__name__: schema}
        return document


def create_app(settings: Settings, open_studio: Callable[[Settings], Studio] = Studio) -> FastAPI:
    """Return the application; its services start and stop with it. `open_studio` is for tests."""
    app = _StudioApi(
        title="AI Studio",
        version=_installed_version(),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=_lifespan_of(settings, open_studio),
    )
    app.state.workspace = settings.workspace_root.resolve()
    for router in API_ROUTERS:
        app.include_router(router, responses=ERROR_RESPONSES, dependencies=_dependencies_of(router))
    for router in (websocket.router, *PAGE_ROUTERS):
        app.include_router(router, dependencies=_dependencies_of(router))
    app.mount("/static", VersionedStaticFiles(directory=STATIC_DIR), name="static")
    install_error_handlers(app)
    app.state.sessions = Sessions(settings.token, open_signed_out(settings))
    _add_middleware(app, settings)
    return app


def _dependencies_of(router: APIRouter) -> list[params.Depends]:
    return [Depends(expect_job)] if router in JOB_ROUTERS else []


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    # The last one added is the first to see a request.
    timeouts = BodyTimeouts(total_s=settings.body_timeout_s, min_file_rate=settings.min_upload_rate)
    app.add_middleware(BodyMiddleware, max_file_bytes=settings.max_upload_size, timeouts=timeouts)
    app.add_middleware(TokenMiddleware, token=settings.token, sessions=app.state.sessions)
    app.add_middleware(OriginMiddleware)
    app.add_middleware(HostMiddleware, names=allowed_host_names(settings))
    app.add_middleware(
        ReadOnlyMiddleware,
        root=settings.workspace_root.resolve(),
        find_studio=lambda: getattr(app.state, "studio", None),
    )
    app.add_middleware(CrashMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(SecretAddressMiddleware, token=settings.token)


def _lifespan_of(
    settings: Settings, open_studio: Callable[[Settings], Studio]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run_studio(app: FastAPI) -> AsyncIterator[None]:
        studio = open_studio(settings)
        await run_sync(studio.start)
        app.state.studio = studio
        try:
            yield
        finally:
            await run_sync(studio.stop)

    return run_studio


def _operation_id(route: APIRoute) -> str:
    return route.name


def _installed_version() -> str:
    try:
        return version("ai-studio")
    except PackageNotFoundError:
        return "0"
