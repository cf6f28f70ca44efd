"""The ports of a platform on loopback: chosen once, and held until it stops, so that no other program gets one.

A held port is bound, not listened on: the server that it is for may bind it as well (both set SO_REUSEADDR), also each
time it is restarted, while nobody is given it who asks for any free one. Only Linux allows that; elsewhere a port is
chosen and let go. Free ones come from below those the kernel gives to outgoing connections, and from below the pods'.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys

import psutil

from merlin.errors import Misconfigured

_FREE = (*range(10000, 10080), *range(10081, 20000))  # browsers refuse 10080 (the Fetch standard's "bad ports")
_ATTEMPTS = 200


class Ports:
    """The ports held by this process. `close` lets go of all."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, wanted: int, *, name: str, otherwise: str | None = None, ours: bool = False) -> int:
        """Hold ``wanted``, or any free one where that is 0 or taken.

        ``otherwise``: what to do when just that one is taken; given, it raises Misconfigured instead.
        ``ours``: it was ours before, so connections that linger on it are no reason to take another.
        """
        if wanted:
            holder = _bound(wanted, shared=ours or otherwise is not None)
            if holder is None and otherwise is not None:
                raise Misconfigured(f"Port {wanted} ({name}) is taken.", hint=otherwise)
            if holder is not None:
                return self._hold(holder)
        for _ in range(_ATTEMPTS):
            if holder := _bound(random.choice(_FREE), shared=False):  # noqa: S311
                return self._hold(holder)
        raise Misconfigured(f"No free port for {name}.", hint="Close some programs.")

    def close(self) -> None:
        """Let go of all. Idempotent."""
        while self._held:
            self._held.pop().close()

    def _hold(self, holder: socket.socket) -> int:
        port = int(holder.getsockname()[1])
        if sys.platform == "linux":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.append(holder)
        else:
            holder.close()
        return port


def listens(pid: int, port: int) -> bool:
    """Whether that very process listens on the port; whoever else answers there is not it."""
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid).net_connections("tcp")
        return any(c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port for c in found)
    return False


def _bound(port: int, *, shared: bool) -> socket.socket | None:
    """A socket bound to the port, ``None`` when it is taken. ``shared``: it may be bound already, not listened on."""
    holder = socket.socket()
    if shared:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return None
    return holder
