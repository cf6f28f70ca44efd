"""One loopback port for https and plain http: kubectl sends its token over https only, probes have no use for it.

Which of the two a connection speaks is told by its first byte.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from merlin.localcluster.api.doors import write_private

_TLS_HANDSHAKE: Final = 0x16
_FIRST_BYTE_SECONDS: Final = 30.0
_LIFE: Final = datetime.timedelta(days=3650)
_RENEWED_BEFORE: Final = datetime.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server shows, and (base64 of PEM) what its clients trust."""

    context: ssl.SSLContext
    authority: str


class Listener:
    """Accepts connections for a protocol factory until stopped."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol], certificate: Certificate) -> None:
        self._protocol = protocol
        self._certificate = certificate
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._arriving: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; the port. Raises OSError when it is taken."""
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._socket))
        return int(self._socket.getsockname()[1])

    async def stop(self) -> None:
        """Accept nothing more. Idempotent."""
        tasks = [*([self._accepting] if self._accepting else []), *self._arriving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:
                # Too many open files, or a caller that is gone already: the next one may fare better.
                await asyncio.sleep(0.05)
                continue
            task = asyncio.create_task(self._welcome(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(_FIRST_BYTE_SECONDS):
                first = await _first_byte(connection)
            if first is None:
                connection.close()
                return
            secure = self._certificate.context if first == _TLS_HANDSHAKE else None
            await loop.connect_accepted_socket(self._protocol, connection, ssl=secure)
        except (OSError, TimeoutError):
            with contextlib.suppress(OSError):
                connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise


async def _first_byte(connection: socket.socket) -> int | None:
    """The first byte, left where it is; ``None`` when the caller hung up."""
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(BlockingIOError):
            seen = connection.recv(1, socket.MSG_PEEK)
            return seen[0] if seen else None
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(connection.fileno(), _resolve, readable)
        try:
            await readable
        finally:
            loop.remove_reader(connection.fileno())


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def certificate_in(folder: Path) -> Certificate:
    """The certificate of a folder (0700), made when it is missing or about to end."""
    folder.mkdir(mode=0o700, exist_ok=True)
    both = folder / "server.pem"
    if not both.exists() or _ends_soon(both.read_bytes()):
        write_private(both, _made())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    shown = x509.load_pem_x509_certificate(both.read_bytes()).public_bytes(serialization.Encoding.PEM)
    return Certificate(context, base64.b64encode(shown).decode())


def _ends_soon(pem: bytes) -> bool:
    found = x509.load_pem_x509_certificate(pem)
    return found.not_valid_after_utc < datetime.datetime.now(datetime.UTC) + _RENEWED_BEFORE


def _made() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "merlin-localcluster")])
    today = datetime.datetime.now(datetime.UTC)
    served = [
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes.default.svc"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(hours=1))
        .not_valid_after(today + _LIFE)
        .add_extension(x509.SubjectAlternativeName(served), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private
