"""What the local gateway costs: the same prediction through it and straight from the model's process.

Rounds of the two are interleaved, on the same connections count; the value is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from statistics import median
from urllib.parse import urlsplit

import httpx

from bench.load import Round, request, run_round
from bench.platform import cluster
from bench.report import Figure, write
from tests.platform import ROW, Platform, running_platform

COMMAND = "python -m bench gateway"
CONCURRENCY = (1, 16)
ROUNDS = 5
SECONDS = 2.0
STRAIGHT = "straight"
ADDRESS = "merlin.dev/address"


def main() -> None:
    """Measure and write bench/results/gateway.json."""
    body = json.dumps(ROW).encode()
    path = "/v2/models/iris/infer"
    with running_platform() as platform:
        url = urlsplit(platform.deployed("bench", "iris").url)
        through = (int(url.port or 80), f"{url.path}{path}")
        straight = (pod_port(platform), path)
        figures = []
        for connections in CONCURRENCY:
            rounds = asyncio.run(measure([through, straight], body, connections))
            figures += compared(rounds[0], rounds[1], connections)
    write("gateway", figures)


async def measure(targets: Sequence[tuple[int, str]], body: bytes, connections: int) -> list[list[Round]]:
    """Rounds of each target, interleaved, after one that does not count."""
    rounds: list[list[Round]] = [[] for _ in targets]
    for number in range(ROUNDS + 1):
        for (port, path), kept in zip(targets, rounds, strict=True):
            one = await run_round(port, request(port, path, body), connections=connections, seconds=SECONDS)
            if number:
                kept.append(one)
    return rounds


def compared(through: Sequence[Round], straight: Sequence[Round], connections: int) -> list[Figure]:
    """Requests per second, and what the gateway adds to the latency."""

    def both(one: str, unit: str, values: tuple[float, float]) -> Figure:
        name = f"through the gateway, c={connections}: {one}"
        return Figure(name, round(values[0], 3), unit, COMMAND, peers={STRAIGHT: round(values[1], 3)})

    rate = [median(one.requests_per_second for one in rounds) for rounds in (through, straight)]
    p50 = [median(one.p50 * 1000 for one in rounds) for rounds in (through, straight)]
    p99 = [median(one.p99 * 1000 for one in rounds) for rounds in (through, straight)]
    return [
        both("requests per second", "1/s", (rate[0], rate[1])),
        both("latency p50", "ms", (p50[0], p50[1])),
        both("latency p99", "ms", (p99[0], p99[1])),
        Figure(f"added by the gateway, c={connections}: p50", round(p50[0] - p50[1], 3), "ms", COMMAND),
    ]


def pod_port(platform: Platform) -> int:
    """The port that the model's process really listens on."""
    with cluster(platform, httpx.Timeout(10)) as http:
        pods = http.get("api/v1/namespaces/bench/pods").json()["items"]
    return int(str(pods[0]["metadata"]["annotations"][ADDRESS]).rpartition(":")[2])


if __name__ == "__main__":
    main()
