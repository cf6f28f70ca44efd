"""What the tests' containers do: `program.py VERB …`, on nothing but the standard library."""

import http.server
import os
import pathlib
import signal
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """`/env` shows the environment, `/file?PATH` a file; `/fail` makes every later probe of `/ready` fail."""

    healthy = True

    def do_GET(self) -> None:
        """Any path."""
        if self.path == "/fail":
            type(self).healthy = False
        text = ""
        if self.path == "/env":
            text = "\n".join(f"{key}={value}" for key, value in sorted(os.environ.items()))
        elif self.path.startswith("/file?"):
            with pathlib.Path(self.path.partition("?")[2]).open() as file:
                text = file.read()
        elif self.path == "/arguments":
            text = "\n".join(sys.argv[1:])
        elif self.path == "/pid":
            text = str(os.getpid())
        self.send_response(503 if self.path == "/ready" and not self.healthy else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve() -> None:
    """Answer on the port of `--port`."""
    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def crash() -> None:
    """End with a code, having said something; in the termination log as well, if told to."""
    print("a first line\n" + sys.argv[3], flush=True)
    if "--tell" in sys.argv:
        with pathlib.Path(os.environ["TERMINATION_LOG_PATH"]).open("w") as file:
            file.write('{"code": "MODEL_LOAD_FAILED"}')
    sys.exit(int(sys.argv[2]))


def hog() -> None:
    """Take memory until somebody ends it."""
    held = []
    while True:
        held.append(bytearray(os.urandom(1 << 20)) * 4)
        time.sleep(0.01)


def stubborn() -> None:
    """Do not listen to SIGTERM, with a child that does not either."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
    print("deaf", flush=True)
    while True:
        time.sleep(60)


def count() -> None:
    """A line per tick, for ever or that many."""
    last = int(sys.argv[2]) if len(sys.argv) > 2 else 1 << 60
    number = 0
    while number < last:
        print(f"line {number}", flush=True)
        number += 1
        time.sleep(0.01)


if __name__ == "__main__":
    {"serve": serve, "crash": crash, "hog": hog, "stubborn": stubborn, "count": count}[sys.argv[1]]()
