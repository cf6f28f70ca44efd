"""A container's program for tests: answers every GET with its name, and can be told to fail.

`program.py [--port PORT] [--exit CODE] [--never-ready] [--name NAME]`.
"""

from __future__ import annotations

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers with the program's name; /ready with 503 while it is not to be ready."""

    name = "program"
    ready = True

    def do_GET(self) -> None:
        """Any path."""
        is_refused = not self.ready and self.path.endswith("/ready")
        body = json.dumps({"name": self.name, "path": self.path}).encode()
        self.send_response(503 if is_refused else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log belongs to the tests."""


def main() -> int:
    """Serve, or end at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--exit", type=int, default=None)
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--name", default="program")
    chosen, _ = parser.parse_known_args()
    print(f"{chosen.name} starts", flush=True)
    if chosen.exit is not None:
        print(f"{chosen.name} ends with {chosen.exit}", flush=True)
        return int(chosen.exit)
    Handler.name, Handler.ready = chosen.name, not chosen.never_ready
    ThreadingHTTPServer(("127.0.0.1", chosen.port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
