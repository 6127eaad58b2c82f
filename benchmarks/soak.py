"""What survives: images, records, webhook posts and MQTT messages of a station that is killed every minute.

Each recipe gets images through its watched folder and through the API, under keys that are sent again until
they are acknowledged. Webhook receiver and broker (mosquitto) are away for a while, too. Prints the counts,
and ends with exit code 1 where an image, a record or a message is missing or out of order.

    python benchmarks/soak.py parts-int8.onnx parts/test/good --minutes 20
"""

import argparse
import csv
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from load import wait_for_port

from blemish.images.finding import find_images

BROKEN = 7  # every so many posts of the webhook are refused
AWAY = 10.0  # seconds that the broker is away, every other kill
DRAIN = 300.0  # seconds for what waits to arrive at the end


class Receiver(BaseHTTPRequestHandler):
    """A webhook that takes most posts."""

    taken: ClassVar[list[int]] = []  # numbers of the inspections, as they came
    asked = itertools.count(1)

    def do_POST(self) -> None:
        body = self.rfile.read(length := int(self.headers["Content-Length"]))
        refused = next(self.asked) % BROKEN == 0
        if len(body) == length and not refused:
            self.taken.append(json.loads(body)["id"])
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Broker:
    """Mosquitto, which keeps what a subscriber has not seen yet while either is away."""

    def __init__(self, folder: Path, port: int) -> None:
        from paho.mqtt import client

        self.config = folder / "mosquitto.conf"
        lines = (f"listener {port} 127.0.0.1", "allow_anonymous true", "user root", "max_queued_messages 0")
        kept = ("persistence true", f"persistence_location {folder}/", "autosave_on_changes true")
        self.config.write_text("\n".join((*lines, *kept, "autosave_interval 1", "")), encoding="utf-8")
        self.taken: list[int] = []
        self.start()
        version = client.CallbackAPIVersion.VERSION2
        self.subscriber = client.Client(version, client_id="soak", clean_session=False)
        self.subscriber.on_connect = lambda one, *_: one.subscribe("blemish", qos=1)
        self.subscriber.on_message = lambda _, __, got: self.taken.append(json.loads(got.payload)["id"])
        self.subscriber.reconnect_delay_set(1, 1)
        self.subscriber.connect("127.0.0.1", port)
        self.subscriber.loop_start()

    def start(self) -> None:
        mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if mosquitto is None:
            raise SystemExit("There is no mosquitto on this machine; install it.")
        self.process = subprocess.Popen([mosquitto, "-c", self.config], stderr=subprocess.DEVNULL)
        time.sleep(1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Line:
    """Sends images to one recipe until `ending`; `put`, `acknowledged`: what it handed over."""

    def __init__(self, name: str, watch: Path, images: list[Path], port: int, every: float) -> None:
        self.name, self.watch, self.images, self.port, self.every = name, watch, images, port, every
        self.put: set[str] = set()
        self.acknowledged: dict[str, int] = {}
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self._folder, self._api)]

    def _folder(self) -> None:
        for number, image in enumerate(itertools.cycle(self.images)):
            if self.ending.wait(self.every):
                return
            name = f"{self.name}-{number:06}{image.suffix}"
            part = self.watch / f".{name}"
            shutil.copyfile(image, part)
            part.rename(self.watch / name)
            self.put.add(name)

    def _api(self) -> None:
        for number, image in enumerate(itertools.cycle(self.images)):
            if self.ending.wait(self.every):
                return
            self._post(f"{self.name}-api-{number:06}", image.read_bytes())

    def _post(self, name: str, body: bytes) -> None:
        """Until it is acknowledged, as a sender would."""
        address = f"http://127.0.0.1:{self.port}/v1/recipes/{self.name}/inspect?name={name}"
        request = urllib.request.Request(address, body, {"Idempotency-Key": name})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=40) as answer:
                    self.acknowledged[name] = json.load(answer)["id"]
                    return
            except OSError as error:
                if isinstance(error, urllib.error.HTTPError) and error.code != 503:
                    raise
                time.sleep(0.2)


