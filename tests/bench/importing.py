"""The dry run and the import of 10,000 photographs, and the pages of another project meanwhile."""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from app.client import StudioClient
from tests.bench.dry_run import Latencies, time_pages
from tests.bench.measuring import Figure, Scope
from tests.bench.photos import TASK, write_photos
from tests.bench.servers import WARM_SPARE, free_port, run_server, studio_command

NUM_IMAGES, QUICK_IMAGES = 10_000, 100
NUM_PHOTOS, QUICK_PHOTOS = 500, 50
MAX_IMPORT_S, MAX_CHECK_S = 60.0, 5.0
MAX_PAGE_MS = 200.0
BUSY = ("pending", "running")
JPEG_START = b"\xff\xd8"
COMMENT = b"\xff\xfe"


def write_many(folder: Path, num_photos: int, num_images: int) -> Path:
    """Write photographs and copies of them that differ by a comment in the file, so that no two are identical."""
    photos = write_photos(folder, num_photos)
    for number in range(num_photos, num_images):
        photo = photos[number % num_photos]
        comment = str(number).encode()
        head = JPEG_START + COMMENT + struct.pack(">H", len(comment) + 2) + comment
        photo.path.with_name(f"copy_{number:05}.jpg").write_bytes(
            head + photo.path.read_bytes().removeprefix(JPEG_START)
        )
    return folder


def describe_import(check_s: float, import_s: float, beside: Latencies, note: str, num_images: int) -> list[Figure]:
    """Return the durations and the slow pages; the goals are those of 10,000 images on two cores."""
    return [
        Figure(
            f"dry run of {num_images:,} images",
            "s",
            check_s,
            None,
            None,
            f"<= {MAX_CHECK_S:.0f} s",
            check_s <= MAX_CHECK_S,
            note,
        ),
        Figure(
            f"import of {num_images:,} images",
            "s",
            import_s,
            None,
            None,
            f"<= {MAX_IMPORT_S:.0f} s",
            import_s <= MAX_IMPORT_S,
            f"{num_images / import_s:.0f} images/s with thumbnails",
        ),
        Figure(
            "pages beside an import, p99",
            "ms",
            beside.p99,
            None,
            None,
            f"< {MAX_PAGE_MS:.0f} ms",
            beside.p99 < MAX_PAGE_MS,
            f"slowest {beside.slowest:.0f} ms of {len(beside.values)}",
        ),
    ]


def measure_import(scope: Scope) -> list[Figure]:
    """Measure a dry run and an import through a server; raises RuntimeError when one of them fails."""
    num_images = scope.pick(NUM_IMAGES, QUICK_IMAGES)
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        source = write_many(folder / "source", scope.pick(NUM_PHOTOS, QUICK_PHOTOS), num_images)
        with (
            run_server(studio_command(port, folder / "workspace"), port, {WARM_SPARE: "0"}) as server,
            StudioClient(server.url) as client,
            httpx.Client(trust_env=False, timeout=30.0) as http,
        ):
            project = client.projects.create("Benchmark", TASK).id
            url = f"{server.url}/api/datasets/{project}/import"
            body = {"source_path": str(source)}
            started = time.perf_counter()
            job_id = _start(http, f"{url}/check", body)
            _wait(lambda: client.datasets.get_check(project, job_id).status)
            check_s = time.perf_counter() - started
            report = client.datasets.get_check(project, job_id).report
            if report is None or report.num_images != num_images:
                raise RuntimeError(f"The dry run found something else: {report}")
            other = client.projects.create("Other", TASK).id
            pages = [f"{server.url}/projects/{other}/{noun}" for noun in ("dataset", "split", "training", "export")]
            time_pages(http, pages, lambda: False)  # the first of each compiles its template
            started = time.perf_counter()
            job_id = _start(http, f"{url}/local", body)

            def status() -> str:
                jobs = http.get(f"{server.url}/api/system/jobs").raise_for_status().json()["data"]["jobs"]
                return str(next(job["status"] for job in jobs if job["id"] == job_id))

            beside = time_pages(http, pages, lambda: status() in BUSY)
            import_s = time.perf_counter() - started
            if status() != "completed" or client.datasets.get(project).image_stats.num_images != num_images:
                raise RuntimeError("The import did not end with all images.")
    return describe_import(check_s, import_s, beside, "; ".join(report.notes), num_images)


def _start(http: httpx.Client, url: str, body: dict[str, Any]) -> str:
    answer = http.post(url, json=body, headers={"prefer": "respond-async"}).raise_for_status()
    return str(answer.json()["data"]["job_id"])


def _wait(status: Callable[[], str]) -> None:
    while status() in BUSY:
        time.sleep(0.05)
