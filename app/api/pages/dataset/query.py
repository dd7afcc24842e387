"""The address of the dataset page: what it may hold, what it means, and how links to other states are written."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from pydantic import ConfigDict, Field

from app.api.pages.address_fields import EmptyIsNone, OptionalText
from app.schemas.common import QueryModel
from app.schemas.datasets import ImageQuery, SplitValue

Sort = Literal["filename", "-filename", "class", "-class", "-size", "size"]
View = Literal["s", "m", "l", "list"]
PAGE_SIZE = 60


class DatasetAddress(QueryModel):
    """The parameters of the page."""

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    class_name: OptionalText = Field(None, alias="class")
    search: OptionalText = None
    split: OptionalText = None
    subset: Annotated[SplitValue | None, EmptyIsNone] = None
    sort: Sort = "filename"
    view: View = "m"
    page: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    image: OptionalText = None

    def to_query(self) -> ImageQuery:
        """Return what core is asked for."""
        return ImageQuery.model_validate(
            {
                "page": self.page,
                "page_size": PAGE_SIZE,
                "sort_by": self.sort.removeprefix("-"),
                "sort_order": "desc" if self.sort.startswith("-") else "asc",
                "filter_class": self.class_name,
                "search": self.search,
                "split_name": self.split,
                "subset": self.subset if self.split is not None else None,
            }
        )

    def to_text(self, **changes: Any) -> str:
        """Return the query with changes, without what is as usual: empty, or from the question mark on."""
        values = {**self.model_dump(), **changes}
        usual = DatasetAddress().model_dump()
        names = {name: field.alias or name for name, field in type(self).model_fields.items()}
        text = urlencode({names[name]: value for name, value in values.items() if value != usual[name]})
        return f"?{text}" if text else ""

    def to_pairs(self, *without: str) -> list[tuple[str, str]]:
        """Return the parameters that a form carries along, but those named."""
        usual = DatasetAddress().model_dump()
        return [
            (type(self).model_fields[name].alias or name, str(value))
            for name, value in self.model_dump().items()
            if value != usual[name] and name not in without
        ]


def to_address(query: ImageQuery) -> DatasetAddress:
    """Return the address of the page that shows what a query asks for."""
    sort = f"{'-' if query.sort_order == 'desc' else ''}{query.sort_by}"
    return DatasetAddress().model_copy(
        update={
            "class_name": query.filter_class,
            "search": query.search,
            "split": query.split_name,
            "subset": query.subset,
            "sort": sort if sort in get_args(Sort) else query.sort_by,
            "page": query.page,
        }
    )


def page_url(project_id: str) -> str:
    """Return the address of the page."""
    return f"/projects/{project_id}/dataset"
