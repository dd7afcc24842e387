"""Says why the documents of a source are no annotation files, for a source that no format reads."""

from __future__ import annotations

from pathlib import Path

from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.columns import names_files
from app.datasets.formats.document_sets import is_example
from app.datasets.formats.json_documents import inspect_json
from app.datasets.formats.open_table import JSON_LINES_ENDINGS, SPREADSHEET_ENDINGS, open_table
from app.datasets.formats.walking import find_documents
from app.datasets.formats.work import LimitError, Work
from app.schemas.datasets import ImportOptions

_MAX_NAMED = 3
_FOLDERS = ("", "annotations")
_TABLES = (".csv", ".tsv", *JSON_LINES_ENDINGS, *SPREADSHEET_ENDINGS)
_OLD = (".xls", ".ods", ".numbers", ".parquet", ".feather", ".arrow", ".pkl", ".h5", ".hdf5", ".npy", ".npz")


def explain_documents(root: Path, work: Work) -> tuple[str, str]:
    """Return sentences about the documents of a resolved folder, and what to do about the first."""
    found = find_documents(root, (".json", *_TABLES, *_OLD), work, _FOLDERS)
    reasons: list[str] = []
    fixes: list[str] = []
    for name in found[:_MAX_NAMED]:
        reason, fix = _explain(root, name, work)
        if reason:
            reasons.append(reason)
            fixes.append(fix)
    return "".join(f" {reason}" for reason in reasons), f" {fixes[0]}" if fixes else ""


def _explain(root: Path, name: str, work: Work) -> tuple[str, str]:
    path = root / name
    ending = path.suffix.lower()
    if is_example(name):
        return f"{shorten(name)} is an example of what to hand in to a competition; its labels are made up.", ""
    if ending == ".json":
        kind = inspect_json(path, work)
        return (f"{shorten(name)} is {kind.description}.", kind.fix) if not kind.is_coco else ("", "")
    if ending in _OLD:
        return f"{shorten(name)} is a table that is not read.", "Save it as .xlsx or CSV."
    try:
        table = open_table(path, root, work)
        if not names_files(table, ImportOptions()):
            return f"{shorten(name)} has no column with names of image files.", "Add one to it."
    except LimitError:
        raise
    except SourceError as error:
        return error.message, error.fix
    return "", ""
