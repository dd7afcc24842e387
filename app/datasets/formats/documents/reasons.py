"""Says why the documents of a source are no annotation files, for a source that no format reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.documents.json_documents import inspect_json
from app.datasets.formats.documents.sets import is_example
from app.datasets.formats.documents.xml_documents import FIX as XML_FIX
from app.datasets.formats.documents.xml_documents import describe_xml
from app.datasets.formats.layouts.tool_layouts import find_tool_layout
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.layouts.walking import find_documents
from app.datasets.formats.tables.columns import names_files
from app.datasets.formats.tables.open_table import JSON_LINES_ENDINGS, SPREADSHEET_ENDINGS, open_table
from app.datasets.formats.work import LimitError, Work
from app.schemas.datasets import ImportOptions

_MAX_NAMED = 3
_MAX_TRIED = 20
_FOLDERS = ("", "annotations")
_TABLES = (".csv", ".tsv", *JSON_LINES_ENDINGS, *SPREADSHEET_ENDINGS)
_OLD = (".xls", ".ods", ".numbers", ".parquet", ".feather", ".arrow", ".pkl", ".h5", ".hdf5", ".npy", ".npz")
_ONE_PER_IMAGE = (".xml", ".json")


def explain_documents(root: Path, work: Work) -> tuple[str, str]:
    """Return sentences about the documents of a resolved folder, to put behind others, and what to do about the first.

    Of several files that are the same kind of document, as tools write one for each image, only the first is named.
    """
    if find_tool_layout(read_tree(root, work)) is not None:  # then that says what they are
        return "", ""
    found = find_documents(root, (".json", *_TABLES, *_OLD), work, _FOLDERS)
    names = dict.fromkeys([*found[:_MAX_NAMED], *_find_files_of_tools(root, work)])
    reasons: dict[str, str] = {}
    fixes: list[str] = []
    for name in islice(names, _MAX_TRIED):
        reason, fix = _explain(root, name, work)
        if reason:
            reasons.setdefault(reason.removeprefix(shorten(name)), reason)
            fixes.append(fix)
    shown = "".join(f" {reason}" for reason in islice(reasons.values(), _MAX_NAMED))
    return shown, fixes[0] if fixes else ""


def _find_files_of_tools(root: Path, work: Work) -> Iterator[str]:
    """Yield the first file of each kind in every folder in which tools may have written one for each image."""
    for folder in read_tree(root, work).top.iterate():
        for ending in _ONE_PER_IMAGE:
            yield from islice((folder.join(name) for name in folder.others if name.lower().endswith(ending)), 1)


def _explain(root: Path, name: str, work: Work) -> tuple[str, str]:
    path = root / name
    ending = path.suffix.lower()
    if is_example(name):
        return f"{shorten(name)} is an example of what to hand in to a competition; its labels are made up.", ""
    if ending == ".json":
        kind = inspect_json(path, work)
        return (f"{shorten(name)} is {kind.description}.", kind.fix) if not kind.is_coco else ("", "")
    if ending == ".xml":
        what = describe_xml(path, work)
        return (f"{shorten(name)} is {what}.", XML_FIX) if what else ("", "")
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