class Killed:
    """A station that is started again after each kill."""

    def __init__(self, folder: Path, port: int, options: list[str]) -> None:
        self.log = folder / "log"
        self.command = [sys.executable, "-m", "blemish", "serve", "--port", str(port), *options]
        self.kills = 0
        self.start()

    def start(self) -> None:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self.command, stderr=log)
        wait_for_port(self.process, self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()


def recorded(port: int) -> dict[int, str]:
    """Names of all inspections, by number."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/inspections.csv", timeout=60) as answer:
        rows = csv.DictReader(line.decode() for line in answer)
        return {int(row["id"]): row["name"] for row in rows}


def soak(station: Killed, lines: list[Line], broker: Broker, port: int, minutes: float) -> bool:
    """Run, wait for what is on its way, and print what arrived; whether all of it did."""
    for thread in (threads := [thread for line in lines for thread in line.threads]):
        thread.start()
    end = time.monotonic() + 60 * minutes
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(60, left))
        if station.kills % 2:
            broker.stop()
            time.sleep(AWAY)
            broker.start()
        station.kill()
    for line in lines:
        line.ending.set()
    for thread in threads:
        thread.join()
    put = {name for line in lines for name in line.put}
    acknowledged = {number: name for line in lines for name, number in line.acknowledged.items()}
    records: dict[int, str] = {}
    late = time.monotonic() + DRAIN
    while time.monotonic() < late:
        time.sleep(2)
        records = recorded(port)
        if put <= {*records.values()} and all(
            records.keys() <= {*one} for one in (Receiver.taken, broker.taken)
        ):
            break
    twice = sum(count - 1 for count in Counter(records.values()).values())
    lost = len(put - {*records.values()}) + len(acknowledged.items() - records.items())
    print("| kills | files | acknowledged by the API | records | lost | twice |\n|---|---|---|---|---|---|")
    print(f"| {station.kills} | {len(put)} | {len(acknowledged)} | {len(records)} | {lost} | {twice} |\n")
    print("| | messages | inspections | missing | out of order |\n|---|---|---|---|---|")
    whole = not (lost or twice)
    for name, taken in (("webhook", Receiver.taken), ("MQTT", broker.taken)):
        first = list(dict.fromkeys(taken))  # each when it came first
        missing, astray = len(records.keys() - {*first}), sum(a > b for a, b in itertools.pairwise(first))
        print(f"| {name} | {len(taken)} | {len(first)} | {missing} | {astray} |")
        whole = whole and not (missing or astray)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of images to send")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--recipes", type=int, default=4)
    parser.add_argument(
        "--every", type=float, default=1.0, help="seconds between images of a recipe, each way"
    )
    parser.add_argument("--port", type=int, default=8300, help="of the station; the next two are needed, too")
    arguments = parser.parse_args()
    images, port = find_images(arguments.images), arguments.port
    if not images:
        parser.error(f"there are no images in {arguments.images}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key").write_text("a-key-that-signs-the-posts", encoding="utf-8")
        recipes, lines = "", []
        for recipe in (f"part-{number}" for number in range(arguments.recipes)):
            (folder / recipe).mkdir()
            recipes += f'[{recipe}]\nmodel = "{arguments.model.resolve()}"\n'
            recipes += f'watch = "{folder / recipe}"\nmove_to = "{folder}/done-{recipe}"\n'
            lines.append(Line(recipe, folder / recipe, images, port, arguments.every))
        (folder / "line.toml").write_text(recipes, encoding="utf-8")
        receiver = ThreadingHTTPServer(("127.0.0.1", port + 1), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        broker = Broker(folder, port + 2)
        options = ["--recipes", f"{folder}/line.toml", "--folder", f"{folder}/station", "--result-json"]
        options += ["--webhook", f"http://127.0.0.1:{port + 1}/", "--webhook-key-file", f"{folder}/key"]
        station = Killed(folder, port, [*options, "--mqtt", f"mqtt://127.0.0.1:{port + 2}"])
        try:
            whole = soak(station, lines, broker, port, arguments.minutes)
        finally:
            broker.stop()
            station.process.terminate()
            station.process.wait()
    sys.exit(not whole)


if __name__ == "__main__":
    main()
