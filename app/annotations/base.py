"""What a kind of annotation must say of itself. Everything else asks a kind, so no other module names one.

A kind is a module of this package with a struct, its entry in dataset.json, and `KIND`, an `AnnotationKind`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from app.annotations.fields import Count
from app.annotations.results import ClassShare, Fact, ResultFields, Row, ValueResult
from app.annotations.shapes import Shape

NO_CLASS = ""


class AnnotationRecord(msgspec.Struct, tag_field="type", frozen=True):
    """One annotation of an image in dataset.json. Subclasses have a tag of their own."""

    @property
    def class_label(self) -> str | None:
        """Name of the class that the annotation belongs to; None when it belongs to no class."""
        return None

    @property
    def numbers(self) -> Sequence[float]:
        """Numbers that a model can learn; empty for annotations that are no numbers."""
        return ()

    @property
    def is_object(self) -> bool:
        """Whether the annotation is one object in the image. Without its class the object is left out, else the
        image is."""
        return False

    def with_class(self, class_id: int, class_name: str) -> AnnotationRecord:
        """Return the same annotation under another class; itself when it names no class."""
        return self


R = TypeVar("R", bound="ClassedRecord")


class ClassedRecord(AnnotationRecord, frozen=True):
    """An annotation that names its class."""

    class_id: Count
    class_name: str

    @property
    def class_label(self) -> str:
        """Name of the class."""
        return self.class_name

    def with_class(self: R, class_id: int, class_name: str) -> R:
        """Return the same annotation under another class."""
        return msgspec.structs.replace(self, class_id=class_id, class_name=class_name)


class ObjectRecord(ClassedRecord, frozen=True):
    """One of the objects that an image can show."""

    @property
    def is_object(self) -> bool:
        """An image can show many."""
        return True


Annotations = Sequence[AnnotationRecord]
"""The annotations of one image."""


class AnnotationKind:
    """A kind of annotation. The defaults suit a kind whose annotations are objects with a class."""

    id: ClassVar[str]
    record: ClassVar[type[AnnotationRecord]]
    formats: ClassVar[tuple[str, ...]] = ()
    """Names of the import formats that can hold this kind."""
    table_target: ClassVar[Literal["", "class", "numbers"]] = ""
    """What the target columns of a table hold: the name of a class, numbers, or nothing that this kind can use."""
    example: ClassVar[str]
    """What people use it for, as the dialog for a new project says it."""
    icon: ClassVar[str]
    """Path of a drawing, 24 units wide and high."""
    count_title: ClassVar[str] = ""
    """What the annotations of an image are called where they are counted; empty when an image has only one."""
    has_colours: ClassVar[bool] = True
    """Whether the name of a class is shown in the colour that it has in the image."""
    explains: ClassVar[Literal["class", "value"]] = "class"
    """What a heat map is about: the evidence for a class, or what raises and lowers a value."""
    result_fields: ClassVar[ResultFields] = ResultFields()
    """What lists of results are filtered and sorted by."""
    has_many_classes: ClassVar[bool] = True
    """Whether an image can show several classes."""
    has_whole_classes: ClassVar[bool] = True
    """Whether classes can be merged and left out annotation by annotation; False where pixels hold class ids."""

    def make_of_class(self, class_id: int, class_name: str) -> AnnotationRecord:
        """Return the annotation of an image of which a source tells one class. Raises NotImplementedError."""
        raise NotImplementedError(self.id)

    def make_of_numbers(self, numbers: Sequence[float]) -> AnnotationRecord:
        """Return the annotation of an image for which a table has these numbers. Raises NotImplementedError."""
        raise NotImplementedError(self.id)

    def classes_of(self, annotations: Annotations) -> frozenset[str]:
        """Return the classes that an image shows."""
        return frozenset(name for item in annotations if (name := item.class_label) is not None)

    def dominant_class(self, annotations: Annotations) -> str | None:
        """Return the class with the most annotations of an image; None for an image without a class."""
        names = Counter(name for item in annotations if (name := item.class_label) is not None)
        return names.most_common(1)[0][0] if names else None

    def stratify(self, images: Sequence[Annotations]) -> list[str]:
        """Return the stratum of each image: every subset of a split gets its share of each."""
        return [self.dominant_class(annotations) or NO_CLASS for annotations in images]

    def draw(self, annotation: Mapping[str, Any], mask_url: str) -> Shape | None:
        """Return the shape of an annotation as dataset.json has it, None where it says something of the whole image.

        `mask_url` is where the pixels of its mask are, if it has one.
        """
        return None

    def draw_result(self, row: Row) -> list[Shape]:
        """Return the shapes of a row of results, truth first; none for a prediction about the whole image."""
        return []

    def say(self, annotation: Mapping[str, Any], value_names: Sequence[str]) -> list[str]:
        """Return in words what an annotation without a class says of the whole image, as dataset.json has it."""
        return []

    def name_truth(self, truth: Any) -> str:
        """Return what the annotation of an image is called where predictions are compared with it."""
        return "Annotation"

    def read_prediction(self, row: Row) -> Any:
        """Return the prediction of a row of results, empty without one."""
        return row.get("prediction", "")

    def say_answer(self, answer: Any) -> str:
        """Return a truth or a prediction of a row of results as text."""
        return str(answer)

    def summarize_result(self, row: Row, value_names: Sequence[str]) -> tuple[str, str]:
        """Return the two lines below a result in a grid."""
        return str(row.get("source_name", row["filename"])), str(row.get("subset", ""))

    def list_facts(self, row: Row) -> list[Fact]:
        """Return what the page of a result says first."""
        return []

    def rank_classes(self, row: Row, num_shown: int) -> list[ClassShare]:
        """Return how probable the model finds each class, if it says so; the true one is among the first."""
        return []

    def list_values(self, row: Row, value_names: Sequence[str]) -> list[ValueResult]:
        """Return each value with its prediction, for a model that predicts numbers."""
        return []

    def claims_row(self, row: Row) -> bool:
        """Return whether a row of results is of this kind, told by its fields."""
        return False

    def find_row_fault(self, row: Row) -> str:
        """Return what is wrong with a row of results that this kind claims, empty when nothing is."""
        return ""

    def find_fault(self, annotations: Sequence[Any], classes: Sequence[str], value_names: Sequence[str]) -> str:
        """Return what is wrong with annotations of this kind in dataset.json, empty when nothing is.

        `annotations` are all of the dataset that are of this kind, of type `record`.
        """
        known = set(classes)
        unknown = next((item.class_name for item in annotations if item.class_name not in known), None)
        return f"annotations: {unknown!r} is none of the classes" if unknown is not None else ""


def class_of(annotations: Annotations) -> str | None:
    """Return the class of the first annotation that has one."""
    return next((name for item in annotations if (name := item.class_label) is not None), None)


def renumber(annotations: Annotations, ids: Mapping[str, int]) -> list[AnnotationRecord]:
    """Return annotations with the number that their class has in `ids`; those of another class stay as they are."""
    return [
        item.with_class(ids[name], name) if (name := item.class_label) is not None and name in ids else item
        for item in annotations
    ]


def numbers_of(annotations: Annotations) -> Sequence[float]:
    """Return the numbers of the first annotation that has some, empty when none has."""
    return next((numbers for item in annotations if (numbers := item.numbers)), ())
