"""A server that answers what a test says, and the state folder that leads the command line to it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec

from hideaway.cloud.founding import Credentials
from hideaway.server.state import Folder, Server

OWNER = Credentials(
    access_key="SCW" + "A" * 17,
    secret_key="aaaaaaaa-1111-4111-8111-111111111111",
    organization_id="bbbbbbbb-1111-4111-8111-111111111111",
    project_id="cccccccc-1111-4111-8111-111111111111",
    user_id="dddddddd-1111-4111-8111-111111111111",
)


class Fake:
    """Routes and what was asked of them: (method, path, key, body)."""

    def __init__(self, routes: dict[tuple[str, str], tuple[int, object]]):
        self.routes = routes
        self.asked: list[tuple[str, str, str, object]] = []


@contextlib.contextmanager
def serving(
    folder: Path, routes: dict[tuple[str, str], tuple[int, object]], data_plane: str = "linux"
) -> Iterator[Fake]:
    """Serve the routes on a free port, as the server of a state folder, for as long as the block runs."""
    fake = Fake(routes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.headers.get("X-Auth-Token", "")
            fake.asked.append((self.command, self.path, key, msgspec.json.decode(body) if body else None))
            status, answer = fake.routes.get((self.command, self.path), (404, {"message": "no such route"}))
            content = (
                answer if isinstance(answer, bytes) else msgspec.json.encode(answer) if answer is not None else b""
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        kept = Folder(folder)
        kept.keep_owner(OWNER)
        url = f"http://127.0.0.1:{server.server_port}"
        kept.keep_server(Server(url=url, pid=os.getpid(), data_plane=data_plane, version="0"))
        yield fake
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
