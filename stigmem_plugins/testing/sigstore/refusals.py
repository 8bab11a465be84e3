"""The one way in which the services of a local authority say no."""

from __future__ import annotations

from http import HTTPStatus


class RequestRefused(Exception):  # noqa: N818  # an answer to a request, not a fault of the service
    """A service does not do what was asked.

    Args:
        reason: What is wrong with the request.
        status: The HTTP status that says so.
    """

    def __init__(self, *, reason: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(reason)
        self.status = status
