"""``python -m merlin_client`` is the command `merlin`."""

from merlin_client.cli import main

main()
