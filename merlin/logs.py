"""How Merlin's processes write their logs: one JSON object a line on stderr, with the fields given as ``extra``."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

_ORDINARY = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Time, level, logger, message, and every extra field of the record."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _ORDINARY})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logs(level: str) -> None:
    """Send everything from ``level`` up to stderr as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Their INFO lines repeat what ours say, with ids where ours have fields.
    for noisy in ("httpx", "httpcore", "arq.worker", "kubernetes_asyncio", "tortoise", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
