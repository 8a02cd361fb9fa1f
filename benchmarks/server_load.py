"""How many records a server takes, from another process: one a request, many a request, and whether its memory stays flat.

python benchmarks/server_load.py                    a minute
python benchmarks/server_load.py --soak 10          ten minutes of both, memory each minute
python benchmarks/server_load.py --into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from backslide.store.accounts import Accounts
from backslide.store.database import open_database

FEATURES = 10
BATCH = 5_000
PATIENCE = 600
"""Seconds for the server to start on a machine that others use."""
BEGIN, END = "<!-- server load -->", "<!-- end of server load -->"


@dataclass
class Load:
    """One measurement."""

    name: str
    connections: int
    requests: int
    records: int
    seconds: float
    latencies: list[float]
    processor: float
    """Seconds of the server's processor time."""

    def quantile(self, q: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(int(q * len(ordered)), len(ordered) - 1)]


class Server:
    """``backslide serve`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        database = open_database(None, folder)
        self.token = Accounts(database).create_token("load", ("ingest",), "benchmark")[1]
        database.close()
        with (folder / "log.txt").open("wb") as log:
            command = [sys.executable, "-m", "backslide", "serve", "--port", "0"]
            self.process = subprocess.Popen(command, cwd=folder, stderr=log)
        end = time.monotonic() + PATIENCE
        while not (match := re.search(r"listening at http://127.0.0.1:(\d+)", (folder / "log.txt").read_text())):
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit((folder / "log.txt").read_text())
            time.sleep(0.1)
        self.port = int(match[1])

    def processor(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Megabytes."""
        _, resident, shared, *_ = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 1e6


def request_of(server: Server, body: bytes) -> bytes:
    """A whole request."""
    head = (
        f"POST /api/v1/models/load/predictions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def record(number: int) -> dict[str, object]:
    """A prediction with ten features."""
    features = {f"feature_{k}": round(number * 0.37 + k * 1.5, 3) for k in range(FEATURES)}
    return {"id": f"r-{number}", "features": features, "prediction": "paid", "scores": {"paid": 0.8, "default": 0.2}}


def send(server: Server, bodies: list[bytes], times: list[float], deadline: float) -> None:
    """Send bodies in turn over one connection, each once the one before is answered, until the deadline."""
    requests = [request_of(server, body) for body in bodies]
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        while time.perf_counter() < deadline:
            begun = time.perf_counter()
            connection.sendall(requests[number % len(requests)])
            answer = b""
            while b"\r\n\r\n" not in answer or len(answer) < _length(answer):
                answer += connection.recv(65_536)
            if not answer.startswith(b"HTTP/1.1 201"):
                raise SystemExit(answer.decode())
            times.append(time.perf_counter() - begun)
            number += 1


def _length(answer: bytes) -> int:
    head = answer.index(b"\r\n\r\n") + 4
    match = re.search(rb"content-length: (\d+)", answer[:head], re.IGNORECASE)
    assert match is not None
    return head + int(match[1])


def measure(server: Server, name: str, connections: int, records: int, seconds: float) -> Load:
    """Send for some seconds over several connections at once."""
    if records == 1:
        bodies = [json.dumps(record(k)).encode() for k in range(500)]
    else:
        bodies = [json.dumps([record(k + j * records) for k in range(records)]).encode() for j in range(4)]
    times: list[list[float]] = [[] for _ in range(connections)]
    processor, begun = server.processor(), time.perf_counter()
    threads = [threading.Thread(target=send, args=(server, bodies, one, begun + seconds)) for one in times]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    took = time.perf_counter() - begun
    every = [latency for one in times for latency in one]
    return Load(name, connections, len(every), len(every) * records, took, every, server.processor() - processor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--soak", type=float, default=0.0, help="minutes")
    parser.add_argument("--into", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            load = os.getloadavg()[0]
            measure(server, "warm up", 1, 1, 1.0)
            loads = [
                measure(server, "one a request", 1, 1, options.seconds),
                measure(server, "one a request", 8, 1, options.seconds),
                measure(server, f"{BATCH} a request", 1, BATCH, options.seconds),
            ]
            text = table(loads, load)
            print(text)
            if options.into is not None:
                write_into(options.into, text)
            if options.soak:
                soak(server, options.soak)
        finally:
            server.process.terminate()
            server.process.wait()


def soak(server: Server, minutes: float) -> None:
    """Both kinds of requests for a while; the memory each minute."""
    for minute in range(int(minutes)):
        measure(server, "", 4, 1, 30)
        measure(server, "", 1, BATCH, 30)
        print(f"minute {minute + 1}: {server.memory():.0f} MB", flush=True)


def table(loads: list[Load], busy: float) -> str:
    """Markdown."""
    rows = [
        f"| {one.name} | {one.connections} | {one.requests / one.seconds:,.0f} | {one.records / one.seconds:,.0f} "
        f"| {one.quantile(0.5):.1f} | {one.quantile(0.99):.1f} | {1e6 * one.processor / one.records:,.0f} |"
        for one in loads
    ]
    quiet = f"{os.cpu_count()} processors, load average before: {busy:.1f}" + (
        " (a busy machine: what the server could do alone is one over its processor time)" if busy > 0.5 else ""
    )
    return "\n".join(
        [
            "| records | connections | requests/s | records/s | p50 ms | p99 ms | processor µs of the server a record |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"{FEATURES} features and two scores each; client on the same machine. {quiet}.",
        ]
    )


def write_into(page: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
