"""The API's process: doors, transports (HTTP, SSE, WebSocket), pages. What it says is in `merlin.schema`."""
