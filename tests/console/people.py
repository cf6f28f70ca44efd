"""Others than the administrator: who they are to a project, and their tokens."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import psutil

from tests.platform import Platform

ADMIN = {"subject": "admin", "role": "ADMINISTRATOR"}


def update(platform: Platform, project: str, **fields: Any) -> None:
    """Change it as somebody else would."""
    platform.change("updateProject", "project { id }", projectId=platform.project(project), **fields)


def token_of(platform: Platform, subject: str) -> str:
    """A token of somebody who administers nothing but what it is a member of: straight into the database."""
    token = f"token-of-{subject}"
    environment = psutil.Process(platform.pid("api")).environ()
    # In a thread of its own: Playwright has an event loop running in this one.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, _keep(environment["MERLIN_DATABASE_URL"], token, subject)).result()
    return token


async def _keep(url: str, token: str, subject: str) -> None:
    connection = await asyncpg.connect(url.replace("postgres://", "postgresql://"))
    try:
        await connection.execute(
            "INSERT INTO api_token (id, hash, subject, scope) VALUES (gen_random_uuid(), $1, $2, 'user') "
            "ON CONFLICT (hash) DO NOTHING",
            hashlib.sha256(token.encode()).hexdigest(),
            subject,
        )
    finally:
        await connection.close()
