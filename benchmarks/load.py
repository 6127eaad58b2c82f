"""What a station serves: requests a second and latency at several numbers of clients, overload, and memory.

Starts `blemish serve` with so many recipes of one model and posts images to all of them over connections that
stay open. Clients and station share this machine's cores. Prints Markdown.

    python benchmarks/load.py parts-int8.onnx parts/test/good --recipes 4
"""

import argparse
import asyncio
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from blemish.images.finding import find_images

OVERLOAD = 256  # clients, four times the queue


@dataclass
class Answers:
    """Status and seconds of each request, and the seconds of them all."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0

    def row(self, clients: int) -> str:
        good = [seconds for status, seconds in zip(self.statuses, self.seconds, strict=True) if status == 201]
        p50, p95, p99 = 1000 * np.percentile(good, [50, 95, 99])
        refused = self.statuses.count(503)
        others = len(self.statuses) - len(good) - refused
        rate = len(good) / self.wall
        return f"| {clients} | {rate:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {refused} | {others} |"


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipe: str, image: bytes) -> int:
    """The status of one request."""
    place = f"POST /v1/recipes/{recipe}/inspect HTTP/1.1\r\nHost: localhost\r\n"
    writer.write(f"{place}Content-Length: {len(image)}\r\n\r\n".encode())
    writer.write(image)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1])


async def client(port: int, recipe: str, images: Iterator[bytes], answers: Answers) -> None:
    """Posts to a recipe as long as there are images left, which all clients share."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for image in images:
        begin = time.perf_counter()
        answers.statuses.append(await post(reader, writer, recipe, image))
        answers.seconds.append(time.perf_counter() - begin)
    writer.close()


def load(port: int, recipes: list[str], images: list[bytes], clients: int, requests: int) -> Answers:
    """Post that many requests from that many clients at once, each to a recipe."""

    async def run() -> Answers:
        answers, left = Answers(), itertools.islice(itertools.cycle(images), requests)
        shared = itertools.islice(itertools.cycle(recipes), clients)
        begin = time.perf_counter()
        await asyncio.gather(*(client(port, recipe, left, answers) for recipe in shared))
        answers.wall = time.perf_counter() - begin
        return answers

    return asyncio.run(run())


def memory(process: int) -> float:
    """Megabytes that a process holds."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of images to post")
    parser.add_argument("--recipes", type=int, default=1)
    parser.add_argument("--requests", type=int, default=600, help="at each number of clients")
    parser.add_argument("--hour", type=int, default=3600, help="requests that stand for an hour")
    parser.add_argument("--serve", default="", help="further options of blemish serve")
    arguments = parser.parse_args()
    images = [path.read_bytes() for path in find_images(arguments.images)]
    recipes = [f"part-{number}" for number in range(arguments.recipes)]
    with tempfile.TemporaryDirectory() as folder:
        tables = (f'[{name}]\nmodel = "{arguments.model.resolve()}"\n' for name in recipes)
        (Path(folder) / "line.toml").write_text("".join(tables), encoding="utf-8")
        command = [sys.executable, "-m", "blemish", "serve", "--recipes", f"{folder}/line.toml"]
        command += ["--port", "0", "--folder", f"{folder}/station", *arguments.serve.split()]
        with (Path(folder) / "log").open("w+") as log, subprocess.Popen(command, stderr=log) as station:
            try:
                port = wait_for_port(station, Path(folder) / "log")
                measure(port, station.pid, recipes, images, arguments.requests, arguments.hour)
            finally:
                station.terminate()
    print(json.dumps({"exit code of the station": station.returncode}))


def wait_for_port(station: "subprocess.Popen[bytes]", log: Path) -> int:
    while station.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8")):
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(log.read_text(encoding="utf-8"))


def measure(
    port: int, process: int, recipes: list[str], images: list[bytes], requests: int, hour: int
) -> None:
    load(port, recipes, images, 2, 50)
    print("| clients | images/s | p50 ms | p95 ms | p99 ms | 503 | other |\n|---|---|---|---|---|---|---|")
    for clients in (1, 8, 64):
        print(load(port, recipes, images, clients, requests).row(clients), flush=True)
    print(load(port, recipes, images, OVERLOAD, 4 * requests).row(OVERLOAD), "<- overload", flush=True)
    print(load(port, recipes, images, 8, requests).row(8), "<- after it\n", flush=True)
    print("| requests | MB |\n|---|---|")
    done = 0
    while done < hour:
        part = min(hour // 6, hour - done)
        load(port, recipes, images, 8, part)
        done += part
        print(f"| {done} | {memory(process):.0f} |", flush=True)


if __name__ == "__main__":
    main()
