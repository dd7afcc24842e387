"""Serves static files: cached for long when the address contains the version, else revalidated each time."""

from __future__ import annotations

import re
from os import PathLike, stat_result
from pathlib import Path
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.templating import file_version

_KEPT = "public, max-age=31536000, immutable"
_VERSION_IN_NAME = re.compile(r"-\d+\.\d+\.\d+\.[a-z.]*js$")


class VersionedStaticFiles(StaticFiles):
    """Says how long each file may be kept; the default for the others is set with the security headers."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return the file, or 304."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        if _names_version(Path(full_path), stat_result.st_mtime_ns, scope):
            response.headers["cache-control"] = _KEPT
        return response


def _names_version(file: Path, mtime_ns: int, scope: Scope) -> bool:
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("v", [""])[0]
    return bool(_VERSION_IN_NAME.search(file.name)) or (asked != "" and asked == file_version(file, mtime_ns))
