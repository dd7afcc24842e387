from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import torch
import torchvision

from app.models import weights
from app.models.architectures import ARCHITECTURES
from app.models.imagenet import IMAGENET_MEAN, IMAGENET_STD
from app.models.vector import build_vector_model
from app.models.weights import (
    WeightsFile,
    WeightsUnavailable,
    ensure_file,
    ensure_weights,
    find_weights_file,
    watch_downloads,
)
from app.schemas.experiments import ModelSettings
from app.schemas.job_context import JobCancelled

CONTENT = bytes(range(256)) * 10_000


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the output of the tests clean."""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def mirror(served: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _file(base_url: str, content: bytes = CONTENT) -> WeightsFile:
    digest = hashlib.sha256(content).hexdigest()[:8]
    return WeightsFile(name=f"net-{digest}.pth", url=f"{base_url}/net-{digest}.pth", hash_prefix=digest)


def test_every_architecture_has_a_file_with_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.MIRROR_VARIABLE, raising=False)
    files = [find_weights_file(spec.id) for spec in ARCHITECTURES]
    assert len({file.name for file in files}) == 7
    for file in files:
        assert file.url == f"https://download.pytorch.org/models/{file.name}"
        assert f"-{file.hash_prefix}.pth" in file.name


def test_a_mirror_takes_the_place_of_the_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.MIRROR_VARIABLE, "http://mirror.example/weights/")
    assert find_weights_file("resnet18").url == "http://mirror.example/weights/resnet18-f37072fd.pth"


def test_a_download_reports_progress_and_happens_once(served: Path, mirror: str, tmp_path: Path) -> None:
    file, store = _file(mirror), tmp_path / "store"
    (served / file.name).write_bytes(CONTENT)
    seen: list[tuple[int, int]] = []
    with watch_downloads(lambda received, total: seen.append((received, total))):
        path = ensure_file(file, store)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [item.name for item in store.iterdir()] == [file.name]
    (served / file.name).unlink()
    assert ensure_file(file, store) == path


def test_a_watcher_can_end_a_download(served: Path, mirror: str, tmp_path: Path) -> None:
    file, store = _file(mirror), tmp_path / "store"
    (served / file.name).write_bytes(CONTENT)

    def cancel(_received: int, _total: int) -> None:
        raise JobCancelled

    with watch_downloads(cancel), pytest.raises(JobCancelled):
        ensure_file(file, store)
    assert list(store.iterdir()) == []


def test_a_download_with_the_wrong_hash_is_refused_and_removed(served: Path, mirror: str, tmp_path: Path) -> None:
    file, store = _file(mirror), tmp_path / "store"
    (served / file.name).write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsUnavailable, match="wrong hash"):
        ensure_file(file, store)
    assert list(store.iterdir()) == []


def test_a_damaged_file_in_the_store_is_replaced(served: Path, mirror: str, tmp_path: Path) -> None:
    file = _file(mirror)
    (served / file.name).write_bytes(CONTENT)
    (tmp_path / file.name).write_bytes(b"half a file")
    assert ensure_file(file, tmp_path).read_bytes() == CONTENT


def test_an_error_of_the_server_says_what_to_do(mirror: str, tmp_path: Path) -> None:
    file, store = _file(mirror), tmp_path / "store"
    with pytest.raises(WeightsUnavailable, match="404") as caught:
        ensure_file(file, store)
    for part in (file.name, str(store), file.url, "pretrained=false"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(store.iterdir()) == []


def test_without_a_network_the_message_names_file_folder_and_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(weights.MIRROR_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(WeightsUnavailable) as caught:
        ensure_weights("resnet18", tmp_path)
    for part in ("resnet18-f37072fd.pth", str(tmp_path), "http://127.0.0.1:9/", "pretrained=false"):
        assert part in str(caught.value)
    assert caught.value.kind == "WeightsUnavailable"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), "weights.test cannot be reached"),
        (httpx.ConnectTimeout("timed out"), "weights.test did not answer in time"),
        (httpx.ReadError("[Errno 104] Connection reset by peer"), "the connection to weights.test was lost"),
        (httpx.UnsupportedProtocol("No scheme."), "No scheme."),
    ],
)
def test_a_failed_download_is_explained_without_numbers_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: httpx.HTTPError, said: str
) -> None:
    def fail(*_: object) -> str:
        raise error

    monkeypatch.setattr(weights, "_receive", fail)
    with pytest.raises(WeightsUnavailable) as refused:
        ensure_file(WeightsFile("a-12345678.pth", "https://weights.test/a-12345678.pth", "12345678"), tmp_path)
    assert f"The download failed: {said.rstrip('.')}." in str(refused.value)


def test_a_wrong_mirror_address_is_no_programming_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(weights.MIRROR_VARIABLE, "mirror.example")
    with pytest.raises(WeightsUnavailable, match="download failed"):
        ensure_weights("resnet18", tmp_path)


def test_a_store_that_cannot_be_written_is_named(served: Path, mirror: str, tmp_path: Path) -> None:
    file = _file(mirror)
    (served / file.name).write_bytes(CONTENT)
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(WeightsUnavailable, match="could not be written"):
        ensure_file(file, tmp_path / "store" / "inner")


def test_a_seeded_store_starts_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    published = torchvision.models.get_model("mobilenet_v3_small", weights=None)
    torch.save(published.state_dict(), tmp_path / "state.pth")
    file = _file("http://127.0.0.1:9", (tmp_path / "state.pth").read_bytes())
    (tmp_path / "state.pth").rename(tmp_path / file.name)
    monkeypatch.setattr(weights, "find_weights_file", lambda architecture: file)
    settings = ModelSettings(backbone="mobilenet_v3_small", pretrained=True)
    model = build_vector_model(settings, 2, IMAGENET_MEAN, IMAGENET_STD, tmp_path)
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, published.state_dict()[name])


def test_weights_never_run_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.save({"layer": _Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    file = _file("http://127.0.0.1:9", (tmp_path / "trap.pth").read_bytes())
    (tmp_path / "trap.pth").rename(tmp_path / file.name)
    monkeypatch.setattr(weights, "find_weights_file", lambda architecture: file)
    with pytest.raises(WeightsUnavailable, match="cannot be read"):
        weights.load_weights("resnet18", tmp_path)
    assert not (tmp_path / "sprung").exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)
