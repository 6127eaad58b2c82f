"""int8 graphs: smaller, integers where it is safe, and calibrated on their own scores."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import blemish
from blemish.datasets import Dataset, read_dataset
from blemish.datasets.drawn import generate
from blemish.errors import ConfigError, DatasetError
from blemish.export import ExportReport, export_model, graph
from blemish.export.quantise import integer_nodes
from blemish.export.recalibrate import assign_roles, recalibrate
from blemish.export.worth import Worth
from blemish.images.changes import draw
from blemish.images.reading import load_frame
from blemish.inference.engines import open_engine, read_metadata
from blemish.training.batches import split_indices
from tests.support import BACKBONE, textures

Exported = tuple[Path, ExportReport]


@pytest.fixture(scope="module")
def integers(exported: Exported, model: Path, parts: Path) -> Exported:
    out = model.with_name("int8.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            graph, "write_graph", lambda model, out, *rest, **options: shutil.copy(exported[0], out)
        )
        return out, export_model(model, out, int8=True, calibrate=parts)


def held_out_files(parts: Path) -> list[Path]:
    files = sorted(parts.glob("train/good/*.png"))
    _, hold_out = split_indices(len(files), 0.4, 0)
    return [files[index] for index in hold_out]


def test_convolutions_are_integers_and_the_rest_is_not(integers: Exported, model: Path) -> None:
    network = onnx.load(integers[0]).graph
    made_by = {name: node for node in network.node for name in node.output}
    convolutions = [node for node in network.node if node.op_type == "Conv"]
    assert {made_by[node.input[0]].op_type for node in convolutions} == {"DequantizeLinear"}
    assert len(convolutions) > 12
    taken = [made_by.get(node.input[0]) for node in network.node if node.op_type == "QuantizeLinear"]
    rest = {"MatMul", "Softmax", "Div", "Resize", "ReduceMax", "LayerNormalization"}
    assert not rest & {source.op_type for source in taken if source is not None}
    assert integers[0].stat().st_size < 0.7 * model.stat().st_size


def test_the_threshold_is_taken_from_its_own_scores(integers: Exported, model: Path, parts: Path) -> None:
    metadata, original = read_metadata(integers[0]), read_metadata(model)
    engine, _ = open_engine(integers[0])
    images = np.stack([load_frame(path, metadata.frame) for path in held_out_files(parts)])
    scores, maps = engine(images)
    np.testing.assert_allclose(metadata.calibration["scores"], np.sort(scores), rtol=1e-5)
    np.testing.assert_allclose(metadata.map_peaks, maps.max(axis=(1, 2)), rtol=1e-5)
    assert metadata.calibration["scores"] != original.calibration["scores"]
    assert metadata.precision == "int8" and original.precision == "fp32"
    roles = {"data": "parts", "range_images": 10, "calibration_images": 6, "held_out": 6}
    assert metadata.quantisation == roles


def test_the_images_that_calibrate_are_changed_where_that_is_tolerated(
    exported: Exported, model: Path, parts: Path
) -> None:
    metadata = read_metadata(model).model_copy(update={"tolerate": ("light",)})
    engine, _ = open_engine(exported[0])
    roles = assign_roles(read_dataset(parts), metadata)
    rng = np.random.default_rng(0)
    changed = [draw(load_frame(path, metadata.frame), ["light"], rng) for path in roles.calibration]
    found = recalibrate(metadata, engine, roles)[0].scores
    np.testing.assert_allclose(found, np.sort(engine(np.stack(changed))[0]), rtol=1e-5)


def test_every_engine_is_reported(integers: Exported) -> None:
    _, report = integers
    kinds = [(row.engine, row.precision) for row in report.rows]
    assert kinds[0] == ("torch", "fp32")
    assert ("onnxruntime", "fp32") in kinds and ("onnxruntime", "int8") in kinds
    for row in report.rows:
        assert (row.flips_uncalibrated is None) == (row.precision == "fp32")
        assert row.image_auroc is not None and row.rank_correlation > 0.7
    table = str(report).splitlines()
    assert len(table) == len(report.rows) + 2 + len(report.remarks)


def test_openvino_takes_integers_made_for_it_alone(
    known_graph: None, integers: Exported, model: Path, parts: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(ConfigError, match="has integers made for ONNX Runtime"):
        blemish.load(integers[0], engine="openvino")
    report = export_model(model, tmp_path / "m.xml", int8=True, calibrate=parts)
    assert report.rows[-1].engine == "openvino" and report.rows[-1].precision == "int8"
    detector = blemish.load(tmp_path / "m.xml")
    scores = sorted(result.score for result in detector.predict_many(held_out_files(parts)))
    np.testing.assert_allclose(detector.metadata["calibration"]["scores"], scores, rtol=1e-4)


def test_images_have_one_use_only(
    model: Path, parts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = read_metadata(model)
    dataset = read_dataset(parts)
    roles = assign_roles(dataset, metadata)
    assert roles.calibration == held_out_files(parts) and roles.held_out == 6 and not caplog.messages
    assert sorted(roles.ranges + roles.calibration) == sorted(sample.path for sample in dataset.train)

    fresh = read_dataset(generate(tmp_path / "fresh", train=5, test=1, size=64, seed=9))
    roles = assign_roles(fresh, metadata)
    assert (len(roles.ranges), len(roles.calibration), roles.held_out) == (1, 4, 0)
    assert not set(roles.ranges) & set(roles.calibration)
    assert caplog.messages == ["int8 is calibrated on fewer images (4) than the original (6)."]

    copied = Dataset("copied", train=[*fresh.train, *fresh.train])
    assert assign_roles(copied, metadata) == roles._replace(data="copied")
    assert caplog.messages[1] == "5 of 10 images are copies of others and are left out."


def test_images_that_fit_left_out_can_be_left_out_again(model: Path, parts: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(str(sample.path) for sample in read_dataset(parts).train))
    with pytest.raises(DatasetError, match="names all"):
        export_model(model, tmp_path / "m.onnx", calibrate=parts, exclude=listing)
    with pytest.raises(ConfigError, match="--exclude goes with --calibrate"):
        export_model(model, tmp_path / "m.onnx", exclude=listing)


def test_images_that_were_learned_from_cannot_calibrate(model: Path, parts: Path, tmp_path: Path) -> None:
    learned = [sample for sample in read_dataset(parts).train if sample.path not in held_out_files(parts)]
    with pytest.raises(DatasetError, match="no good images to calibrate int8 on"):
        export_model(model, tmp_path / "m.onnx", int8=True, calibrate=Dataset("learned", train=learned))
    assert list(tmp_path.iterdir()) == []


def test_what_follows_the_first_convolution_becomes_integers() -> None:
    text = (
        "Conv stem images w, Relu stem_relu stem, MaxPool pool stem_relu, Conv inner pool w, "
        "Relu inner_relu inner, Add residual inner_relu pool, Sigmoid gate residual, Conv gated gate w, "
        "Add mixed gated gate, ConvTranspose up gated w"
    )
    nodes = [
        onnx.helper.make_node(kind, inputs, [name], name=name)
        for kind, name, *inputs in map(str.split, text.split(","))
    ]
    weight = onnx.numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "w")
    graph = onnx.helper.make_graph(nodes, "small", [], [], [weight])
    rest = ["pool", "inner", "inner_relu", "residual", "gated"]
    assert integer_nodes(graph, first=False) == rest
    assert integer_nodes(graph, first=True) == ["stem", "stem_relu", *rest]


def test_a_tiled_model_and_a_training_free_one(tmp_path: Path) -> None:
    good, out = tmp_path / "good", tmp_path / "m.safetensors"
    good.mkdir()
    for number, image in enumerate(textures(6, size=112)):
        Image.fromarray(image[:80]).save(good / f"{number}.png")
    small = ("frame.tile=64", "training.validation_share=0.4", "false_alarm_rate=0.4")
    blemish.fit(good, out=out, method="patchcore", backbone=BACKBONE, weights="random", assignments=small)
    export_model(out, tmp_path / "m.onnx", int8=True, calibrate=good)
    detector = blemish.load(tmp_path / "m.onnx")
    result = detector.predict(good / "0.png")
    assert result.anomaly_map is not None and result.anomaly_map.shape == (80, 112)
    assert detector.metadata["quantisation"]["held_out"] == 2


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_what_remembers_every_image_learns_again_through_integers(tmp_path: Path, suffix: str) -> None:
    """Each image calibrates while it is left out, and is at no distance from itself afterwards."""
    good, other, out = tmp_path / "good", tmp_path / "other", tmp_path / "m.safetensors"
    for folder, seed in ((good, 0), (other, 1)):
        folder.mkdir()
        for number, image in enumerate(textures(6, seed, size=64)):
            Image.fromarray(image).save(folder / f"{number}.png")
    small = ("frame.resize=64", "false_alarm_rate=0.4", "model.memory=20")
    floats = blemish.fit(good, out=out, method="rad", backbone=BACKBONE, weights="random", assignments=small)
    integers = out.with_suffix(suffix)
    with pytest.raises(DatasetError, match="lacks good images that the model was fitted to"):
        export_model(out, integers, int8=True, calibrate=other)
    assert not integers.exists()
    export_model(out, integers, int8=True, calibrate=good)
    detector = blemish.load(integers)
    assert detector.metadata["quantisation"]["calibration_images"] == 6
    assert detector.calibration.scores != pytest.approx(floats.calibration.scores, rel=1e-6)
    assert detector.calibration.scores == pytest.approx(floats.calibration.scores, rel=0.3)
    known = [detector.predict(good / f"{number}.png").score for number in range(6)]
    assert max(known) < min(detector.calibration.scores)


@pytest.mark.parametrize(
    ("worth", "reason"),
    [
        (Worth(2.0, 0.9, 0.895), ""),
        (Worth(1.2, 0.9, 0.9), "gains too little here"),
        (Worth(2.0, 0.9, 0.88), "misses defects"),
        (Worth(2.0, 0.53, 0.51), ""),  # nor did float32 find them
        (Worth(1.0, 0.9, 0.88), "gains too little here and misses defects"),
    ],
)
def test_what_integers_gain_and_miss_is_said(worth: Worth, reason: str) -> None:
    (told,) = worth.remarks
    assert f"{worth.speedup:.1f} times" in told and f"{worth.after:.3f}, float32's {worth.before:.3f}" in told
    warning = f"Warning: --int8 {reason}, export without it: int8 scores "
    assert told.startswith(warning if reason else "int8 scores ")


def test_an_export_measures_what_integers_gain_and_miss(integers: Exported) -> None:
    worth = integers[1].worth
    assert worth is not None and worth.speedup > 0 and 0 <= worth.after <= 1 and 0 <= worth.before <= 1
    assert worth.remarks[0] in str(integers[1])
