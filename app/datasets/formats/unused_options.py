"""Names the options of an import that the format of the source has no use for, so that none is ignored in silence."""

from __future__ import annotations

from app.datasets.formats.base import ImportFormat
from app.schemas.datasets import ImportOptions
from app.schemas.format_names import describe_format

_OF_FORMATS = ("filename_column", "target_columns", "split_column", "annotation_file", "nested_folders")
"""Options that some formats use; the others are for every source."""


def note_unused_options(found: ImportFormat, options: ImportOptions) -> tuple[str, ...]:
    """Return a note that names the options which were chosen and do not apply to a format; none where all do.

    An empty `split_column` says that there is no split, which every format follows.
    """
    default = ImportOptions()
    unused = [
        name
        for name in _OF_FORMATS
        if name not in found.own_options and getattr(options, name) and getattr(options, name) != getattr(default, name)
    ]
    if not unused:
        return ()
    named = ", ".join(unused[:-1]) + (" and " if len(unused) > 1 else "") + unused[-1]
    subject = f"The option {named} does" if len(unused) == 1 else f"The options {named} do"
    verb = "is" if len(unused) == 1 else "are"
    return (f"{subject} not apply to the format {describe_format(found.name)} and {verb} not used.",)
