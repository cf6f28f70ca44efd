"""Keys, certificates, static tokens and kubeconfigs of a test control plane.

Everything is made afresh per cluster and lies in one folder with rights 0600. It must never be used for anything but
a control plane on loopback: the token of the unprivileged user `dev` is a constant, so that tests can name it.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)
API_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
API_ADDRESSES = ("127.0.0.1", "10.96.0.1")
# The API server's name when it asks a kubelet for logs. A kubelet knows it by a client certificate of this name, signed
# by `ca.crt`: the API server of Kubernetes has no other way to say who it is (no token).
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
# Users with a static token: name -> groups. `dev` has no rights until somebody binds some.
USERS = {
    "system:kube-controller-manager": (),
    "system:kube-scheduler": (),
    "admin-by-token": ("system:masters",),
    "dev": ("devs",),
}


@dataclass(frozen=True, kw_only=True)
class Pki:
    """The files of one cluster's trust, in one folder."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def token(self, user: str) -> str:
        """The static token of a user of `USERS`."""
        for line in self.path("tokens.csv").read_text().splitlines():
            token, name, *_ = line.split(",")
            if name == user:
                return token
        raise KeyError(user)

    def kubeconfig(self, target: Path, *, server: str, user: str) -> Path:
        """Write a kubeconfig (0600) for a token user, or for `admin`, who has a client certificate."""
        if user == "admin":
            credentials = {
                "client-certificate-data": _base64(self.path("admin.crt")),
                "client-key-data": _base64(self.path("admin.key")),
            }
        else:
            credentials = {"token": self.token(user)}
        cluster = {"server": server, "certificate-authority-data": _base64(self.path("ca.crt"))}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        _write(target, yaml.safe_dump(content).encode())
        return target


def made(folder: Path) -> Pki:
    """The cluster's PKI, made now unless the folder already holds one."""
    pki = Pki(folder=folder)
    if not pki.path("tokens.csv").exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_certificates(pki)
        _make_service_account_key(pki)
        # Last, because its presence says that the folder is complete.
        _write(pki.path("tokens.csv"), _tokens().encode())
    return pki


def _make_certificates(pki: Pki) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("merlin-test-ca")
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    _store(pki, "ca", ca, ca_key)
    sans: list[x509.GeneralName] = [x509.DNSName(name) for name in API_NAMES]
    sans += [x509.IPAddress(ipaddress.ip_address(address)) for address in API_ADDRESSES]
    leaves: tuple[tuple[str, x509.Name, x509.ObjectIdentifier, list[x509.GeneralName]], ...] = (
        ("apiserver", _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, sans),
        ("admin", _name("admin", group="system:masters"), ExtendedKeyUsageOID.CLIENT_AUTH, []),
        ("kubelet-client", _name(KUBELET_CLIENT), ExtendedKeyUsageOID.CLIENT_AUTH, []),
    )
    for file, subject, purpose, names in leaves:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            _certificate(subject, ca_name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            # Python's TLS is strict from 3.13 on and wants to know which key signed.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if names:
            leaf = leaf.add_extension(x509.SubjectAlternativeName(names), critical=False)
        _store(pki, file, leaf.sign(ca_key, hashes.SHA256()), key)


def _make_service_account_key(pki: Pki) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _write(pki.path("service-accounts.key"), _pem(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(pki.path("service-accounts.pub"), public)


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # A clock that is a little behind must not refuse a certificate that was made just now.
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str, *, group: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _tokens() -> str:
    lines = []
    for user, groups in USERS.items():
        token = "dev-token" if user == "dev" else secrets.token_urlsafe(24)
        listed = f',"{",".join(groups)}"' if groups else ""
        lines.append(f"{token},{user},{user}{listed}")
    return "\n".join(lines) + "\n"


def _store(pki: Pki, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write(pki.path(f"{name}.crt"), certificate.public_bytes(serialization.Encoding.PEM))
    _write(pki.path(f"{name}.key"), _pem(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
