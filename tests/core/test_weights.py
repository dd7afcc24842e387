"""The folder of pretrained weights: what is there, what may be added, and what that means for new experiments."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from app.config import Settings
from app.core import weights as module
from app.core.exceptions import ValidationFailedError
from app.core.reachability import Reachability, find_address
from app.core.studio import Studio
from app.core.weights import WeightStore
from app.models.architectures import ARCHITECTURES, get_architecture
from app.schemas.experiments import ExperimentCreate
from app.schemas.tasks import ArchitectureSpec

CONTENT = b"weights of a very small network"
RESNET = get_architecture("resnet18")


def make_store(tmp_path: Path, answer: bool | None = None, mirror: str | None = None) -> tuple[WeightStore, list[str]]:
    """Return a store, and the addresses that it asked for."""
    asked: list[str] = []

    def can_reach(url: str) -> bool | None:
        asked.append(url)
        return answer

    return WeightStore(Settings(workspace_root=tmp_path, weights_url=mirror), can_reach), asked


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> ArchitectureSpec:
    """An architecture whose published weights are CONTENT."""
    file = f"small-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
    architecture = RESNET.model_copy(update={"id": "small", "weights_file": file})
    monkeypatch.setattr(module, "_list_architectures", lambda: [*ARCHITECTURES, architecture])
    return architecture


def test_every_architecture_is_listed_with_where_its_file_comes_from(tmp_path: Path) -> None:
    listed = make_store(tmp_path)[0].list_files()
    assert len(listed.weights) == 7
    assert not any(item.is_here for item in listed.weights)
    assert {item.url.rpartition("/")[2] for item in listed.weights} == {item.file for item in listed.weights}
    mirrored = make_store(tmp_path, mirror="http://mirror.test/w/")[0].list_files()
    assert mirrored.weights[0].url == f"http://mirror.test/w/{mirrored.weights[0].file}"


@pytest.mark.parametrize("name", ["small.pth", "resnet18-f37072fd (1).pth", "../../x", ""])
def test_a_file_is_known_by_its_content_whatever_its_name(tmp_path: Path, small: ArchitectureSpec, name: str) -> None:
    store, _ = make_store(tmp_path)
    added = store.add_file(name, io.BytesIO(CONTENT))
    assert (added.architecture, added.file, added.is_here) == ("small", small.weights_file, True)
    assert [path.name for path in store.directory.iterdir()] == [small.weights_file]
    assert (store.directory / small.weights_file).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (RESNET.weights_file, b"half of it", "incomplete or damaged"),
        ("mine.pth", b"other weights", "not a file of published weights"),
        ("empty.pth", b"", "not a file of published weights"),
    ],
)
def test_another_file_is_refused_and_leaves_nothing(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    store, _ = make_store(tmp_path)
    with pytest.raises(ValidationFailedError) as refused:
        store.add_file(name, io.BytesIO(content))
    assert reason in str(refused.value.details)
    assert RESNET.weights_file in str(refused.value.details)
    assert list(store.directory.iterdir()) == []


def test_the_publisher_is_asked_for_only_when_weights_are_wanted_and_missing(tmp_path: Path) -> None:
    store, asked = make_store(tmp_path, answer=False)
    assert store.find_facts(RESNET, is_wanted=False).can_download is None
    assert asked == []
    assert store.find_facts(RESNET, is_wanted=True).can_download is False
    assert len(asked) == 1
    assert store.find_facts(RESNET, is_wanted=False).can_download is False  # the last answer
    assert len(asked) == 1
    store.directory.mkdir()
    (store.directory / RESNET.weights_file).touch()
    assert store.find_facts(RESNET, is_wanted=True).is_here
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("given", "is_pretrained"),
    [({}, False), ({"pretrained": True}, True), ({"freeze_backbone": True}, True), ({"backbone": "resnet50"}, False)],
)
def test_without_weights_a_new_experiment_starts_from_scratch_unless_asked(
    studio: Studio, imported_id: str, given: dict[str, object], is_pretrained: bool
) -> None:
    request = ExperimentCreate(name="a", model=given)
    assert studio.experiments.create_experiment(imported_id, request).model.pretrained is is_pretrained


def test_with_weights_a_new_experiment_starts_from_them(studio: Studio, imported_id: str) -> None:
    store = studio.weights.directory
    store.mkdir()
    (store / RESNET.weights_file).touch()

    def starts(**model: object) -> bool:
        return studio.experiments.create_experiment(
            imported_id, ExperimentCreate(name="a", model=model)
        ).model.pretrained

    assert starts()
    assert not starts(pretrained=False)
    assert not starts(backbone="resnet34")


def test_a_mirror_that_was_set_up_counts_as_a_wish_for_weights(tmp_path: Path) -> None:
    assert not make_store(tmp_path)[0].prefers_pretrained(RESNET)
    assert make_store(tmp_path, mirror="http://mirror.test")[0].prefers_pretrained(RESNET)


def test_reachability_is_found_out_beside_and_kept_for_a_while() -> None:
    now, tried, done = [0.0], [], []

    def connect(host: str, port: int) -> None:
        tried.append((host, port))
        done.append(True)
        if len(tried) > 1:
            raise OSError

    found = Reachability(connect, lambda: now[0])
    url = "https://weights.test/models/a.pth"
    assert found.ask(url) is None
    _wait_for(found, url, True)
    assert tried == [("weights.test", 443)]
    now[0] = 61.0
    assert found.ask(url) is True  # what is known stays the answer until there is a newer one
    _wait_for(found, url, False)
    assert len(tried) == 2


def _wait_for(found: Reachability, url: str, answer: bool) -> None:
    for thread in found.threads():
        thread.join(10)
    assert found.ask(url) is answer


@pytest.mark.parametrize(
    ("url", "proxy", "address"),
    [
        ("https://a.test/x", "", ("a.test", 443)),
        ("http://a.test:81/x", "", ("a.test", 81)),
        ("https://a.test/x", "http://proxy.test:3128", ("proxy.test", 3128)),
        ("https://a.test/x", "proxy.test:3128", ("proxy.test", 3128)),
        ("https://a.test:99999/x", "", None),
        ("not an address", "", None),
        ("file:///tmp/x", "", None),
    ],
)
def test_address_that_a_download_connects_to(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str, address: tuple[str, int] | None
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    if proxy:
        monkeypatch.setenv("https_proxy", proxy)
    assert find_address(url) == address
