"""The credentials that a kubeconfig leads to: a token of its own, of a file, an exec plugin or an OpenID provider.

kubernetes_asyncio asks for them once and for ever: a plugin that hangs is waited for without end, one that fails once
is never asked again, and neither a file nor a provider is. Here everybody is asked again and again, with a deadline,
and what was given last is used meanwhile. Certificates that a plugin gives are taken once: they are the connection's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import yaml

from merlin.domain.environment import ClusterConfig
from merlin.errors import MerlinError, Misconfigured, Unavailable
from merlin.kube import refusals
from merlin.kube.lean_import import ConfigException, Configuration, ExecProvider, kube_config

log = logging.getLogger(__name__)

_SECONDS = 15.0
_RENEW_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1.0
_EARLY = timedelta(minutes=5)
_MOST_WORDS = 300
_WELL_KNOWN = "/.well-known/openid-configuration"
# The library asserts what it needs of the file, such as a cluster's server.
_UNREADABLE = (ConfigException, OSError, ValueError, TypeError, AttributeError, AssertionError, yaml.YAMLError)


class Credentials:
    """Those of one cluster: `load` puts them into a configuration, `keep_fresh` puts newer ones there."""

    def __init__(self, config: ClusterConfig) -> None:
        """Read the kubeconfig. Raises Misconfigured."""
        self._name = config.name
        try:
            self._loader = _Loader(kube_config.KubeConfigMerger(str(config.kubeconfig)).config, config_base_path=None)
        except _UNREADABLE as error:
            raise unusable(self._name, error) from error

    async def load(self, configuration: Configuration) -> None:
        """Ask for them, within some seconds. Raises Misconfigured, Unavailable (whoever gives them failed)."""
        try:
            await self._loader.load_and_set(configuration)
        except _UNREADABLE as error:
            raise unusable(self._name, error) from error

    async def keep_fresh(self, configuration: Configuration) -> None:
        """Ask again every minute until cancelled; after a failure sooner, and ever later while it lasts."""
        pause, sooner = _RENEW_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                await self.load(configuration)
                pause, sooner = _RENEW_SECONDS, _FIRST_PAUSE_SECONDS
            except MerlinError as error:
                pause, sooner = sooner, min(sooner * 2, _RENEW_SECONDS)
                fields = {"cluster": self._name, "reason": error.message, "delay": pause}
                log.warning("credentials could not be renewed", extra=fields)


def unusable(name: str, error: Exception) -> Misconfigured:
    """What stands in the environments file, or in the kubeconfig that it names, leads nowhere."""
    return Misconfigured(
        f"The cluster {name!r} cannot be used: {error}", hint="Check its entry in the environments file."
    )


class _Loader(kube_config.KubeConfigLoader):
    """The library's, but for who is asked: within a deadline, and Unavailable when they fail."""

    cert_file: str | None
    key_file: str | None
    expires_at: datetime | None = None

    async def _load_authentication(self) -> None:
        if self.provider is None and "exec" not in (self._user or {}):
            await super()._load_authentication()
            return
        try:
            async with asyncio.timeout(_SECONDS):
                await super()._load_authentication()
        except (FileNotFoundError, PermissionError):
            raise  # the plugin's program: trying again does not bring it
        except TimeoutError as error:
            raise _not_given(f"no answer within {_SECONDS:.0f} s") from error
        except Exception as error:
            raise _not_given(str(error) or type(error).__name__) from error

    async def load_from_exec_plugin(self) -> bool:
        """Run the plugin, unless what it gave is good for some minutes."""
        is_good = self.expires_at is not None and datetime.now(UTC) < self.expires_at - _EARLY
        if is_good or self._user is None:
            return True
        status = await _Plugin(self._user["exec"]).run()
        if "token" in status:
            self.token = f"Bearer {status['token']}"
        elif "clientCertificateData" in status and "clientKeyData" in status:
            self.cert_file = _file_of(status, "clientCertificateData")
            self.key_file = _file_of(status, "clientKeyData")
        else:
            raise ConfigException("the plugin gave neither a token nor a certificate with its key")
        stated = status.get("expirationTimestamp")
        self.expires_at = datetime.fromisoformat(stated) if stated else None
        return True

    async def _refresh_oidc(self, provider: kube_config.ConfigNode) -> None:
        """Get another token of the provider. The library would give it the secrets whatever its certificate says."""
        given = provider["config"].value
        if "refresh-token" not in given:
            raise ConfigException("the provider's id-token has expired, and there is no refresh-token")
        authority = given.get("idp-certificate-authority-data")
        trusted = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        client = base64.b64encode(f"{given['client-id']}:{given.get('client-secret') or ''}".encode()).decode()
        asked = {"grant_type": "refresh_token", "refresh_token": given["refresh-token"]}
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Basic {client}"},
            connector=aiohttp.TCPConnector(ssl=trusted),
            raise_for_status=True,
            trust_env=True,
        ) as session:
            async with session.get(f"{given['idp-issuer-url'].rstrip('/')}{_WELL_KNOWN}") as response:
                known = await response.json()
            async with session.post(known["token_endpoint"], data=asked) as response:
                tokens = await response.json()
        given["id-token"] = tokens["id_token"]
        given["refresh-token"] = tokens.get("refresh_token") or given["refresh-token"]


class _Plugin(ExecProvider):
    """A program that prints credentials. The library's would go on when nobody waits for it any more."""

    async def run(self, previous_response: str | None = None) -> dict[str, Any]:
        """The status that it printed. Raises ConfigException, OSError, ValueError."""
        asked = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        process = await asyncio.create_subprocess_exec(
            *self.args,
            env={**self.env, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            printed, complained = await process.communicate()
        except BaseException:  # however the wait ended, no plugin may be left
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        if process.returncode != 0:
            words = complained.decode("utf-8", "replace").strip()[-_MOST_WORDS:]
            raise ConfigException(f"the plugin ended with {process.returncode}: {words}".rstrip(": "))
        answer = json.loads(printed)
        if not isinstance(answer, dict) or answer.get("apiVersion") != self.api_version:
            raise ConfigException(f"the plugin did not print an ExecCredential of {self.api_version}")
        status = answer.get("status")
        return status if isinstance(status, dict) else {}


def _not_given(why: str) -> Unavailable:
    return refusals.unreachable(f"it has no credentials: {why}")


def _file_of(status: dict[str, Any], key: str) -> str | None:
    return kube_config.FileOrData(status, None, data_key_name=key, base64_file_content=False).as_file()
