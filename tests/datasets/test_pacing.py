"""The pace that was measured to be the fastest wins."""

from __future__ import annotations

import pytest

from app.datasets.pacing import MAX_TRIAL_SHARE, NUM_ROUNDS, SAMPLES_PER_WINDOW, Pace, PaceTuner, propose_paces

PACES = [Pace(2, 0), Pace(1, 2), Pace(2, 2)]


def run(tuner: PaceTuner, seconds: dict[Pace, float], num_batches: int) -> list[Pace]:
    """Record batches of ten images that take so long at each pace; return the paces that were tried."""
    tried = []
    for _ in range(num_batches):
        tried.append(tuner.pace)
        tuner.record(10, 10, 0.4 * seconds[tuner.pace], 0.6 * seconds[tuner.pace])
    return tried


@pytest.mark.parametrize("fastest", PACES)
def test_the_fastest_pace_is_kept(fastest: Pace) -> None:
    tuner = PaceTuner(PACES)
    run(tuner, {pace: 1.0 if pace == fastest else 1.1 for pace in PACES}, 100)
    assert tuner.is_settled
    assert tuner.pace == fastest
    assert {found.pace: round(found.seconds_per_image, 6) for found in tuner.measurements} == {
        pace: 0.1 if pace == fastest else 0.11 for pace in PACES
    }


def test_paces_take_turns_and_slow_ones_get_no_second_one() -> None:
    tuner = PaceTuner(PACES)
    tried = run(tuner, {PACES[0]: 1.0, PACES[1]: 2.0, PACES[2]: 1.05}, 40)
    turns = [pace for position, pace in enumerate(tried) if position == 0 or tried[position - 1] != pace]
    assert turns == [PACES[0], PACES[1], PACES[2], PACES[0], PACES[2], PACES[0]]
    assert [found.num_batches for found in tuner.measurements] == [2 * SAMPLES_PER_WINDOW, SAMPLES_PER_WINDOW, 6]


def test_batches_that_an_earlier_pace_has_read_do_not_count() -> None:
    tuner = PaceTuner(PACES)
    previous = tuner.pace
    age = 0
    while not tuner.is_settled:
        age = age + 1 if tuner.pace == previous else 1
        previous = tuner.pace
        tuner.record(10, 10, 0.0, 0.001 if age <= 3 else float(PACES.index(tuner.pace) + 1))
    assert [round(found.seconds_per_image, 6) for found in tuner.measurements] == [0.1, 0.2, 0.3]


def test_batches_from_the_cache_do_not_count() -> None:
    tuner = PaceTuner(PACES)
    for _ in range(100):
        assert tuner.record(10, 0, 0.0, 1.0) == PACES[0]
    assert not tuner.is_settled
    assert tuner.measurements == []


def test_beside_a_gpu_they_count_and_are_not_mixed_with_those_that_were_decoded() -> None:
    tuner = PaceTuner(PACES, counts_cached=True)
    for _ in range(100):
        tuner.record(8, 0, 0.0, 4.0 - PACES.index(tuner.pace))
        tuner.record(8, 8, 0.0, 100.0)
    assert (tuner.is_settled, tuner.pace) == (True, PACES[2])
    assert [found.seconds_per_image for found in tuner.measurements] == [0.5, 0.375, 0.25]


def test_a_trial_that_ends_early_keeps_the_best_so_far() -> None:
    tuner = PaceTuner(PACES)
    assert PaceTuner(PACES).settle() == PACES[0]
    run(tuner, {PACES[0]: 1.0, PACES[1]: 0.5, PACES[2]: 0.1}, 12)
    assert tuner.settle() == PACES[1]
    assert tuner.is_settled


def test_where_a_trial_would_take_most_of_what_is_read_the_first_pace_stays() -> None:
    settling = 1 + max(pace.lookahead for pace in PACES)
    enough = round(NUM_ROUNDS * len(PACES) * (settling + SAMPLES_PER_WINDOW) / MAX_TRIAL_SHARE)
    short, long = PaceTuner(PACES, num_batches=enough - 1), PaceTuner(PACES, num_batches=enough)
    assert (short.is_settled, long.is_settled) == (True, False)
    assert set(run(short, {PACES[0]: 2.0, PACES[1]: 1.0, PACES[2]: 1.0}, 40)) == {PACES[0]}
    assert short.settle() == PACES[0]
    assert short.measurements == []


@pytest.mark.parametrize("num_cores", [1, 2, 3, 8, 128])
@pytest.mark.parametrize("has_gpu", [False, True])
def test_proposals_fit_the_machine(num_cores: int, has_gpu: bool) -> None:
    paces = propose_paces(num_cores, has_gpu)
    assert 2 <= len(paces) == len(set(paces)) <= 4
    assert all(1 <= pace.num_threads <= min(16, num_cores) for pace in paces)
    assert {pace.lookahead > 0 for pace in paces} == ({True} if has_gpu else {True, False})
    assert {pace.pin_memory for pace in paces} == ({True, False} if has_gpu else {False})


def test_there_must_be_something_to_choose_from() -> None:
    with pytest.raises(ValueError, match="at least one pace"):
        PaceTuner([])
    assert PaceTuner([Pace(1, 0)]).is_settled
