"""Reads the sheets of an Excel workbook (.xlsx) that name images as a table. A workbook is a zip of XML: its size is
checked before a parser sees it.
"""

from __future__ import annotations

import datetime
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.layouts.walking import too_many_entries
from app.datasets.formats.tables.rows import Row
from app.datasets.formats.tables.sheets import JoinedSheets, Sheet, choose_sheets, explain_unread, plain_names
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular

if TYPE_CHECKING:
    from openpyxl.cell.read_only import ReadOnlyCell
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

# What the parser raises for workbooks that are damaged or made to harm it.
_DAMAGE = (
    *(zipfile.BadZipFile, ParseError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(EOFError, NotImplementedError, OverflowError, RecursionError, AssertionError, RuntimeError, LookupError),
    *(zlib.error, struct.error),
)
_OLD_SIGNATURE = b"\xd0\xcf\x11\xe0"  # .xls, and .xlsx with a password
_MAX_ENTRIES = 10_000
_MAX_UNPACKED_BYTES = 512 * 2**20
_MAX_RATIO = 500
_PEEKED_BYTES = 4096
_BLOCK_BYTES = 2**20
_MAX_CELLS = 20_000_000
_LEADING_ZEROS = re.compile(r"0{1,30}")


class SpreadsheetTable:
    """A sheet of a workbook, or several that are one table. Formulas count with the value that was stored with them."""

    def __init__(self, path: Path, name: str, work: Work) -> None:
        """Read the sheet; raises SourceError for a workbook that cannot be read, LimitError for one too large."""
        self.path = path
        self.name = name
        self.header: tuple[str, ...] | None = None
        self.comment_header: tuple[str, ...] = ()
        self.has_decimal_commas = True
        _check_size(path, work)
        self.unread: dict[str, str] = {}
        """Sheets with file names that are not read, by their titles, each with the reason if it is known."""
        self._all, self._sheets = _read(path, work)
        self.notes = self._sheets.describe([sheet.title for sheet in self._all])

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the sheets that are read."""
        return self._sheets.titles

    @property
    def has_split(self) -> bool:
        """Whether the last column, `split`, was made of the titles of the sheets."""
        return self._sheets.has_split

    def choose_again(self, used: Iterable[str], *, is_split_wanted: bool) -> SpreadsheetTable:
        """Return the table of all sheets that have the columns which are used: the others need not be the same."""
        names = plain_names(used)
        chosen = choose_sheets(self._all, names, is_split_wanted=is_split_wanted)
        if chosen is None or len(self._all) == 1:
            return self
        table = copy(self)
        table._sheets = chosen
        table.unread = explain_unread(self._all, chosen, names)
        table.notes = chosen.describe([sheet.title for sheet in self._all]) + tuple(
            f"Sheet {shorten(title, 40)!r} is not read, because {reason}."
            for title, reason in table.unread.items()
            if reason
        )
        return table

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the sheets."""
        return iter(self._sheets.rows)

    @cached_property
    def has_formulas(self) -> bool:
        """Whether some cell of the workbook has a formula; its result may not be stored."""
        try:
            with open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
                sheets = [entry for entry in archive.infolist() if entry.filename.startswith("xl/worksheets/")]
                return any(_holds_formula(archive, entry) for entry in sheets)
        except (OSError, *_DAMAGE):
            return False

    def name_row(self, number: int) -> str:
        """Return a row as the user finds it: by its number in its sheet, with the sheet where there are several."""
        return self._sheets.name_row(number)


def _holds_formula(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    with archive.open(entry) as part:
        before = b""
        while block := part.read(_BLOCK_BYTES):
            if re.search(rb"<f[ >/]", before + block):
                return True
            before = block[-2:]
    return False


def _check_size(path: Path, work: Work) -> None:
    """Raise SourceError for what is no workbook, LimitError for one that unpacks to more than may be read."""
    try:
        size = path.stat().st_size
        with open_regular(path) as file:
            if file.read(4) == _OLD_SIGNATURE:
                msg = f"{path.name} is protected by a password, or was written in the old format of Excel (.xls)."
                raise SourceError(msg, "Save it without a password as .xlsx or CSV.")
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                for entry in entries[:_MAX_ENTRIES]:
                    work.step(f"Looking into {path.name}", 0)
                    if entry.filename.endswith((".xml", ".rels")):
                        _refuse_entities(path, archive, entry)
    except SourceError:
        raise
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}."
        raise SourceError(msg, "Check its permissions and the disk.") from error
    except _DAMAGE as error:
        msg = f"{path.name} is not an Excel workbook, or is damaged."
        raise SourceError(msg, "Save it as .xlsx or CSV again.") from error
    # The zip reader never gives more bytes of an entry than the directory says.
    unpacked = sum(entry.file_size for entry in entries)
    most = min(_MAX_UNPACKED_BYTES, work.limits.max_annotation_bytes)
    if unpacked > most or size > most:
        msg = f"{path.name} has {max(unpacked, size) / 2**20:,.0f} MiB of sheets; {most / 2**20:,.0f} MiB is the limit."
        raise LimitError(msg, "Save the sheet as CSV, or import a part of it.")
    if len(entries) > _MAX_ENTRIES or unpacked > max(_MAX_RATIO * size, 2**20):
        msg = f"{path.name} unpacks to {unpacked:,} bytes in {len(entries):,} parts, which no workbook does."
        raise LimitError(msg, "Save the sheet as CSV.")


def _refuse_entities(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raise SourceError for XML that defines entities, which can unfold to any size."""
    with archive.open(entry) as part:
        if b"<!DOCTYPE" in part.read(_PEEKED_BYTES):
            msg = f"{path.name} is not an Excel workbook: {shorten(entry.filename)} defines entities of its own."
            raise SourceError(msg, "Save it as .xlsx or CSV again.")


def _read(path: Path, work: Work) -> tuple[list[Sheet], JoinedSheets]:
    """Return all sheets, and those that name images, else the first with at least two filled rows."""
    # It takes 0.2 s, which only an import of a workbook should pay.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import CellCoordinatesException, InvalidFileException

    work.step(f"Opening {path.name}", 0)
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and other parts that are not read
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheets = [Sheet(sheet.title, _read_sheet(sheet, path, work)) for sheet in book.worksheets]
            chosen = choose_sheets(sheets)
            if chosen is not None:
                return sheets, chosen
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror or error}."
        raise SourceError(msg, "Check its permissions and the disk.") from error
    except SourceError:
        raise
    except (*_DAMAGE, CellCoordinatesException, InvalidFileException) as error:
        msg = f"{path.name} is damaged."
        raise SourceError(msg, "Open it in a spreadsheet program and save it again, or save it as CSV.") from error
    raise SourceError(f"The workbook {path.name} is empty.", "Write one row per image: its file name and its target.")


def _read_sheet(sheet: ReadOnlyWorksheet, path: Path, work: Work) -> list[Row]:
    sheet.reset_dimensions()  # what the sheet says of its size may be wrong
    rows: list[Row] = []
    num_cells = width = 0
    doing = f"Reading the sheet {shorten(sheet.title, 40)!r} of {path.name}"
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        work.step(doing, number)
        texts = [_text(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        width = width or len(texts)
        if texts:  # empty cells at the end of a row are not stored
            texts += [""] * (width - len(texts))
        num_cells += len(cells) + 1
        if number > work.limits.max_entries or num_cells > _MAX_CELLS:
            raise too_many_entries(f"The sheet {shorten(sheet.title, 40)!r} has", min(number, work.limits.max_entries))
        rows.append(Row(number, texts))
    return rows


def _text(cell: ReadOnlyCell | Any) -> str:
    """Return what a cell shows: whole numbers without a point, with the leading zeros of their format."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        text = str(int(value)) if value == value and abs(value) < 1e15 and value == int(value) else repr(value)
        form = str(cell.number_format or "")
        return text.zfill(len(form)) if _LEADING_ZEROS.fullmatch(form) and text.isdigit() else text
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat().removesuffix("T00:00:00")
    return str(value)
