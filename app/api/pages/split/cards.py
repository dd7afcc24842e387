"""Splits as text, bars and links: the list of cards, the preview of a new one, the classes of one. No rule here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from app.api.pages.subsets import SUBSET_TITLES
from app.api.pages.times import Moment, describe_moment
from app.api.templating import Fragment
from app.plurals import divide_percent
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES
from app.schemas.splits import SplitCounts, SplitInfo, SplitOverview, SplitPreview, SplitRatios, SplitUser

SUBSETS = ("train", "val", "test", "none")
TITLES = SUBSET_TITLES | {"none": "Not used"}
COLOURS = {"train": 1, "val": 2, "test": 3, "none": 8}
SHOWN_CLASSES = 6
SHOWN_USERS = 4
NO_CLASS_TITLE = "no class"


@dataclass(frozen=True)
class BarPart:
    """A subset in a bar: `x` and `width` of 100, `url` of its images where there are some to show."""

    subset: str
    title: str
    count: str
    percent: str
    x: float
    width: float
    colour: int
    url: str = ""


@dataclass(frozen=True)
class ClassRow:
    """One class: its bar is as long as the class is large beside the largest one."""

    name: str
    text: str
    parts: tuple[BarPart, ...]


@dataclass(frozen=True)
class ClassBars:
    """The largest classes of a split, and how many there are beside them."""

    rows: tuple[ClassRow, ...]
    num_more: int


@dataclass(frozen=True)
class UserLink:
    """An experiment that uses a split."""

    name: str
    status: str
    url: str


@dataclass(frozen=True)
class SplitCard:
    """What the list shows of a split. `delete_reason` says why it cannot be deleted now."""

    name: str
    id: str
    origin: str
    created: Moment | None
    num_images: str
    parts: tuple[BarPart, ...]
    classes: ClassBars
    classes_url: str
    warnings: tuple[str, ...]
    users: tuple[UserLink, ...]
    num_more_users: int
    earlier_users: tuple[UserLink, ...]
    num_more_earlier_users: int
    url: str
    delete_text: str
    delete_reason: str


@dataclass(frozen=True)
class SplitCards:
    """Names for `split/_split_list.html`."""

    project_id: str
    problem: str
    num_images: str
    cards: tuple[SplitCard, ...]
    suggested_name: str


@dataclass(frozen=True)
class SplitListContext:
    """The list on its own."""

    listing: SplitCards


@dataclass(frozen=True)
class SplitPreviewContext:
    """Names for `split/_split_preview.html`."""

    parts: tuple[BarPart, ...]
    classes: ClassBars
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class SplitClassesContext:
    """Names for `split/_split_classes.html`: rows of class, counts per subset, total."""

    name: str
    columns: list[str]
    rows: list[list[str]]


def split_list_fragment(project_id: str, overview: SplitOverview) -> Fragment:
    """Return the list of splits, or an empty state."""
    return Fragment("split/_split_list.html", SplitListContext(make_split_list(project_id, overview)))


def split_preview_fragment(preview: SplitPreview) -> Fragment:
    """Return the preview of a split."""
    context = SplitPreviewContext(
        make_parts(preview.stats), make_class_bars(preview.class_distribution), tuple(preview.warnings)
    )
    return Fragment("split/_split_preview.html", context)


def split_classes_fragment(split: SplitInfo) -> Fragment:
    """Return every class of a split with its counts."""
    shown = [subset for subset in SUBSETS if subset != "none" or split.stats.none]
    rows = [
        [name or NO_CLASS_TITLE, *(f"{getattr(counts, subset):,}" for subset in shown), f"{_total(counts):,}"]
        for name, counts in _by_size(split.class_distribution)
    ]
    columns = ["Class", *(f"#{TITLES[subset]}" for subset in shown), "#Images"]
    return Fragment("split/_split_classes.html", SplitClassesContext(split.name, columns, rows))


def make_split_list(project_id: str, overview: SplitOverview) -> SplitCards:
    """Return the list for the page or the fragment."""
    return SplitCards(
        project_id=project_id,
        problem=overview.problem or "",
        num_images=f"{overview.num_images:,}",
        cards=tuple(_card(project_id, split) for split in overview.splits),
        suggested_name=overview.suggested_name,
    )


def make_parts(counts: SplitCounts, project_id: str = "", split_name: str = "") -> tuple[BarPart, ...]:
    """Return the subsets of a split; with a project each leads to its images. Subsets without use are left out."""
    total = _total(counts)
    numbers = [getattr(counts, subset) for subset in SUBSETS]
    parts, x = [], 0.0
    for subset, number, percent in zip(SUBSETS, numbers, _show_percents(numbers), strict=True):
        if subset == "none" and not number:
            continue
        width = 100 * number / (total or 1)
        address = urlencode({"split": split_name, "subset": subset})
        url = f"/projects/{project_id}/dataset?{address}" if project_id and number else ""
        parts.append(BarPart(subset, TITLES[subset], f"{number:,}", percent, x, width, COLOURS[subset], url))
        x += width
    return tuple(parts)


def make_class_bars(distribution: Mapping[str, SplitCounts]) -> ClassBars:
    """Return the largest classes. Images that carry no class at all, as those with values, give no bars."""
    ordered = _by_size(distribution)
    if [name for name, _ in ordered] in ([], [""]):
        return ClassBars((), 0)
    largest = _total(ordered[0][1]) or 1
    rows = tuple(_class_row(name, counts, largest) for name, counts in ordered[:SHOWN_CLASSES])
    return ClassBars(rows, len(ordered) - len(rows))


def _class_row(name: str, counts: SplitCounts, largest: int) -> ClassRow:
    scale = _total(counts) / largest
    parts = tuple(
        BarPart(
            part.subset, part.title, part.count, part.percent, part.x * scale, part.width * scale, part.colour, part.url
        )
        for part in make_parts(counts)
    )
    return ClassRow(name or NO_CLASS_TITLE, " / ".join(part.count for part in parts), parts)


def _card(project_id: str, split: SplitInfo) -> SplitCard:
    url = f"/api/splits/{project_id}/{quote(split.name, safe='')}"
    users = _list_users(split)
    earlier = [user for user in split.experiments if user.is_of_earlier_split]
    return SplitCard(
        name=split.name,
        id=f"split-{split.index}",
        origin=_origin(split),
        created=describe_moment(split.created_at) if split.created_at else None,
        num_images=f"{_total(split.stats):,}",
        parts=make_parts(split.stats, project_id, split.name),
        classes=make_class_bars(split.class_distribution),
        classes_url=url,
        warnings=tuple(split.warnings),
        users=tuple(_user(project_id, user) for user in users[:SHOWN_USERS]),
        num_more_users=max(0, len(users) - SHOWN_USERS),
        earlier_users=tuple(_user(project_id, user) for user in earlier[:SHOWN_USERS]),
        num_more_earlier_users=max(0, len(earlier) - SHOWN_USERS),
        url=url,
        delete_text=_delete_text(split),
        delete_reason=_delete_reason(split.experiments),
    )


def _list_users(split: SplitInfo) -> list[SplitUser]:
    return [user for user in split.experiments if not user.is_of_earlier_split]


def _user(project_id: str, user: SplitUser) -> UserLink:
    return UserLink(user.name, user.status, f"/projects/{project_id}/training?experiment={user.id}")


def _origin(split: SplitInfo) -> str:
    if split.is_imported:
        return "Imported with the dataset: its folders or files define the subsets."
    if split.ratios is None:
        return f"Random split with seed {split.seed}."
    shares = " / ".join(f"{100 * share:g}" for share in (split.ratios.train, split.ratios.val, split.ratios.test))
    return f"Random split: {shares} %, seed {split.seed}.{_explain_shares(split.ratios, split.stats)}"


def _explain_shares(ratios: SplitRatios, stats: SplitCounts) -> str:
    """Return why the actual shares differ from the chosen ones, where they do by more than a percentage point."""
    num = stats.train + stats.val + stats.test
    pairs = ((stats.train, ratios.train), (stats.val, ratios.val), (stats.test, ratios.test))
    if not num or all(abs(part / num - share) <= 0.01 for part, share in pairs):
        return ""
    return " The actual shares differ, because a class with few images can only be divided roughly."


def _delete_reason(users: Sequence[SplitUser]) -> str:
    if any(user.status in ACTIVE_EXPERIMENT_STATUSES for user in users):
        return "A training run uses this split. Stop the run or wait until it is finished."
    paused = next((user for user in users if user.status == "paused"), None)
    return (
        f"The experiment “{paused.name}” is paused and needs this split. Finish or delete the experiment first."
        if paused
        else ""
    )


def _delete_text(split: SplitInfo) -> str:
    users = _list_users(split)
    if not users:
        return f"No experiment uses this split. The images are kept. {_say_how_it_comes_back(split)}"
    names = ", ".join(f"“{user.name}”" for user in users[:SHOWN_USERS])
    more = f" and {len(users) - SHOWN_USERS} more" if len(users) > SHOWN_USERS else ""
    noun = "Experiments use" if len(users) > 1 else "An experiment uses"
    return f"{noun} this split: {names}{more}. {_say_what_stays(users)}"


def _say_what_stays(users: Sequence[SplitUser]) -> str:
    """Return what experiments still can do after their split was deleted: only completed ones have a fixed split."""
    num_completed = sum(user.status == "completed" for user in users)
    are_several = len(users) > 1
    if num_completed == len(users):
        stays = "Their models are kept, but they" if are_several else "Its model is kept, but it"
        return f"{stays} cannot be evaluated or exported again."
    if not num_completed:
        whom, whose = ("them", "their") if are_several else ("it", "its")
        return f"To train {whom}, choose another split in {whose} settings."
    return (
        "The models of the completed ones are kept, but cannot be evaluated or exported again. To train the others, "
        "choose another split in their settings."
    )


def _say_how_it_comes_back(split: SplitInfo) -> str:
    if split.is_imported:
        return "Importing the dataset again restores it."
    if split.leaks.identical.groups:
        return (
            "Creating it again with the same percentages and seed gives a different split, because identical images "
            "are now kept in one subset."
        )
    return "You can create it again with the same percentages and seed."


def _by_size(distribution: Mapping[str, SplitCounts]) -> list[tuple[str, SplitCounts]]:
    return sorted(distribution.items(), key=lambda item: (-_total(item[1]), item[0]))


def _total(counts: SplitCounts) -> int:
    return counts.train + counts.val + counts.test + counts.none


def _show_percents(numbers: Sequence[int]) -> list[str]:
    """Return the percentage of each number; all of them with a digit after the point where one is below 10 %."""
    digits = 1 if any(0 < 100 * number < 9.95 * sum(numbers) for number in numbers) else 0
    percents = zip(numbers, divide_percent(numbers, digits), strict=True)
    return ["< 0.1 %" if number and not percent else f"{percent:.{digits}f} %" for number, percent in percents]
