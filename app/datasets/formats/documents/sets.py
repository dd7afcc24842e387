"""Chooses among the annotation files of a source: the one that fits, or a set with one file for each subset."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.annotations.base import renumber
from app.datasets.formats.base import ChoiceError, FoundImage, Scan, shorten
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.layouts.walking import choose_document, find_documents, resolve_inside
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.tables.subset_columns import subset_of_words
from app.datasets.formats.work import Work
from app.schemas.datasets import SplitValue

_FOLDERS = ("", "annotations")
_MAX_NAMED = 10
MAX_CANDIDATES = 20
"""Files that are looked into to find an annotation file; some tools write one beside each image."""
_RANKS = {"train": 0, "val": 1, "test": 2}
_EXAMPLE = re.compile(r".*(sample|example|gender)submissions?|submissions?(sample|example|format|template)?")


@dataclass(frozen=True)
class Part:
    """An annotation file to read, and the subset that its name stands for where several are read together."""

    path: Path
    subset: SplitValue | None = None


def choose_documents(
    root: Path, found: Sequence[str], chosen: str | None, what: str, fits: Callable[[Path], bool]
) -> tuple[Part, ...]:
    """Return the annotation file that the user chose, the only one that fits, or one per subset.

    Raises ChoiceError that names the candidates when none or several fit, SourceError when there is none at all.
    """
    if chosen is not None or len(found) < 2:
        return (Part(choose_document(root, found, chosen, what)),)
    usable = [name for name in found if fits(resolve_inside(root, name))]
    if len(usable) == 1:
        return (Part(resolve_inside(root, usable[0])),)
    subsets = _pair(usable)
    if subsets:
        return tuple(Part(resolve_inside(root, name), subset) for name, subset in subsets)
    there = ", ".join((usable or list(found))[:_MAX_NAMED])
    if usable:
        msg = f"Several files could be the {what}: {there}."
    else:
        msg = f"None of the files can be read as {what} of these images: {there}."
    raise ChoiceError(msg, "Choose the one to read (option annotation_file).", documents=usable or found)


def is_example(name: str) -> bool:
    """Say whether a table is an example of what to hand in to a competition: its labels are made up."""
    return _EXAMPLE.fullmatch(re.sub(r"[\W_]+", "", Path(name).stem.casefold())) is not None


def find_candidates(root: Path, endings: Sequence[str], work: Work) -> list[str]:
    """Return the first files that may be annotation files of the whole source, those of single images last."""
    stems = {name.rpartition(".")[0] for name in read_tree(root, work).top.images}
    found = find_documents(root, endings, work, _FOLDERS)
    return sorted(found, key=lambda name: Path(name).stem in stems)[:MAX_CANDIDATES]


def join_scans(parts: Sequence[tuple[SplitValue, Scan]], problems: ProblemList, work: Work) -> Scan:
    """Return the images of one scan per subset as one scan with a split; classes are joined by their names.

    A file that two subsets have stays in the first; the other entry is a problem.
    """
    classes = tuple(dict.fromkeys(name for _, scan in parts for name in scan.classes))
    labels = {name: index for index, name in enumerate(classes)}
    value_names = parts[0][1].value_names
    images: list[FoundImage] = []
    first: dict[Path, SplitValue] = {}
    for subset, scan in parts:
        problems.extend(scan.problems)
        if scan.value_names != value_names:
            msg = f"The values are {_list(value_names)} in one subset and {_list(scan.value_names)} in {subset}."
            raise ChoiceError(msg, "Choose the columns with the values (option target_columns).", columns=scan.columns)
        for number, image in enumerate(scan.images):
            work.step("Joining the subsets", number, len(scan.images))
            if image.path in first:
                msg = f"The image is in the subsets {first[image.path]} and {subset}; it stays in {first[image.path]}."
                problems.add(image.name, msg, "Keep it in one of them.", kind="repeated_row", num_entries=1)
                continue
            first[image.path] = subset
            annotations = tuple(renumber(image.annotations, labels))
            images.append(replace(image, annotations=annotations, split=subset))
    notes = dict.fromkeys(note for _, scan in parts for note in scan.notes)
    documents = dict.fromkeys(name for _, scan in parts for name in scan.read_documents)
    return Scan(
        images,
        classes,
        problems,
        tuple(notes),
        value_names,
        read_documents=tuple(documents),
        columns=parts[0][1].columns,
    )


def join_parts(root: Path, scans: Sequence[tuple[Part, Scan]], work: Work) -> Scan:
    """Return the scan of the only document, or those of several as one with a split."""
    if len(scans) == 1:
        return scans[0][1]
    subsets = [(part.subset, scan) for part, scan in scans if part.subset is not None]
    joined = join_scans(subsets, work.new_problems(), work)
    names = [part.path.relative_to(root).as_posix() for part, _ in scans]
    named = ", ".join(f"{name} ({part.subset})" for name, (part, _) in zip(names, scans, strict=True))
    # The first note names them all, so the note of each is left out.
    notes = [note for note in joined.notes if note not in {f"Annotations: {name}." for name in names}]
    return replace(joined, notes=(f"Files that make up the split 'original': {named}.", *notes))


def _pair(names: Sequence[str]) -> list[tuple[str, SplitValue]]:
    """Return the subset of each of several files that differ only in the word for it; empty when they differ else."""
    found = {name: subset_of_words(Path(name).stem) for name in names}
    rests = {(Path(name).suffix.lower(), entry[1]) for name, entry in found.items() if entry is not None}
    subsets = [(name, entry[0]) for name, entry in found.items() if entry is not None]
    values = {subset for _, subset in subsets}
    if len(subsets) != len(names) or len(rests) != 1 or len(values) != len(names) or "train" not in values:
        return []
    return sorted(subsets, key=lambda item: _RANKS[item[1]])


def _list(names: Sequence[str]) -> str:
    return ", ".join(shorten(name) for name in names[:_MAX_NAMED])
