"""The schema in process, asked as a caller would, with the statements that each question cost."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from merlin.db.actor import Actor
from merlin.db.connection import borrowed
from merlin.db.secrets import SecretKey
from merlin.resolvers.clusters import Clusters
from merlin.resolvers.context import Context
from merlin.resolvers.runs import RunReader
from merlin.schema import build_schema
from merlin.schema.error_format import format_errors
from merlin.settings import Settings
from merlin.tracking.client import MlflowClient

SCHEMA = build_schema()
NOBODY = "http://127.0.0.1:9"  # nobody listens on the port `discard`
ADMIN = Actor("root", is_administrator=True, request_id="request-admin")


@dataclass
class Api:
    """A caller of the API."""

    context: Context

    def as_(self, subject: str, *, administrator: bool = False) -> Api:
        """The same API, called by somebody else."""
        actor = Actor(subject, is_administrator=administrator, request_id=f"request-{subject}")
        given = self.context
        parts = (given.settings, given.public_url, given.mlflow, given.runs, given.clusters, given.secret_key)
        return Api(Context(actor, *parts))

    async def answer(self, query: str, /, **variables: Any) -> tuple[Any, list[dict[str, Any]]]:
        """Data, and errors as they leave the API."""
        result: Any = await SCHEMA.execute(query, variable_values=variables, context_value=self.context)
        return result.data, format_errors(result.errors or [], request_id="test")

    async def ask(self, query: str, /, **variables: Any) -> Any:
        """The data; fails on errors."""
        data, errors = await self.answer(query, **variables)
        assert not errors, errors
        return data

    async def refused(self, query: str, /, **variables: Any) -> list[dict[str, Any]]:
        """The errors' extensions; fails when there are none."""
        _, errors = await self.answer(query, **variables)
        assert errors
        return [error["extensions"] for error in errors]

    async def change(self, name: str, returns: str, /, **fields: Any) -> Any:
        """The payload of a mutation; fails on user errors."""
        payload = await self._mutate(name, returns, fields)
        assert payload["errors"] == []
        return payload

    async def refusals(self, name: str, /, **fields: Any) -> list[tuple[str, list[str]]]:
        """Code and path of each user error of a mutation that is to be refused."""
        payload = await self._mutate(name, "", fields)
        return [(error["code"], error["path"]) for error in payload["errors"]]

    async def _mutate(self, name: str, returns: str, fields: dict[str, Any]) -> Any:
        kind = name[0].upper() + name[1:] + "Input"
        query = (
            f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {returns} errors {{ code message path hint }} }} }}"
        )
        return (await self.ask(query, input=fields))[name]


def an_api(folder: Path, *, mlflow: MlflowClient | None = None, mlflow_url: str = NOBODY, actor: Actor = ADMIN) -> Api:
    """An API in an open database, called by an administrator."""
    key = folder / "key"
    if not key.exists():
        key.write_text(Fernet.generate_key().decode())
    settings = Settings.model_validate(
        {
            "database_url": "postgres://unused",
            "redis_url": "redis://unused",
            "mlflow_url": mlflow_url,
            "environments_file": folder / "environments.yaml",
            "secret_key_file": key,
        }
    )
    client = mlflow or MlflowClient(mlflow_url, timeout_seconds=2)
    return Api(Context(actor, settings, "http://merlin", client, RunReader(client), Clusters(), SecretKey(key)))


@dataclass
class Statements:
    """SQL that went to PostgreSQL."""

    seen: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.seen.clear()

    @property
    def selects(self) -> list[str]:
        """Without what the driver asks for itself: resets of connections, and once for each what types there are."""
        own = ("UNLISTEN", "'jit'", "typeinfo")
        return [
            sql for sql in self.seen if sql.lstrip().startswith(("SELECT", "WITH")) and not any(w in sql for w in own)
        ]


@contextlib.asynccontextmanager
async def counted(connections: int = 12) -> AsyncIterator[Statements]:
    """All statements of the open pool, once it has made all of its connections."""
    statements = Statements()

    def note(record: Any) -> None:
        statements.seen.append(record.query)

    async with contextlib.AsyncExitStack() as stack:
        own = [await stack.enter_async_context(borrowed()) for _ in range(connections)]
        for connection in own:
            connection.add_query_logger(note)
    yield statements
