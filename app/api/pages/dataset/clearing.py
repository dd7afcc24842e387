"""The dialog that lists what clearing a dataset deletes."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.templating import Fragment
from app.plurals import count
from app.schemas.dataset_pages import DatasetRemoval

_FILES = {
    "copy": "the copied files (the original folder is not changed)",
    "link": "the links to their files (the original folder is not changed)",
    "reference": "all information about them (the image files are not changed)",
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
    """Return the dialog that confirms clearing the dataset."""
    files = "the image files" if removal.is_sample else _FILES[removal.import_mode]
    goes = [f"{count(removal.num_images, 'image')} with annotations, and {files}"]
    if removal.split_names:
        names = ", ".join(removal.split_names[:5]) + (", …" if len(removal.split_names) > 5 else "")
        goes.append(f"{count(len(removal.split_names), 'split')}: {names}")
    goes.append("thumbnails and cached images")
    num = removal.num_experiments
    verb = "is" if num == 1 else "are"
    kept = f"{count(num, 'experiment')} with {'a model' if num == 1 else 'models'} {verb} kept"
    until = "until you import the images again and create a split of the same name"
    stays = f"{kept}, but cannot be trained, evaluated or exported {until}."
    form = ClearForm(project_id, removal.reason or "", goes, stays if num else "")
    return Fragment("dataset/_clear_form.html", ClearContext(form))
