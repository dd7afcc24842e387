"""Devices are read without torch, and one that is not there is refused by name."""

from __future__ import annotations

import pytest

from app.core import devices
from app.core.exceptions import GpuNotAvailableError
from app.schemas.system import Device

GPU = Device(id="gpu:0", name="Some GPU", type="cuda", memory_total_mb=1000, memory_free_mb=900)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_read_gpus", lambda: ([GPU], "13.0"))


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_read_gpus", lambda: ([], None))


def test_the_cpu_is_always_there(no_gpu: None) -> None:
    listed = devices.list_devices(None)
    assert [device.id for device in listed.devices] == ["cpu"]
    assert listed.devices[0].memory_total_mb > listed.devices[0].memory_free_mb > 0
    assert (listed.cuda_available, listed.cuda_version, listed.default_selected) == (False, None, ["cpu"])


@pytest.mark.parametrize(("wanted", "selected"), [(None, "gpu:0"), ("cpu", "cpu"), ("gpu:7", "gpu:0")])
def test_a_gpu_is_preselected_unless_another_device_was_named(one_gpu: None, wanted: str | None, selected: str) -> None:
    assert devices.list_devices(wanted).default_selected == [selected]


def test_a_missing_device_is_refused_with_those_that_exist(one_gpu: None) -> None:
    devices.require_devices(["cpu"])
    devices.require_devices(["gpu:0"])
    with pytest.raises(GpuNotAvailableError, match=r"gpu:1 is not available.*cpu, gpu:0"):
        devices.require_devices(["gpu:1"])
