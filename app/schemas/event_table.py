"""The table of events for the documentation, made from the classes. Run it to bring plan/events.md up to date."""

from __future__ import annotations

import sys
import typing
from pathlib import Path
from typing import Any, get_args, get_origin

from app.schemas.events import AnyEvent, Event

BEGIN, END = "<!-- events: begin -->", "<!-- events: end -->"


def list_event_classes() -> list[type[Event]]:
    """Return every event class, in the order of the union."""
    union = get_args(AnyEvent)[0]
    return list(get_args(union))


def render_event_table() -> str:
    """Return a Markdown table: type, payload, what it says."""
    rows = ["| type | payload | what it says |", "|---|---|---|"]
    for event in list_event_classes():
        name = event.model_fields["type"].default
        fields = [f"{key}: {_name_type(item.annotation)}" for key, item in event.model_fields.items() if key != "type"]
        sentence = " ".join((event.__doc__ or "").split())
        rows.append(f"| `{name}` | {'; '.join(fields)} | {sentence} |".replace("  ", " "))
    return "\n".join(rows)


def replace_table(document: str) -> str:
    """Return a document with the table between its two markers made anew; raises ValueError without them."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        msg = f"The document has no {BEGIN} and {END}."
        raise ValueError(msg)
    return f"{head}{BEGIN}\n{render_event_table()}\n{END}{tail}"


def _name_type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(str(argument) for argument in arguments) if len(arguments) <= 6 else "one of a fixed list"
    if origin in {list, tuple}:
        return f"list of {_name_type(arguments[0])}"
    if origin is dict:
        return "object"
    if arguments:
        return " or ".join("null" if argument is type(None) else _name_type(argument) for argument in arguments)
    names = {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}
    name: str = annotation.__name__
    return names.get(name, name)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(replace_table(page.read_text("utf-8")), "utf-8")
