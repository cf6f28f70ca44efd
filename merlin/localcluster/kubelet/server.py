"""The kubelet's HTTPS server: the logs of its containers, for the API server alone.

Who asks names this host or the node (no other page, no other name that points here), and shows the token of
``home/kubelet-token``, or a client certificate of the API server that was signed by the cluster's authority (named in
the kubeconfig), as a real kube-apiserver does.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hmac
import ipaddress
import os
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from merlin.localcluster.kubelet.container import Container
from merlin.localcluster.kubelet.logs import LogQuery, read_log
from merlin.localcluster.origin import LOOPBACK, foreign

API_SERVER: Final = "kube-apiserver-kubelet-client"
"""The name of the client certificate that a kube-apiserver shows to kubelets (as kubeadm sets it up)."""

Find = Callable[[str, str, str], Container | None]
"""The container of (namespace, pod, container)."""


class LogServer:
    """Serves logs on a free loopback port; ``port`` and ``certificate`` (PEM) are known inside of `serving`."""

    def __init__(self, home: Path, kubeconfig: Path, node_name: str, find: Find) -> None:
        self.port = 0
        self.certificate = ""
        self._home = home
        self._authority = _cluster_authority(kubeconfig)
        self._node_name = node_name
        self._find = find
        self._token = kubelet_token(home)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve for the time of the block."""
        application = web.Application(middlewares=[self._no_strangers])
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        application.router.add_get("/healthz", _healthy)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls())
            await site.start()
            self.port = int(runner.addresses[0][1])
            yield
        finally:
            await runner.cleanup()

    def _tls(self) -> ssl.SSLContext:
        self.certificate, key = self_signed(self._node_name)
        both = self._home / "kubelet.pem"
        write_private(both, self.certificate + key)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(both)
        both.unlink()
        if self._authority:
            tls.verify_mode = ssl.CERT_OPTIONAL
            tls.load_verify_locations(cadata=self._authority)
        return tls

    @web.middleware
    async def _no_strangers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        stranger = foreign(request.headers, LOOPBACK | {self._node_name})
        return await handler(request) if stranger is None else web.Response(status=403, text=f"{stranger}\n")

    def _knows(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token.encode()):
            return True
        # TLS has verified it; whom it names is what counts.
        shown: dict[str, Any] = (request.get_extra_info("peercert") or {}) if self._authority else {}
        names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
        return names == [API_SERVER]

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if not self._knows(request):
            return web.Response(status=401, text="Unauthorized\n")
        namespace, pod, name = (request.match_info[part] for part in ("namespace", "pod", "container"))
        container = self._find(namespace, pod, name)
        if container is None:
            return web.Response(status=404, text=f'container "{name}" of pod "{namespace}/{pod}" is not on this node\n')
        is_previous = request.query.get("previous") == "true"
        attempt = container.attempts.previous if is_previous else container.attempts.last
        if attempt is None and is_previous:
            return web.Response(status=400, text=f'previous terminated container "{name}" in pod "{pod}" not found\n')
        if attempt is None:
            reason = (container.view.waiting or ("PodInitializing", ""))[0]
            return web.Response(status=400, text=f'container "{name}" in pod "{pod}" is waiting to start: {reason}\n')
        try:
            query = _query(request)
        except ValueError as error:
            return web.Response(status=400, text=f"{error}\n")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for piece in read_log(attempt, query):
                if request.transport is None or request.transport.is_closing():
                    return response
                if piece:
                    await response.write(piece)
            await response.write_eof()
        return response


def kubelet_token(home: Path) -> str:
    """The token that opens the kubelet's door, made by whoever comes first (0600)."""
    path = home / "kubelet-token"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    draft = home / f".kubelet-token.{os.getpid()}.{secrets.token_hex(4)}"
    write_private(draft, secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # only one of two can be first
    draft.unlink()
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def self_signed(node_name: str) -> tuple[str, str]:
    """(certificate, key) as PEM, for 127.0.0.1 and the node's name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node_name}")])
    now = datetime.datetime.now(datetime.UTC)
    addresses: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(node_name)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), encoded.decode()


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _query(request: web.Request) -> LogQuery:
    query = request.query
    tail, limit, seconds = (query.get(name) for name in ("tailLines", "limitBytes", "sinceSeconds"))
    since = None
    if seconds is not None:
        since = time.time() - int(seconds)
    elif at := query.get("sinceTime"):
        since = datetime.datetime.fromisoformat(at).timestamp()
    return LogQuery(
        follow=query.get("follow") == "true",
        tail_lines=int(tail) if tail is not None else None,
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit_bytes=int(limit) if limit is not None else None,
    )


def _cluster_authority(kubeconfig: Path) -> str:
    """The authority of the kubeconfig's first cluster, as PEM; empty when it names none."""
    content = yaml.safe_load(kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    if data := cluster.get("certificate-authority-data"):
        return base64.b64decode(data).decode()
    if path := cluster.get("certificate-authority"):
        return (kubeconfig.parent / str(path)).read_text()
    return ""
