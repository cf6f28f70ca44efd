"""The command `merlin`. The user's half lives here; a server that is installed beside it joins through the entry
points ``merlin.commands``, which are loaded only for its own commands and for `merlin --help`.
"""

from __future__ import annotations

from merlin_client.cli.command import main
from merlin_client.cli.command import merlin as group

__all__ = ["group", "main"]
