"""Images with the same content: found by their hashes, named, and counted across the subsets of a split."""

from __future__ import annotations

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.identical import MAX_EXAMPLES, find_identical, measure_split_leaks, summarize_identical
from app.datasets.table import Annotation, ImageRecord
from app.schemas.leaks import IdenticalAcross, IdenticalImages


def make_images(*rows: tuple[str, str]) -> list[ImageRecord]:
    """Return images of (content, class); no class means no annotation."""
    return [
        ImageRecord(f"{i}.png", 8, 8, [], [Label(0, name)] if name else [], content_hash=content)
        for i, (content, name) in enumerate(rows)
    ]


def test_groups_come_in_the_order_of_their_first_images_and_images_without_a_hash_are_alone() -> None:
    images = make_images(("b", "x"), ("", "x"), ("a", "x"), ("c", "x"), ("a", "x"), ("", "x"), ("b", "x"), ("b", "x"))
    assert find_identical(images) == [[0, 6, 7], [2, 4]]
    assert find_identical([]) == find_identical(images[:1]) == []


def test_a_summary_names_groups_with_different_labels_first() -> None:
    images = make_images(("a", "cat"), ("a", "cat"), ("b", "cat"), ("b", ""), ("c", "dog"), ("c", "cat"), ("d", "cat"))
    found = summarize_identical(images, find_identical(images))
    assert (found.groups, found.images, found.groups_with_other_labels) == (3, 6, 1)
    assert [group.filenames for group in found.examples] == [["4.png", "5.png"], ["0.png", "1.png"], ["2.png", "3.png"]]
    assert [group.labels for group in found.examples] == [["dog", "cat"], [], []]
    words = "6 images are identical to another image (3 groups). In 1 of the groups, the images have different labels."
    assert found.in_words() == words


def test_a_large_group_shows_the_labels_that_differ() -> None:
    images = make_images(*[("a", "cat")] * 30, ("a", "dog"))
    (group,) = summarize_identical(images, find_identical(images)).examples
    assert (group.num_images, len(group.filenames), len(group.labels)) == (31, 6, 6)
    assert (group.filenames[-1], group.labels[-1], set(group.labels)) == ("30.png", "dog", {"cat", "dog"})


def test_values_are_labels_too_and_examples_are_limited() -> None:
    images = [ImageRecord(f"{i}.png", 8, 8, [], [Value([i / 4, 1e9])], content_hash=str(i // 2)) for i in range(60)]
    found = summarize_identical(images, find_identical(images))
    assert (found.groups, found.groups_with_other_labels, len(found.examples)) == (30, 30, MAX_EXAMPLES)
    assert found.examples[0].labels == ["0, 1e+09", "0.25, 1e+09"]


def test_words_of_no_and_of_one_group() -> None:
    assert IdenticalImages().in_words() == ""
    one = IdenticalImages(groups=1, images=2, groups_with_other_labels=1)
    assert one.in_words() == "2 images are identical but have different labels."
    assert one.model_copy(update={"groups_with_other_labels": 0}).in_words() == "2 images are identical."


def test_leaks_of_a_split_are_counted_from_each_side() -> None:
    rows: list[tuple[str, str, str]] = [
        *[("a", "train", "cat"), ("a", "test", "cat"), ("a", "test", "dog")],
        *[("b", "train", "cat"), ("b", "val", "cat"), ("b", "test", "cat")],
        *[("c", "val", "cat"), ("c", "test", "cat")],
        *[("d", "train", "cat"), ("d", "train", "dog")],
        *[("e", "train", "cat"), ("e", "none", "cat")],
        ("f", "test", "cat"),
    ]
    images = make_images(*[(content, name) for content, _, name in rows])
    leaks = measure_split_leaks(images, find_identical(images), [subset for _, subset, _ in rows])
    assert leaks.identical == IdenticalAcross(
        groups=3,
        images=8,
        groups_with_other_labels=1,
        val_in_train=1,
        test_in_train=3,
        test_in_val=2,
        groups_together=1,
        images_together=2,
    )


def test_annotations_beyond_labels_are_described() -> None:
    from app.annotations.box import Box

    boxes: list[Annotation] = [Box(0, "cat", (0, 0, 1, 1)), Box(0, "cat", (2, 2, 1, 1))]
    images = [
        ImageRecord("a.png", 8, 8, [], boxes, content_hash="x"),
        ImageRecord("b.png", 8, 8, [], boxes[:1], content_hash="x"),
    ]
    assert summarize_identical(images, find_identical(images)).groups_with_other_labels == 1
