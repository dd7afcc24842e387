from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from app.tasks.regression.module import RegressorModel

MEAN, DEVIATION = [1000.0, 0.0], [50.0, 0.001]
STANDARDISED = torch.tensor([[0.0, 1.0], [-2.0, 0.5]])
TARGETS = torch.tensor([[1000.0, 0.0], [950.0, 0.002]])
AIM = torch.tensor([[0.0, 0.0], [-1.0, 2.0]])


class _FixedAnswer(torch.nn.Module):
    """Stands for a network whose answer is known."""

    def forward(self, images: Tensor) -> Tensor:
        return STANDARDISED


def _model(loss_name: str) -> RegressorModel:
    network: Any = _FixedAnswer()
    return RegressorModel(network, MEAN, DEVIATION, loss_name)


def test_the_answer_is_in_the_units_of_the_user() -> None:
    found = _model("mse")(torch.zeros(2, 3, 1, 1))["values"]
    torch.testing.assert_close(found, torch.tensor([[1000.0, 0.001], [900.0, 0.0005]], dtype=torch.float64))


@pytest.mark.parametrize("offset", [1.7e9, 1e8, -1e12])
def test_a_large_offset_hides_no_difference(offset: float) -> None:
    network: Any = _FixedAnswer()
    model = RegressorModel(network, [offset, offset], [2.0, 0.5], "mse")
    targets = torch.tensor([[offset, offset + 0.5], [offset - 2.0, offset]], dtype=torch.float64)
    loss, outputs = model.loss(torch.zeros(2, 3, 1, 1), targets)
    assert outputs["values"].tolist() == [[offset, offset + 0.5], [offset - 4.0, offset + 0.25]]
    aim = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    torch.testing.assert_close(loss, functional.mse_loss(STANDARDISED, aim))


def test_the_scale_of_the_values_goes_with_the_weights() -> None:
    network: Any = _FixedAnswer()
    other = RegressorModel(network, [0.0, 0.0], [1.0, 1.0], "mse")
    other.load_state_dict(_model("mse").state_dict())
    assert other(torch.zeros(2, 3, 1, 1))["values"][1, 0] == 900.0


@pytest.mark.parametrize(
    ("loss_name", "function"),
    [("mse", functional.mse_loss), ("l1", functional.l1_loss), ("smooth_l1", functional.smooth_l1_loss)],
)
def test_the_loss_is_measured_in_deviations(loss_name: str, function: Any) -> None:
    loss, outputs = _model(loss_name).loss(torch.zeros(2, 3, 1, 1), TARGETS)
    torch.testing.assert_close(loss, function(STANDARDISED, AIM), atol=1e-5, rtol=1e-5)
    assert outputs["values"][1, 0] == 900.0
