"""The parity certificate in words, with its figures and its worst images. Judges nothing: the certificate says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from app.api.pages.subsets import SUBSET_TITLES
from app.number_text import format_number
from app.schemas.export import ParityCertificate
from app.schemas.export_pages import ComparedMetric, ParityImage


@dataclass(frozen=True)
class WorstTile:
    """An image on which the file differs most; without `url` the dataset does not hold it any more."""

    filename: str
    text: str
    url: str
    href: str


@dataclass(frozen=True)
class Certificate:
    """What the page shows of a certificate."""

    passed: bool
    sentence: str
    reason: str
    facts: list[tuple[str, str]]
    metrics: list[list[str]]
    worst: tuple[WorstTile, ...]


def make_certificate(
    project_id: str,
    certificate: ParityCertificate,
    metrics: Sequence[ComparedMetric],
    worst: Sequence[ParityImage],
) -> Certificate:
    """Return a certificate for the page."""
    subsets = " and ".join(SUBSET_TITLES.get(name, name).lower() for name in certificate.subsets)
    noun = "image" if certificate.num_images == 1 else "images"
    images = " ".join(filter(None, (f"{certificate.num_images:,}", subsets, noun)))
    verdict = "passed" if certificate.passed else "not passed"
    return Certificate(
        passed=certificate.passed,
        sentence=(
            f"On {images}, the outputs of the exported file and the model differ by at most "
            f"{_short(certificate.max_diff)} (allowed: below {_short(certificate.tolerance)}): {verdict}."
        ),
        reason=certificate.reason or "",
        facts=_facts(certificate),
        metrics=[[metric.title, _figure(metric.model), _figure(metric.exported)] for metric in metrics],
        worst=tuple(_tile(project_id, image) for image in worst),
    )


def _facts(certificate: ParityCertificate) -> list[tuple[str, str]]:
    facts = [
        ("Largest difference", _short(certificate.max_diff)),
        ("Mean difference", _short(certificate.mean_diff)),
        ("Allowed", f"below {_short(certificate.tolerance)}"),
        ("Same prediction", f"{100 * certificate.agreement:.4g} % of the images"),
        ("Images compared", _compared(certificate)),
        ("Runtime", certificate.runtime),
    ]
    if certificate.batch_sizes:
        sizes = sorted(set(certificate.batch_sizes))
        facts.append(("Batch sizes", ", ".join(str(size) for size in sizes[:4])))
    if certificate.num_skipped:
        facts.append(("Images skipped", f"{certificate.num_skipped:,}"))
    if certificate.reproducible:
        facts.append(("Trained", "reproducibly, in 32 bit"))
    return facts


def _compared(certificate: ParityCertificate) -> str:
    if certificate.num_available <= certificate.num_images:
        return f"{certificate.num_images:,} images"
    drawn = f", selected with seed {certificate.seed}" if certificate.seed is not None else ""
    return f"{certificate.num_images:,} of {certificate.num_available:,} images{drawn}"


def _short(value: float) -> str:
    """Return two digits without padding: 7.1e-6."""
    return re.sub(r"e([+-])0+", r"e\1", f"{value:.2g}")


def _figure(value: float | None) -> str:
    return "-" if value is None else format_number(value)


def _tile(project_id: str, image: ParityImage) -> WorstTile:
    if not image.is_there:
        return WorstTile(image.source_name or image.filename, _short(image.diff), "", "")
    return WorstTile(
        filename=image.source_name or image.filename,
        text=_short(image.diff),
        url=f"/api/datasets/{project_id}/thumbnails/{quote(image.filename)}",
        href=f"/projects/{project_id}/dataset?{urlencode({'image': image.filename})}",
    )
