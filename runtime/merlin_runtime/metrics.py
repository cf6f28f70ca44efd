"""Counters and histograms in Prometheus' text format, small enough to cost a microsecond per request.

Not the prometheus-client package: it is not part of a model's Python environment and its labels cost more than the
rest of the hot path. Written on the event loop and in the worker's thread; a torn read is at worst one count old.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Counts per upper bound, not yet summed up; ``lines`` does that."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str = "") -> Iterator[str]:
        total = 0
        comma = "," if labels else ""
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {total}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self._sum:.9g}"
        yield f"{name}_count{braces} {total}"


class Metrics:
    """All of one process's figures; gauges are asked for when somebody looks."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._info = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, Histogram] = {}
        self._predictions = Histogram(SECONDS)
        self._batches = Histogram(SIZES)
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._started = time.time()

    def request(self, route: str, status: int, seconds: float) -> None:
        key = (route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._seconds.get(route)
        if histogram is None:
            histogram = self._seconds[route] = Histogram(SECONDS)
        histogram.observe(seconds)

    def predicted(self, seconds: float) -> None:
        self._predictions.observe(seconds)

    def batch(self, requests: int) -> None:
        self._batches.observe(requests)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._gauges[name] = (text, read)

    def exposition(self) -> bytes:
        """Everything, as Prometheus reads it (text format 0.0.4)."""
        return ("\n".join(self._lines()) + "\n").encode()

    def _lines(self) -> Iterator[str]:
        yield from _head("merlin_runtime_info", "gauge", "What this process serves.")
        yield f"merlin_runtime_info{{{self._info}}} 1"
        yield from _head("merlin_runtime_requests_total", "counter", "Answered requests by route and status.")
        for (route, status), count in sorted(self._requests.items()):
            yield f'merlin_runtime_requests_total{{route="{route}",status="{status}"}} {count}'
        yield from _head("merlin_runtime_request_seconds", "histogram", "From the request's head to its answer.")
        for route, histogram in sorted(self._seconds.items()):
            yield from histogram.lines("merlin_runtime_request_seconds", f'route="{route}"')
        yield from _head("merlin_runtime_predict_seconds", "histogram", "One call of the model.")
        yield from self._predictions.lines("merlin_runtime_predict_seconds")
        yield from _head("merlin_runtime_batch_requests", "histogram", "Requests that shared a call of the model.")
        yield from self._batches.lines("merlin_runtime_batch_requests")
        for name, (text, read) in self._gauges.items():
            yield from _head(name, "gauge", text)
            yield f"{name} {read():g}"
        yield from self._process()

    def _process(self) -> Iterator[str]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield from _head("process_cpu_seconds_total", "counter", "Processor time of this process.")
        yield f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.3f}"
        yield from _head("process_resident_memory_bytes", "gauge", "Memory of this process, shared pages included.")
        yield f"process_resident_memory_bytes {_resident_bytes(usage.ru_maxrss)}"
        yield from _head("process_start_time_seconds", "gauge", "When this process started, since 1970.")
        yield f"process_start_time_seconds {self._started:.3f}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _resident_bytes(peak: int) -> int:
    """Resident memory now on Linux; elsewhere the highest so far, which macOS gives in bytes."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak
