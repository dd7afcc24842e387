"""What a reader of scores is told of images that training has seen."""

from __future__ import annotations

from app.schemas.leaks import EvaluationLeaks, say_redrawn


def test_splits_that_were_created_again_are_named_before_what_is_counted() -> None:
    assert say_redrawn([], "its test images") == ""
    one = say_redrawn(["main"], "its test images")
    assert one == (
        "The split 'main' was created again after this model was trained, so its test images may have been used for "
        "training."
    )
    assert say_redrawn(["main", "b"], "x").startswith("The splits 'main', 'b' were created again")
    assert EvaluationLeaks(num_images=4).in_words() == ""
    redrawn = {"num_images": 4, "redrawn_splits": ["main"]}
    alone = EvaluationLeaks.model_validate(redrawn).in_words()
    assert alone == one.replace("its test images", "the evaluated images")
    both = EvaluationLeaks.model_validate({**redrawn, "identical": {"images": 1}}).in_words()
    assert both.startswith(f"{alone} 1 of the 4 evaluated images is identical")
