"""The services of an authority on a port of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import attrs

from stigmem_plugins.testing.sigstore import trust
from stigmem_plugins.testing.sigstore.service import Answer, Services

_SIZE = re.compile("[0-9]{1,8}")


@attrs.frozen
class ServedAuthority:
    """A local authority that answers over HTTP, while the block of `serve` lasts.

    Attributes:
        url: Where it is served.
    """

    url: str
    _services: Services

    def trust_config_json(self) -> str:
        """Return what `ClientTrustConfig.from_json` takes to sign and verify with it."""
        return json.dumps(trust.client_trust_config(self._services, self.url), indent=2)

    def write_trust_config(self, path: Path) -> Path:
        """Write the client trust configuration to `path`, and return `path`."""
        path.write_text(self.trust_config_json(), encoding="utf-8")
        return path


@contextmanager
def serve(services: Services) -> Iterator[ServedAuthority]:
    """Serve on a free port of the loopback interface until the block ends."""
    with _Server(services) as server:
        thread = Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield ServedAuthority(f"http://127.0.0.1:{server.server_port}", services)
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, clients that come in a burst time out

    def __init__(self, services: Services) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.services = services


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, and ends the connection."""

    server: _Server
    timeout = 10  # seconds, for a client that says less than it announced

    def handle(self) -> None:
        """Answer, unless the client is gone."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        """Hand the request to the services."""
        size = self.headers.get("Content-Length", "0")
        if _SIZE.fullmatch(size):
            authorization = self.headers.get("Authorization", "")
            body = self.rfile.read(int(size))
            answer = self.server.services.answer(self.command, self.path, authorization, body)
        else:
            answer = Answer.refusal(HTTPStatus.BAD_REQUEST, f"Content-Length is no size: {size}")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    # The names that http.server calls; to any other method, it says itself that it has none.
    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_args: Any) -> None:
        """Keep the output of tests clean: what went wrong is in the answer."""
