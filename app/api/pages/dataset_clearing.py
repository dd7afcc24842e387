"""What clearing a dataset takes away, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.templating import Fragment
from app.schemas.dataset_pages import DatasetRemoval

_FILES = {
    "copy": "the copies of their files; the folder that they came from is not touched",
    "link": "the links to their files; the folder that they came from is not touched",
    "reference": "what is known of them; the files themselves stay where they lie",
}


@dataclass(frozen=True)
class ClearForm:
    """What `dataset/_clear_form.html` shows."""

    project_id: str
    reason: str
    goes: list[str]
    stays: str


@dataclass(frozen=True)
class ClearContext:
    """Names for `dataset/_clear_form.html`."""

    clearing: ClearForm


def clear_form_fragment(project_id: str, removal: DatasetRemoval) -> Fragment:
    """Return the question whether the dataset is to be cleared."""
    goes = [f"{_count(removal.num_images, 'image')} with annotations, and {_FILES[removal.import_mode]}"]
    if removal.split_names:
        names = ", ".join(removal.split_names[:5]) + (", …" if len(removal.split_names) > 5 else "")
        goes.append(f"{_count(len(removal.split_names), 'split')}: {names}")
    goes.append("thumbnails and the cache of decoded images")
    num = removal.num_experiments
    stays = f"{_count(num, 'experiment')} with models and results stay, but cannot be trained or evaluated again on it."
    form = ClearForm(project_id, removal.reason or "", goes, stays if num else "")
    return Fragment("dataset/_clear_form.html", ClearContext(form))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
