"""The speed scripts' own helpers; no speed is asserted here."""

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support import SIZE, small_config, textures

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """Imports a script by its name."""
    before = set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    yield import_module
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - before:
        if (BENCHMARKS / f"{name}.py").exists():
            del sys.modules[name]  # names such as "timing" are nobody else's business


SCRIPTS = [path.stem for path in sorted(BENCHMARKS.glob("*.py")) if path.stem != "peer_anomalib"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_can_be_imported(benchmark, script):
    assert benchmark(script).__doc__


def test_contenders_take_turns_after_one_warm_up(benchmark):
    calls = []
    contenders = {name: lambda name=name: calls.append(name) for name in "ab"}
    measured = benchmark("timing").alternate(contenders, 3)
    assert calls == list("ab" * 4)
    assert [len(measured[name].cpu) for name in "ab"] == [3, 3]
    assert [len(measured[name].wall) for name in "ab"] == [3, 3]


def test_a_worker_process_tells_its_own_seconds(benchmark):
    timing = benchmark("timing")
    turns = iter(timing.Turn(cpu, 2 * cpu, 10 * cpu, cpu) for cpu in (9.0, 1.0, 3.0, 2.0))
    measured = timing.alternate({"worker": lambda: next(turns)}, 3)["worker"]
    assert measured.cpu == [1.0, 3.0, 2.0]
    assert (measured.cpu_seconds, measured.wall_seconds) == (2.0, 4.0)
    assert (measured.peak_mb, measured.extra_mb) == (30.0, 3.0)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the memory of a turn")
def test_a_turn_tells_the_memory_it_adds(benchmark):
    timing = benchmark("timing")
    large = timing.take_turn(lambda: np.ones(2**23).sum() and None, memory=True)  # 64 MB
    small = timing.take_turn(lambda: None, memory=True)
    assert 50 < large.extra_mb < 80
    assert small.extra_mb < 20


def test_every_model_file_but_pytorchs_runs_with_one_thread_too(benchmark):
    threads = benchmark("folder").engine_threads
    found = [threads(Path(f"parts{end}")) for end in (".safetensors", ".onnx", ".xml")]
    assert found == [(None,), (None, 1), (None, 1)]


def test_each_line_of_a_learning_curve_has_its_statistics(benchmark, capsys):
    model = benchmark("learning_curve").Watched(small_config(model={"standardise": True}).model, (SIZE, SIZE))
    spread = model.anomaly_map.standardise.spread
    test = SimpleNamespace(measure=lambda model: f"{spread.mean() != 1}")
    model.watch(test, textures(9), batch_size=4, every=2)
    for _ in range(6):  # two epochs of batches of 4, 4 and 1
        assert (spread == 1).all()
        model.after_batch({})
    assert capsys.readouterr().out == "| 2 | 0.0 | True |\n"


def test_tables_are_markdown(benchmark):
    timing = benchmark("timing")
    table = timing.markdown([["a", 1.2345, None], ["b", 1234.5, 7]], ["what", "seconds", "images"])
    head = ["| what | seconds | images |", "| --- | ---: | ---: |"]
    assert table.splitlines() == [*head, "| a | 1.23 |  |", "| b | 1234 | 7 |"]
    numbers = [timing.number(value) for value in (0.01234, 12.0, 99.96, 0.0, float("nan"))]
    assert numbers == ["0.0123", "12.0", "100", "0.00", "-"]
    assert timing.spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"


def test_the_metrics_compared_are_the_same(benchmark):
    metrics = benchmark("metrics")
    maps, masks = metrics.test_set(6, 32, seed=0)
    ours = metrics.pixel_metrics(maps, masks)
    for name, work in metrics.others(maps, masks).items():
        assert ours[name] == pytest.approx(work(), abs=1e-9)
