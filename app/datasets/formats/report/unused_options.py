"""Names the options of an import that the format of the source has no use for, so that none is ignored in silence."""

from __future__ import annotations

from app.datasets.formats.base import ImportFormat
from app.datasets.formats.registry import list_formats
from app.plurals import join_words
from app.schemas.datasets import ImportOptions
from app.schemas.format_names import describe_format


def note_unused_options(found: ImportFormat, options: ImportOptions) -> tuple[str, ...]:
    """Return a note that names the options which were chosen and do not apply to a format; none where all do.

    An empty `split_column` says that there is no split, which every format follows.
    """
    default = ImportOptions()
    of_formats = frozenset().union(*(known.own_options for known in list_formats().values()))
    unused = [
        name
        for name in ImportOptions.model_fields  # in the order of the help; what no format claims is for every source
        if name in of_formats - found.own_options
        and getattr(options, name)
        and getattr(options, name) != getattr(default, name)
    ]
    if not unused:
        return ()
    named = join_words(unused)
    subject = f"The option {named} does" if len(unused) == 1 else f"The options {named} do"
    verb = "is" if len(unused) == 1 else "are"
    return (f"{subject} not apply to the format {describe_format(found.name)} and {verb} not used.",)
