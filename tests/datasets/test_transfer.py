"""What is small goes to a GPU from pinned memory and without waiting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.datasets import transfer
from app.datasets.transfer import is_queued, send, send_array
from tests.datasets.recording import CUDA, RecordingTensor


def test_a_small_tensor_is_pinned_and_queued_for_a_gpu_only() -> None:
    moves: list[tuple[str, bool, bool]] = []
    tensor = RecordingTensor.of(torch.arange(3), moves)
    send(tensor, CUDA)
    send(tensor, torch.device("cpu"))
    assert moves == [("cuda:0", True, True), ("cpu", False, False)]
    assert (is_queued(CUDA), is_queued(torch.device("cpu")), is_queued(torch.device("mps"))) == (True, False, False)


def test_an_array_becomes_the_same_numbers() -> None:
    array = np.array([3, 1, 2])
    assert send_array(array, torch.device("cpu")).tolist() == [3, 1, 2]


def test_an_array_goes_the_way_of_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.device] = []

    def note(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
        seen.append(device)
        return tensor

    monkeypatch.setattr(transfer, "send", note)
    send_array(np.zeros(2), CUDA)
    assert seen == [CUDA]


@pytest.mark.gpu
def test_a_gpu_has_the_same_numbers() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    sent = send_array(np.arange(5), CUDA)
    assert sent.device == CUDA
    assert sent.tolist() == [0, 1, 2, 3, 4]
