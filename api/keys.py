"""Who may do more than read: the one key."""

from __future__ import annotations

import hmac
import ipaddress
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import ProblemError
from settings import KEY_VARIABLE

_bearer = HTTPBearer(auto_error=False, description=f"The operator's key, {KEY_VARIABLE}.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def need_key(request: Request, credentials: Credentials) -> None:
    """Raises ProblemError, 403 where the server has no key and 401 where theirs is another."""
    key: str | None = request.app.state.key
    if key is None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"This server has no key, so nobody may do this; its operator can set {KEY_VARIABLE}.",
        )
    given = credentials.credentials if credentials else ""
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "This needs the server's key in the header Authorization, after “Bearer”.",
            headers={"WWW-Authenticate": "Bearer"},
        )


async def need_key_unless_local(request: Request, credentials: Credentials) -> None:
    """As `need_key`, but who asks from this machine, and through no proxy, needs none."""
    if not _is_local(request):
        await need_key(request, credentials)


def _is_local(request: Request) -> bool:
    if any(name in request.headers for name in ("forwarded", "x-forwarded-for")):
        return False
    try:
        return ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
