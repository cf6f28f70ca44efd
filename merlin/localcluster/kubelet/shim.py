"""What stands between the kubelet and a container's process: starts it, keeps its log, writes down how it ended.

Run as a program of its own (`python -I -S -E shim.py FOLDER`), so that neither process nor log nor exit code depends
on a living kubelet. It holds the lock that it inherited on stdin for as long as it lives: who can take that
lock knows for certain that it is gone. It imports as little as can be, since one runs per container.

The folder holds ``command``, ``environment`` (items separated by NUL) and ``cwd``; the shim writes ``running`` (pid and
start time of the process), ``log`` (and ``log.1``) and, last of all and whole or not at all, ``exit``.
"""

import os
import select
import signal
import sys
import time

LOG_BYTES = 8 * 1024 * 1024  # of one file; two are kept
LONGEST_LINE = 16 * 1024
LINGER_SECONDS = 0.2  # for what a process wrote just before its end


def main(folder: str) -> int:
    """Run the container's process to its end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    output, writing = os.pipe()
    log = Log(folder)
    try:
        pid = _start(folder, writing)
    except OSError as error:
        log.take(f"{error}\n".encode())
        _write(folder + "/exit", f"{127 if isinstance(error, FileNotFoundError) else 126} {time.time()}")
        return 1
    os.close(writing)
    try:
        _write(folder + "/running", f"{pid} {_start_ticks(pid)} {time.time()}")
    except OSError:
        # A full disk: a process that nobody could find again must not run.
        _kill_group(pid)
        return 1
    status = _follow(pid, output, ended, log)
    finished = time.time()
    # Whatever the process left behind in its group ends with it, as in a container.
    _kill_group(pid)
    log.drain(output, time.monotonic() + LINGER_SECONDS)
    _write(folder + "/exit", f"{_code(status)} {finished}")
    return 0


class Log:
    """Lines with the time they came at, in a file that never grows for ever."""

    def __init__(self, folder: str) -> None:
        self._path = folder + "/log"
        self._rest = b""
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def take(self, piece: bytes) -> None:
        """Write the lines that are whole by now, and what is too long to wait for its end."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        if lines:
            stamp = _stamp().encode()
            self._write(b"".join(stamp + b" " + line + b"\n" for line in lines))

    def drain(self, output: int, deadline: float) -> None:
        """Take what still lies in the pipe; not longer, as somebody else may hold its other end."""
        os.set_blocking(output, False)
        while time.monotonic() < deadline:
            try:
                piece = os.read(output, 65536)
            except BlockingIOError:
                break
            if not piece:
                break
            self.take(piece)
        if self._rest:
            self.take(b"\n")

    def _write(self, lines: bytes) -> None:
        try:
            if self._size > LOG_BYTES:
                os.rename(self._path, self._path + ".1")  # noqa: PTH104
                os.close(self._file)
                self._open()
            self._size += os.write(self._file, lines)
        except OSError:
            return  # a full disk costs lines, not the process


def _start(folder: str, writing: int) -> int:
    command = _items(folder + "/command")
    environment = dict(item.split("=", 1) for item in _items(folder + "/environment"))
    cwd = _items(folder + "/cwd")[0]
    os.unlink(folder + "/environment")  # noqa: PTH108 - secrets lie on no disk longer than need be
    trouble, troubled = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.chdir(cwd)
            nothing = os.open("/dev/null", os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(command[0], command, environment)  # noqa: S606
        except OSError as error:
            os.write(troubled, f"{error.errno} {command[0]}: {error.strerror}".encode())
        finally:
            os._exit(127)
    os.close(troubled)
    said = os.read(trouble, 4096).decode("utf-8", "replace")
    os.close(trouble)
    if said:
        os.waitpid(pid, 0)
        code, _, text = said.partition(" ")
        raise OSError(int(code), text)
    return pid


def _follow(pid: int, output: int, ended: int, log: Log) -> int:
    """Keep the log until the process ends; its wait status."""
    poll = select.poll()
    poll.register(output, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == output:
                piece = os.read(output, 65536)
                if not piece:
                    poll.unregister(output)
                log.take(piece)
            else:
                os.read(ended, 512)
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return status


def _nothing(number: int, frame: object) -> None:
    """A handler must be there for the wake-up."""


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        return


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _start_ticks(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return "0"


def _items(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        return file.read().split("\0")[:-1]


def _write(path: str, text: str) -> None:
    draft = path + ".new"
    with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    os.rename(draft, path)  # noqa: PTH104


def _stamp() -> str:
    now = time.time_ns()
    seconds, rest = divmod(now, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
