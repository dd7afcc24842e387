"""A table with one row per image: file name and label, or file name and one or several values.

Text files, Excel workbooks and JSON Lines are read alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from app.annotations.base import AnnotationKind
from app.annotations.registry import list_kinds_of
from app.datasets.formats.base import (
    ChoiceError,
    FoundImage,
    NamedBy,
    Scan,
    SourceError,
    find_subset,
    shorten,
    sort_classes,
)
from app.datasets.formats.documents.sets import Part, choose_documents, find_candidates, is_example, join_parts
from app.datasets.formats.layouts.file_finder import FileFinder
from app.datasets.formats.layouts.subset_paths import split_by_folders
from app.datasets.formats.layouts.tool_layouts import HOLDERS
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.layouts.walking import is_inside_file, resolve_inside
from app.datasets.formats.tables.columns import Columns, choose_columns, names_files
from app.datasets.formats.tables.label_warnings import warn_of_labels
from app.datasets.formats.tables.list_fields import explain_lists
from app.datasets.formats.tables.open_table import LOOSE_ENDINGS, TABLE_ENDINGS, open_table
from app.datasets.formats.tables.row_reader import RowReader, TableImage, warn_of_left_out
from app.datasets.formats.tables.rows import Table
from app.datasets.formats.tables.sheets import ADDED_COLUMN
from app.datasets.formats.tables.spreadsheet import SpreadsheetTable
from app.datasets.formats.tables.values import warn_of_columns, warn_of_words
from app.datasets.formats.work import LimitError, Work
from app.datasets.table import Annotation
from app.plurals import name_first
from app.schemas.datasets import ImportOptions

_ENDINGS = (*TABLE_ENDINGS, *LOOSE_ENDINGS)
_MAX_TRIED_ROWS = 20
_MAX_NAMED_SHEETS = 5


@dataclass(frozen=True)
class CsvTable:
    """The format `csv`."""

    name: str = "csv"
    title: str = "a table (CSV, TSV, XLSX or JSON Lines) of file names with classes or values, beside the images"
    rank: int = 50
    document_endings: tuple[str, ...] = TABLE_ENDINGS
    loose_endings: tuple[str, ...] = LOOSE_ENDINGS
    own_options: frozenset[str] = frozenset({"annotation_file", "filename_column", "target_columns", "split_column"})

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether a table names images of the folder, or names images at all and nothing else is there."""
        if options.annotation_file is not None:
            return _is_chosen(root, options.annotation_file, options, work)
        tables = [root / name for name in find_candidates(root, _ENDINGS, work) if not is_example(name)]
        if any(_fits(root, path, kind, options, work) for path in tables for kind in list_kinds_of(self.name)):
            return True
        named = [path for path in tables if path.suffix.lower() in TABLE_ENDINGS]
        return any(_names_files(root, path, options, work) for path in named) and not _has_classes(root, work)

    def scan(self, root: Path, kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """Read the table, or one table per subset, and look for the file of each row."""
        found = find_candidates(root, _ENDINGS, work)
        if options.annotation_file is None:
            # Text and JSON files are mostly no tables: only those that name images are candidates.
            found = [
                name
                for name in found
                if not name.lower().endswith(LOOSE_ENDINGS) or _fits(root, root / name, kind, options, work)
            ]
            found = [name for name in found if not is_example(name)] or found

        def fits(path: Path) -> bool:
            return _fits(root, path, kind, options, work)

        parts = choose_documents(root, found, options.annotation_file, "CSV file or other table", fits)
        parts, notes = _leave_out_tables_without_values(root, parts, kind, options, work)
        scan = join_parts(root, [(part, _scan_table(root, part, kind, options, work)) for part in parts], work)
        return split_by_folders(replace(scan, notes=(*scan.notes, *notes)), options)


def _is_chosen(root: Path, chosen: str, options: ImportOptions, work: Work) -> bool:
    """Say whether the document that the user chose is a table of images."""
    if not chosen.lower().endswith(_ENDINGS) or not is_inside_file(root, chosen):
        return False
    path = resolve_inside(root, chosen)
    if chosen.lower().endswith(LOOSE_ENDINGS) and not options.filename_column and not options.target_columns:
        return any(_fits(root, path, kind, options, work) for kind in list_kinds_of(CsvTable.name))
    return _names_files(root, path, options, work)


def _leave_out_tables_without_values(
    root: Path, parts: tuple[Part, ...], kind: AnnotationKind, options: ImportOptions, work: Work
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Return the tables with the values that the training table has, and a note about each of the others.

    Competitions ship a test.csv that names its images without the answers.
    """
    if kind.table_target != "numbers" or len(parts) < 2:
        return parts, ()
    names = {part: _find_value_names(root, part.path, kind, options, work) for part in parts}
    wanted = names[parts[0]]
    missing = {part: [name for name in wanted if name not in names[part]] for part in parts}
    kept = tuple(part for part in parts if not missing[part])
    return kept, tuple(
        f"{shorten(part.path.name)} is not read, because it has no column {shorten(missing[part][0])!r}."
        for part in parts
        if missing[part]
    )


def _find_value_names(
    root: Path, path: Path, kind: AnnotationKind, options: ImportOptions, work: Work
) -> tuple[str, ...]:
    table = open_table(path, root, work)
    return choose_columns(table, kind, options, FileFinder(root, path, work).is_found).value_names


def _scan_table(root: Path, part: Part, kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
    table = open_table(part.path, root, work)
    finder = FileFinder(root, part.path, work)
    try:
        columns = choose_columns(table, kind, options, finder.is_found)
    except ChoiceError as error:
        message, fix = explain_lists(table, kind, options, error)
        raise ChoiceError(f"{shorten(table.name)}: {message}", fix, columns=error.columns) from error
    if isinstance(table, SpreadsheetTable):
        table, columns = _choose_sheets(table, columns, kind, options, finder)
    reader = RowReader(table, columns, finder, work)
    images = reader.read(kind)
    notes = (*table.notes, *columns.notes, *reader.notes)
    if kind.table_target == "numbers":
        rows = [image.target for image in images if isinstance(image.target, tuple)]
        warn_of_left_out(columns, table.name, reader.problems)
        if reader.words and not rows:
            warn_of_words(reader.words, table.name, reader.problems)
        named = {image.file.name: row for image, row in zip(images, rows, strict=True)}
        warn_of_columns(columns.value_names, named, table.name, reader.problems, work)
        found = [_found(image, (kind.make_of_numbers(row),)) for image, row in zip(images, rows, strict=True)]
        return Scan(
            found, (), reader.problems, notes, columns.value_names, (table.name,), columns.shown, _name_sheets(table)
        )
    names = [image.target for image in images if isinstance(image.target, str)]
    classes = list(columns.value_names) if columns.is_one_hot else sort_classes(names)
    if not columns.is_one_hot:
        warn_of_labels(names, table.name, reader.problems)
    labels = {name: kind.make_of_class(index, name) for index, name in enumerate(classes)}
    found = [_found(image, (labels[name],)) for image, name in zip(images, names, strict=True)]
    return Scan(found, tuple(classes), reader.problems, notes, (), (table.name,), columns.shown, _name_sheets(table))


def _choose_sheets(
    table: SpreadsheetTable, columns: Columns, kind: AnnotationKind, options: ImportOptions, finder: FileFinder
) -> tuple[SpreadsheetTable, Columns]:
    """Return a workbook with all sheets that have the columns in use, and its columns."""
    subsets = columns.subsets.columns if columns.subsets is not None and not table.has_split else ()
    used = [columns.names[index] for index in (columns.filename, *columns.targets, *subsets)]
    wants_split = options.split_column is None or options.split_column.strip() == ADDED_COLUMN
    chosen = table.choose_again(used if columns.has_header else (), is_split_wanted=wants_split)
    return chosen, columns if chosen is table else choose_columns(chosen, kind, options, finder.is_found)


def _name_sheets(table: Table) -> NamedBy | None:
    """Return what names the images, where a workbook has other sheets with file names."""
    if not isinstance(table, SpreadsheetTable) or not table.unread:
        return None
    titles = name_first([repr(shorten(title, 40)) for title in table.titles], _MAX_NAMED_SHEETS)
    own = f"the sheet {titles} of {table.name}" if len(table.titles) == 1 else f"the sheets {titles} of {table.name}"
    reasons = [
        f"the sheet {shorten(title, 40)!r} is not read, because {why}" for title, why in table.unread.items() if why
    ]
    if not reasons:
        return NamedBy(own, "Add {them} to a sheet that is read, or remove {them}.")
    return NamedBy(f"{own} ({'; '.join(reasons[:_MAX_NAMED_SHEETS])})", "Add the column there, or remove {them}.")


def _found(image: TableImage, annotations: tuple[Annotation, ...]) -> FoundImage:
    return FoundImage(image.file.path, image.file.name, annotations, image.subset)


def _fits(root: Path, path: Path, kind: AnnotationKind, options: ImportOptions, work: Work) -> bool:
    """Say whether a table has the columns of a kind, and one of its first rows names an image of the source."""
    try:
        table = open_table(path, root, work)
        finder = FileFinder(root, path, work)
        columns = choose_columns(table, kind, options, finder.is_found)
        rows = [row.cells for row in islice(table.rows(), _MAX_TRIED_ROWS) if len(row.cells) > columns.filename]
        return any(finder.names_image(row[columns.filename]) for row in rows if row[columns.filename].strip())
    except LimitError:
        raise
    except SourceError:
        return False


def _names_files(root: Path, path: Path, options: ImportOptions, work: Work) -> bool:
    """Say whether a table has a column of file names, whether these files exist or not."""
    try:
        return names_files(open_table(path, root, work), options)
    except LimitError:
        raise
    except SourceError:
        return False


def _has_classes(root: Path, work: Work) -> bool:
    """Say whether there are folders of images for two classes, so that a table is not needed."""
    top = read_tree(root, work).top
    while not top.num_images and len(holding := [inner for inner in top.folders if inner.num_below]) == 1:
        (top,) = holding
    tops = top.folders
    inner = [folder for top in tops if find_subset(top.last_name) for folder in top.folders]
    own = [folder for folder in tops if not find_subset(folder.last_name)]
    return sum(bool(folder.num_below) and folder.last_name.casefold() not in HOLDERS for folder in (*own, *inner)) > 1


FORMAT = CsvTable()
