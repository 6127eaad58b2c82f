"""The way of an export: write the graph, check it in every engine, give it its name."""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blemish.datasets import Source, read_dataset, without_listed
from blemish.errors import BlemishError, ConfigError, ModelFileError, choice
from blemish.export.parity import check, compare, score_all
from blemish.export.probes import dataset_probes, stored_probes
from blemish.export.recalibrate import (
    Roles,
    as_integers,
    assign_roles,
    learned_roles,
    range_images,
    recalibrate,
)
from blemish.export.report import ExportReport
from blemish.export.worth import measure_worth
from blemish.extras import install_command
from blemish.files import end_of_links, writing
from blemish.inference.engines import installed, open_engine, read_metadata
from blemish.inference.held_out_maps import packed, read_packed
from blemish.inference.model_file import Metadata, check_model_output, publish_model
from blemish.training.config import config_of
from blemish.training.read_images import GoodImages

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


def export_model(
    model: Path,
    out: Path,
    *,
    to: str | None = None,
    int8: bool = False,
    calibrate: Source | None = None,
    exclude: str | Path | None = None,
) -> ExportReport:
    """Write the model's one graph, uint8 images in, scores and maps out, with its description inside.

    Before the file takes its name, every installed engine that can run it scores real images beside the
    original. Whatever goes wrong, nothing new is left and an older file stays.

    Args:
        model: a .safetensors model file.
        out: the .onnx file to write, or the .xml file of an OpenVINO pair; its .bin lies beside it.
        to: "onnx" or "openvino"; None goes by the suffix of `out`.
        int8: convolutions on integers, with a calibration of their own. Needs `calibrate`.
        exclude: a file of images that `calibrate` is to leave out, as `fit` did.
        calibrate: good images: a folder, a .csv table or a `Dataset`; labelled test images among them are
            verified on too. None verifies on the images that the model file holds.

    Returns:
        What was compared, and how far apart it is.

    Raises:
        BlemishError: `out` cannot be written, the images cannot be used, or the scores differ.
    """
    to = _target(out, to)
    out = end_of_links(out)
    _check(model, out, to)
    metadata = read_metadata(model)
    if exclude is not None and calibrate is None:
        raise ConfigError("--exclude goes with --calibrate; give both, or neither.")
    roles = learned = None
    if calibrate is not None:
        dataset = without_listed(read_dataset(calibrate), exclude)
        probes = dataset_probes(dataset, metadata.frame)
        if int8 and config_of(metadata).model.remembers_all:
            from blemish.export.relearn import read_learned

            learned = read_learned(dataset, metadata, out.parent)
            roles = learned_roles(dataset.name, learned)
        elif int8:
            roles = assign_roles(dataset, metadata)
    elif int8:
        raise BlemishError(
            "--int8 needs --calibrate DATA: the images that the model was fitted to, or other good ones."
        )
    else:
        probes = stored_probes(model, metadata.frame)
    from blemish.export.graph import attach_maps, load_network, write_graph

    with writing(out), TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        graph = Path(folder) / "floats.onnx"
        network = load_network(model)
        write_graph(network, graph, metadata, whole=to == "onnx" or int8)
        written = floats = graph if roles else _apart(_converted(graph, to))
        if not roles:
            attach_maps(written, read_packed(model))
        candidates = [open_engine(model, device="cpu")]
        candidates += [open_engine(floats, engine=name, device="cpu") for name in installed(floats)]
        worth = None
        if roles:
            written = _apart(_quantised(network, graph, metadata, roles, learned, to))
            candidates.append(open_engine(written, device="cpu"))
            (same,) = [one for one in candidates[1:-1] if one[0].name == candidates[-1][0].name]
            worth = measure_worth(same, candidates[-1], roles)
        rows = compare(candidates, score_all(candidates, probes), probes)
        check(rows, str(out))
        publish_model(written, out)
    return ExportReport(out, rows, worth)


def _target(out: Path, to: str | None) -> str:
    if to is not None and to not in SUFFIXES:
        raise ConfigError(f"There is no export to {to!r}; {choice(to, SUFFIXES)}")
    suffix = out.suffix.lower()
    if to is None:
        to = next((target for target in SUFFIXES if SUFFIXES[target] == suffix), None)
    if to is None:
        raise BlemishError(f"The exported file {out} must end in {' or '.join(SUFFIXES.values())}.")
    if SUFFIXES[to] != suffix:
        raise ConfigError(
            f"--to {to} writes a file that ends in {SUFFIXES[to]}, not {out}; change one of them."
        )
    return to


def _check(model: Path, out: Path, to: str) -> None:
    if find_spec("onnxscript") is None:
        raise BlemishError(f"Exporting needs PyTorch and onnxscript: {install_command('train')}.")
    if to == "openvino" and find_spec("openvino") is None:
        raise BlemishError(f"Exporting to OpenVINO needs OpenVINO: {install_command('openvino')}.")
    check_model_output(out)
    if model.suffix.lower() != ".safetensors":
        raise ModelFileError(f"{model} is no .safetensors model; only those can be exported.")


def _apart(written: Path) -> Path:
    """Move the file, or both of a pair, to a new folder, so that no engine finds anything else beside it."""
    folder = written.parent / "apart"
    folder.mkdir()
    if written.suffix == ".xml":
        weights = written.with_suffix(".bin")
        weights.replace(folder / weights.name)
    return written.replace(folder / written.name)


def _quantised(
    network: Any, graph: Path, metadata: Metadata, roles: Roles, learned: GoodImages | None, to: str
) -> Path:
    """The graph on integers, made for one engine (see `blemish.export.quantise`) and calibrated in it."""
    from blemish.export.graph import attach_maps, describe, write_graph
    from blemish.export.quantise import quantise

    integers, first = graph.with_name("integers.onnx"), to == "onnx"
    if learned:
        from blemish.export.relearn import relearn

        calibrated = relearn(network, learned, roles, graph.parent, to)
        graph = graph.with_name("relearned.onnx")
        write_graph(network, graph, metadata, whole=True)
    quantise(graph, integers, range_images(roles, metadata.frame), first=first)
    describe(integers, metadata)
    written = _converted(integers, to)
    if not learned:
        calibrated = recalibrate(metadata, open_engine(written, device="cpu")[0], roles)
    describe(written, as_integers(metadata, roles, *calibrated))
    attach_maps(written, packed(calibrated[1]))
    return written


def _converted(graph: Path, to: str) -> Path:
    if to == "onnx":
        return graph
    from blemish.export.openvino import convert

    return convert(graph)
