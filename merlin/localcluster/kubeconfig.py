"""How to reach an API server, as a kubeconfig file says it: address, trust and credentials."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """One API server and who we are to it. ``tls`` is ``None`` for plain http."""

    server: str
    token: str = ""
    tls: ssl.SSLContext | None = None


def read_kubeconfig(path: Path) -> Access:
    """The access of the current context: http or https; token, token file or client certificate; CA as data or file.

    Raises ValueError when the file misses something or has an unknown way to log in, OSError when it cannot be read.
    """
    content = yaml.safe_load(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a kubeconfig")
    context = _named(content, "contexts", str(content.get("current-context", "")), path)["context"]
    cluster = _named(content, "clusters", str(context["cluster"]), path)["cluster"]
    user = _named(content, "users", str(context["user"]), path).get("user") or {}
    if "exec" in user or "auth-provider" in user:
        raise ValueError(f"{path}: logging in by {'exec' if 'exec' in user else 'auth-provider'} is not supported")
    server = str(cluster["server"]).rstrip("/")
    tls = _tls(cluster, user, path.parent) if server.startswith("https:") else None
    return Access(server, _token(user, path.parent), tls)


def _named(content: Mapping[str, Any], what: str, name: str, path: Path) -> Mapping[str, Any]:
    for entry in content.get(what) or []:
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry
            return found
    raise ValueError(f"{path}: no {name!r} among its {what}")


def _token(user: Mapping[str, Any], folder: Path) -> str:
    if user.get("token"):
        return str(user["token"])
    return (folder / user["tokenFile"]).read_text().strip() if user.get("tokenFile") else ""


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if authority := _content(cluster, "certificate-authority", folder):
        trust = ssl.create_default_context(cadata=authority.decode())
    if cluster.get("insecure-skip-tls-verify"):
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    certificate = _content(user, "client-certificate", folder)
    key = _content(user, "client-key", folder)
    if certificate and key:
        with _private_file(certificate + b"\n" + key) as both:
            trust.load_cert_chain(both)
    return trust


def _content(entry: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / entry[name]).read_bytes() if entry.get(name) else None


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    # OpenSSL reads client keys from files only; this one (0600) is gone as soon as it was read.
    with tempfile.NamedTemporaryFile(prefix="merlin-", suffix=".pem") as file:
        file.write(content)
        file.flush()
        yield file.name
