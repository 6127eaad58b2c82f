"""Training in several processes, as `torchrun` and `accelerate launch` start them."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from blemish.errors import Interrupted
from blemish.inference.model_file import HELD_OUT_MAPS, PROBES, read_weights_metadata, write_tensors
from blemish.models.base import TrainedModel
from blemish.progress import LOGGER
from blemish.training import fit as fitting
from blemish.training import loop
from tests.support import log_lines, same_tensors, small_config, texture_dataset, textures
from tests.training.support import PROCESSES, TinyModel, train

pytestmark = pytest.mark.slow  # starts processes

COUNT = 2


def fit(folder: Path, rank: int) -> None:
    """Fit and keep this process's weights, scores, how many model files it wrote and whether it speaks."""
    written = []
    write = fitting.model_bytes

    def count(*arguments: Any) -> bytes:
        written.append(1)
        return write(*arguments)

    fitting.model_bytes = count
    dataset = texture_dataset(folder / f"images{rank}", 12)  # 10 to learn from: the last batch holds 2
    detector = fitting.fit(dataset, small_config(), folder / "model.safetensors", weights="random")
    fitting.model_bytes = write
    model = detector.engine.model  # type: ignore[attr-defined]
    write_tensors(folder / f"weights{rank}", model.state_dict(), {})
    told = {
        "writes": len(written),
        "speaks": LOGGER.isEnabledFor(logging.WARNING),
        "scores": detector.engine(textures(3, seed=9))[0].tolist(),
        "processes": detector.metadata["training"]["summary"]["processes"],
    }
    (folder / f"told{rank}").write_text(json.dumps(told))


def train_model(model: TrainedModel, folder: Path, rank: int, **options: Any) -> None:
    """Three epochs in the shared folder; this process's weights become a file there."""
    train(folder, model, epochs=3, checkpoint_seconds=60, weights=f"weights{rank}", **options)


def train_interrupted(folder: Path, rank: int) -> None:
    """Ctrl-C reaches the second process only, in the fifth of nine steps; then both resume."""
    steps = 0
    agree = loop.agree

    def interrupt(*arguments: Any) -> tuple[dict[str, float], bool]:
        nonlocal steps
        steps += 1
        if steps == 4 and rank == 1:
            signal.raise_signal(signal.SIGINT)
        return agree(*arguments)

    loop.agree = interrupt
    try:
        train_model(TinyModel(), folder, rank)
    except Interrupted:
        (folder / f"interrupted{rank}").touch()
    loop.agree = agree
    train_model(TinyModel(), folder, rank, resume=True)


WORK: dict[str, Callable[[Path, int], None]] = {
    "fit": fit,
    "train": lambda folder, rank: train_model(TinyModel(), folder, rank),
    "plain": lambda folder, rank: train_model(TinyModel(plain=True), folder, rank),
    "interrupted": train_interrupted,
}


def all_in_one(folder: Path, rank: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(COUNT)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(COUNT), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}
    for name, work in WORK.items():
        work(folder / name, rank)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("distributed")
    for name in WORK:
        (folder / name).mkdir()
    port = free_port()
    processes = [PROCESSES.Process(target=all_in_one, args=(folder, rank, port)) for rank in range(COUNT)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        process.kill()
        assert process.exitcode == 0
    return folder


def test_all_processes_end_with_the_weights_of_the_one_model_file(folder: Path) -> None:
    weights = [load_file(folder / "fit" / f"weights{rank}") for rank in range(COUNT)]
    assert same_tensors(weights[0], weights[1])
    written = load_file(folder / "fit" / "model.safetensors")
    del written[PROBES], written[HELD_OUT_MAPS]
    assert same_tensors(weights[0], written)
    one, other = (json.loads((folder / "fit" / f"told{rank}").read_text()) for rank in range(COUNT))
    assert (one["writes"], other["writes"]) == (1, 0) and (one["speaks"], other["speaks"]) == (True, False)
    assert one["scores"] == other["scores"] and one["processes"] == COUNT
    assert not (folder / "fit" / "model.checkpoint").exists()


def test_two_processes_train_as_one_does(folder: Path, tmp_path: Path) -> None:
    WORK["plain"](tmp_path, 0)  # without BatchNorm, which would see half of each batch
    alone, together = (load_file(f / "weights0") for f in (tmp_path, folder / "plain"))
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6)
    one, two = log_lines(tmp_path / "log.jsonl"), log_lines(folder / "plain" / "log.jsonl")
    for alone, shared in zip(one, two, strict=True):
        assert shared.pop("losses") == pytest.approx(alone.pop("losses"), rel=1e-4)
        assert shared == pytest.approx(alone, rel=1e-4)


def test_ctrl_c_in_one_process_stops_all_and_resuming_is_exact(folder: Path) -> None:
    interrupted, whole = folder / "interrupted", folder / "train"
    assert all((interrupted / f"interrupted{rank}").exists() for rank in range(COUNT))
    weights = [load_file(f / f"weights{rank}") for f in (interrupted, whole) for rank in range(COUNT)]
    assert all(same_tensors(weights[0], other) for other in weights[1:])
    assert log_lines(interrupted / "log.jsonl") == log_lines(whole / "log.jsonl")


def test_accelerate_launch_starts_two_processes_for_one_model(parts_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--main_process_port", str(free_port()), "-m", "blemish", "fit", str(parts_folder)]
    command += [
        "--out",
        "model.safetensors",
        "--method",
        "gtrans",
        "--epochs",
        "2",
        "--set",
        "training.batch_size=4",
    ]
    command += ["--set", "frame.resize=64", "--set", "frame.crop=64"]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Wrote model.safetensors") == 1
    summary = read_weights_metadata(tmp_path / "model.safetensors").training["summary"]
    assert summary["processes"] == 2
    assert [line["epoch"] for line in log_lines(tmp_path / "model.log.jsonl")] == [1, 2]
