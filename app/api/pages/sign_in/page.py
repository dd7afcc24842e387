"""The page that asks a browser for the token once, and the end of its session. Scripts send it with each request."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.api.dependencies import StudioDep
from app.api.security.sessions import (
    SESSION_COOKIE,
    SIGN_IN_PATH,
    SIGN_OUT_PATH,
    START_PATH,
    Sessions,
    is_same,
    safe_return_path,
)
from app.api.security.tokens import read_session
from app.api.templating import Fragment, render_fragment
from app.core.signed_out import SESSION_AGE_S

router = APIRouter(include_in_schema=False)
# Guessing is slow; a token has at least eight characters.
WRONG_TOKEN_DELAY_S = 0.5


@dataclass(frozen=True)
class SignInContext:
    """Names for `sign_in/index.html`. `next` is the path to go on to."""

    next: str
    error: str = ""
    section: str = ""


@router.head(SIGN_IN_PATH)
@router.get(SIGN_IN_PATH)
def show_sign_in(studio: StudioDep, next: str = START_PATH) -> Response:  # noqa: A002 - the usual name in an address
    """Ask for the token; without one there is nothing to ask for."""
    if not studio.settings.token:
        return RedirectResponse(START_PATH, 303)
    return _page(SignInContext(safe_return_path(next)))


@router.post(SIGN_IN_PATH)
def sign_in(
    request: Request,
    studio: StudioDep,
    token: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = START_PATH,  # noqa: A002
) -> Response:
    """Give the browser a session and go on to where it was."""
    expected = studio.settings.token
    if not expected:
        return RedirectResponse(START_PATH, 303)
    path = safe_return_path(next)
    if not is_same(token.strip(), expected):
        sleep(WRONG_TOKEN_DELAY_S)
        return _page(SignInContext(path, "This token is not correct. Check AI_STUDIO_TOKEN and try again."), 401)
    answer = RedirectResponse(path, 303)
    answer.set_cookie(
        SESSION_COOKIE,
        sessions_of(request).begin(),
        max_age=SESSION_AGE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post(SIGN_OUT_PATH)
def sign_out(request: Request, studio: StudioDep) -> Response:
    """End the session of this browser, whether it had one or not; a copy of its cookie is worth nothing afterwards."""
    sessions_of(request).end(read_session(request.headers))
    answer = RedirectResponse(SIGN_IN_PATH if studio.settings.token else START_PATH, 303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


def sessions_of(request: Request) -> Sessions:
    """Return the sessions of this server."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def _page(context: SignInContext, status: int = 200) -> HTMLResponse:
    return HTMLResponse(render_fragment(Fragment("sign_in/index.html", context)), status)
