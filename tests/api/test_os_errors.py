"""Every error number of the system has an answer, by where it comes from."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.api.errors import STATUS_BY_CODE
from app.api.os_errors import describe_os_error

WORKSPACE = Path("/somewhere/workspace")
EXPECTED = {
    "ENOSPC": 507,
    "EDQUOT": 507,
    "EFBIG": 507,
    "EROFS": 503,
    "EACCES": 503,
    "EPERM": 503,
    "EIO": 503,
    "EMFILE": 503,
    "ENFILE": 503,
    "ENOMEM": 503,
    "ESTALE": 503,
    "ENODEV": 503,
    "ENXIO": 503,
    "EINTR": 503,
    "EINVAL": 503,
    "ELOOP": 503,
    "EBUSY": 409,
    "ETXTBSY": 409,
    "EEXIST": 409,
    "ENOTDIR": 409,
    "EISDIR": 409,
    "ENOTEMPTY": 409,
    "ENOENT": 404,
    "ENAMETOOLONG": 422,
}
THEIRS = ("ENOENT", "EACCES", "EPERM", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG", "EINVAL", "ENXIO", "ENODEV")


@pytest.mark.parametrize("number", sorted(errno.errorcode), ids=lambda number: errno.errorcode[number])
def test_every_number_has_an_answer(number: int) -> None:
    for path in (None, str(WORKSPACE / "projects" / "x"), "/home/photos/a.png"):
        body = describe_os_error(OSError(number, os.strerror(number), path), WORKSPACE)
        assert body is not None
        assert STATUS_BY_CODE[body.code] in {404, 409, 422, 503, 507}
        assert body.message.endswith((".", "?"))


def test_the_number_decides_in_the_workspace() -> None:
    statuses = {}
    for name in EXPECTED:
        number = getattr(errno, name)
        inside = describe_os_error(OSError(number, "x", str(WORKSPACE / "projects")), WORKSPACE)
        unnamed = describe_os_error(OSError(number, "x"), WORKSPACE)
        assert inside == unnamed
        assert inside is not None
        statuses[name] = STATUS_BY_CODE[inside.code]
    assert statuses == EXPECTED


def test_what_is_wrong_with_a_path_of_the_user_is_theirs() -> None:
    for name in THEIRS:
        body = describe_os_error(OSError(getattr(errno, name), "x", "/home/photos/a.png"), WORKSPACE)
        assert body is not None
        assert STATUS_BY_CODE[body.code] == 422
        assert body.message.startswith("/home/photos/a.png ")
    failing = describe_os_error(OSError(errno.EIO, "x", "/home/photos/a.png"), WORKSPACE)
    assert failing is not None
    assert STATUS_BY_CODE[failing.code] == 503


def test_an_error_without_a_number_is_one_of_the_program() -> None:
    assert describe_os_error(OSError("something"), WORKSPACE) is None
