"""Scripts and styles: small, fresh, complete, with their licences, and kept by browsers as long as they may be."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from app.api.templating import STATIC_DIR, TEMPLATES_DIR, asset_url
from app.schemas.event_table import list_event_classes
from tests.style_sheet import STYLE_SHEET, digest_sources, list_class_names, list_sources, mark_style_sheet, read_mark

JS = STATIC_DIR / "js"
# Before compression, which makes a third of it. Charts alone are 167,000, Alpine is 72,000 and htmx 52,000; the page of
# patterns loads all three, training 317,000. At 10 Mbit/s that is a tenth of a second, once a year.
MAX_PAGE_BYTES = 360_000
# All pages together: it costs nobody time, so there is room.
MAX_ALL_BYTES = 600_000


def scripts_of(template: str) -> set[str]:
    """Return the scripts that a page with this template loads, those of every page included."""
    base = (TEMPLATES_DIR / "base.html").read_text()
    macros = (TEMPLATES_DIR / "macros" / "scripts.html").read_text()
    core, alpine, chart = (
        macros[macros.index(f"macro {name}") : macros.index("endmacro", macros.index(f"macro {name}"))]
        for name in ("core_scripts", "alpine_script", "chart_scripts")
    )
    text = core + base + template
    text += chart if "{{ chart_scripts() }}" in template else ""
    text += alpine if "{{ alpine_script() }}" in template else ""
    found = set(re.findall(r"""js/([\w./-]+\.js)""", text))
    found |= {f"{name}.js" for name in re.findall(r"""island\("(\w+)"\)""", template)}
    listed = re.search(r"for name in \[([^\]]+)\]", core)
    assert listed is not None
    return found | {f"{name}.js" for name in re.findall(r'"(\w+)"', listed.group(1))}


def test_no_page_loads_more_than_it_may() -> None:
    """What a visitor waits for is what one page loads, so that is limited; the sum only keeps a package small."""
    pages = {
        path: scripts_of(path.read_text()) for path in TEMPLATES_DIR.rglob("*.html") if "islands" in path.read_text()
    }
    sizes = {
        path.relative_to(TEMPLATES_DIR).as_posix(): sum((JS / name).stat().st_size for name in names)
        for path, names in pages.items()
    }
    assert len(sizes) >= 9
    assert all(size > 90_000 for size in sizes.values()), sizes
    assert max(sizes.values()) < MAX_PAGE_BYTES, sizes
    files = sorted(JS.rglob("*.js"))
    assert len(files) >= 24
    assert sum(file.stat().st_size for file in files) < MAX_ALL_BYTES
    loaded = set().union(*pages.values())
    assert {file.relative_to(JS).as_posix() for file in files} <= loaded, "a script that no page loads"


def test_vendored_files_name_their_version_and_licence() -> None:
    listed = (JS / "vendor" / "VENDORED.md").read_text()
    scripts = sorted((JS / "vendor").glob("*.js"))
    assert len(scripts) == 3
    for script in scripts:
        version = re.search(r"-(\d+\.\d+\.\d+)\.", script.name)
        assert version is not None
        row = next(line for line in listed.splitlines() if f"`{script.name}`" in line)
        assert version.group(1) in row.replace(script.name, "")
        licence = re.search(r"`(LICENSE-[a-z]+\.txt)`", row)
        assert licence is not None
        assert len((JS / "vendor" / licence.group(1)).read_text()) > 300
        assert "sourceMappingURL" not in script.read_text()


def test_our_scripts_write_no_markup_and_no_style_attribute() -> None:
    scripts = sorted(JS.glob("*.js"))
    assert len(scripts) >= 9
    for script in scripts:
        source = script.read_text()
        assert not re.search(r"innerHTML\s*=|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(", source), script
        assert not re.search(r"setAttribute\(.style|https?://", source), script


def test_style_sheet_was_compiled_from_what_is_here() -> None:
    assert len(list_sources()) >= 50
    assert read_mark(STYLE_SHEET.read_text()) == digest_sources(), "run `make css` and commit app.css"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<p class="flex gap-2 {% if wide %}hidden{% endif %}">', {"flex", "gap-2", "hidden"}),
        ('{% set tone = "alert-error" %}', {"alert-error"}),
        ("node.classList.add('hidden')", {"hidden"}),
        ('node.className = "badge md:inline-flex"', {"badge", "md:inline-flex"}),
        ("<b class='w-[12ch] -mt-1 text-base/6'>", {"w-[12ch]", "-mt-1", "text-base/6"}),
    ],
)
def test_class_names_are_found_where_they_stand(text: str, expected: set[str]) -> None:
    assert expected <= list_class_names(text)


def test_a_sentence_worded_anew_needs_no_new_style_sheet() -> None:
    before = list_class_names('<p class="text-sm">Choose a table and a block of images.</p>')
    assert before == list_class_names('<p class="text-sm">Pick a grid, then the images.</p>')
    assert before != list_class_names('<p class="text-lg">Choose a table and a block of images.</p>')


def test_mark_of_the_style_sheet_is_replaced_and_not_added(tmp_path: Path) -> None:
    path = tmp_path / "app.css"
    path.write_text("body{}")
    assert read_mark(path.read_text()) is None
    for _ in range(2):
        mark_style_sheet(path)
        assert path.read_text() == f"/* sources: {digest_sources()} */\nbody{{}}"


def test_live_script_knows_every_type_of_event() -> None:
    source = (JS / "live.js").read_text()
    table = source[source.index("const TOPIC_OF = {") : source.index("};", source.index("const TOPIC_OF = {"))]
    known = re.findall(r"\b([A-Z][A-Z_]+): \"", table)
    types = [str(event.model_fields["type"].default) for event in list_event_classes()]
    assert len(types) > 40
    assert sorted(known) == sorted(types)


def test_versioned_files_are_kept_and_others_are_asked_for_anew(client: httpx.Client) -> None:
    html = client.get("/projects").text
    urls = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
    assert len(urls) >= 9
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 200, url
        assert "immutable" in answer.headers["cache-control"], url
        assert answer.headers["etag"]
    assert asset_url("css/app.css") in urls
    for url in ("/static/css/app.css", "/static/css/app.css?v=0123456789ab", "/static/js/app.js"):
        assert client.get(url).headers["cache-control"] == "no-cache"


def test_package_carries_them() -> None:
    source = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '"templates/**/*", "static/**/*"' in source
