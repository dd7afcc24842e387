"""What nearly every service works with, in one bundle. `studio.py` makes it once and hands it to each service."""

from __future__ import annotations

from dataclasses import dataclass

from app.config import Settings
from app.core.events import EventBus
from app.core.gate import ProjectGate
from app.core.jobs.scheduler import JobScheduler
from app.core.lookup import Lookup
from app.core.runs.live_figures import LiveFigures
from app.core.source_names import SourceNames
from app.core.stores import Stores
from app.core.table_views import TableViews


@dataclass(frozen=True)
class Collaborators:
    """One of each for the whole server; no service changes the bundle."""

    settings: Settings
    stores: Stores
    lookup: Lookup
    views: TableViews
    source_names: SourceNames
    bus: EventBus
    scheduler: JobScheduler
    gate: ProjectGate
    live: LiveFigures


def gather(settings: Settings, stores: Stores, bus: EventBus, scheduler: JobScheduler) -> Collaborators:
    """Return the bundle over these four, with fresh ones of the others."""
    lookup, views = Lookup(stores), TableViews()
    return Collaborators(
        settings=settings,
        stores=stores,
        lookup=lookup,
        views=views,
        source_names=SourceNames(lookup, views),
        bus=bus,
        scheduler=scheduler,
        gate=ProjectGate(),
        live=LiveFigures(),
    )
