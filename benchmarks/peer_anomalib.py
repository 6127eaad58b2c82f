"""anomalib at work in its own environment, as a worker process; `peers.py` starts it.

Each line of standard input is a JSON object: {"do": COMMAND, ...}, with the arguments of the method of that
name of `Worker`. Each line of standard output is the answer; a command that measures gives the fields of
`timing.Turn`. What the libraries print goes to standard error. Backbones keep random weights, since speed
does not depend on their values; nothing is downloaded.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from timing import gigaflops, take_turn

create_model = timm.create_model
timm.create_model = lambda *names, **options: create_model(*names, **(options | {"pretrained": False}))

from anomalib.data import Folder, PredictDataset  # noqa: E402
from anomalib.deploy import OpenVINOInferencer  # noqa: E402
from anomalib.engine import Engine  # noqa: E402
from anomalib.metrics.aupro import _AUPRO  # noqa: E402
from anomalib.metrics.auroc import _AUROC  # noqa: E402
from anomalib.metrics.f1_score import _F1Max  # noqa: E402
from anomalib.models import Padim, Patchcore, ReverseDistillation, Stfpm  # noqa: E402

FITTED = {"patchcore": Patchcore, "padim": Padim}
MODELS = {"stfpm": Stfpm, "reverse_distillation": ReverseDistillation}
METRICS = {"auroc": _AUROC, "aupro": _AUPRO, "f1_max": _F1Max}
UPDATE = 32  # images that a metric is given at once, as anomalib's loaders do

Run = Callable[[np.ndarray], object]


class Worker:
    """A model and what was made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engines: dict[str, Run] = {}
        self.optimiser: torch.optim.Optimizer | None = None

    def load(self, model: str, backbone: str, images: str, threads: int) -> dict:
        """A model for the images uint8 [N, S, S, 3] of an .npy file, exported to ONNX at its first use.

        Answers with the billions of operations per image.
        """
        self.images = np.load(images)
        self.threads, self.engines, self.exported, self.inferencer = threads, {}, None, None
        torch.set_num_threads(threads)
        kind = MODELS[model]
        self.model = kind(
            backbone=backbone,
            pre_processor=kind.configure_pre_processor(self.images.shape[1:3]),
            visualizer=False,
            evaluator=False,
        )
        for name, value in self.model.post_processor.named_buffers():  # as after a fit
            if value.isnan():
                value.fill_({"min": 0.0, "max": 1.0}.get(name[-3:], 0.5))
        self.optimiser = None
        self.model.eval()
        with torch.inference_mode():
            return {"gigaflops": gigaflops(lambda: self.model.model(_tensor(self.images[:1])))}

    def use_threads(self, threads: int) -> dict:
        """Other threads for all engines."""
        self.threads, self.engines = threads, {}
        torch.set_num_threads(threads)
        return {}

    def infer(self, engine: str, batch: int, images: int) -> dict:
        """A turn over `images` images, from decoded pixels to scores and maps.

        Engines: "torch module" (from normalised tensors on), "torch", "onnxruntime", "openvino" (its own
        choice of precision), "openvino f32", "openvino int8" (anomalib's INT8_PTQ: nncf on these images).
        """
        if engine not in self.engines:
            self.engines[engine] = self._open(engine)
        run = self.engines[engine]
        batches = [
            self.images[np.arange(start, start + batch) % len(self.images)]
            for start in range(0, images, batch)
        ]
        if engine == "torch module":
            batches = [self.model.pre_processor(_tensor(part)) for part in batches]
        self.model.eval()
        with torch.inference_mode():
            return take_turn(lambda: _all(run, batches))._asdict()

    def train(self, batch: int) -> dict:
        """A turn of one optimisation step: anomalib's training step and optimiser, without its trainer."""
        if self.optimiser is None:
            self.optimiser = self.model.configure_optimizers()
            self.model.log = lambda *arguments, **options: None
        pixels = self.images[np.arange(batch) % len(self.images)]
        self.model.train()

        def step() -> None:
            image = self.model.pre_processor(_tensor(pixels).contiguous())
            loss = self.model.training_step(SimpleNamespace(image=image))["loss"]
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()

        return take_turn(step)._asdict()

    def predict(self, folder: str, batch: int) -> dict:
        """A turn of `Engine.predict` over a folder of images, without pictures; its default batch is 1."""
        dataset = PredictDataset(folder, image_size=self.images.shape[1:3])
        loader = torch.utils.data.DataLoader(dataset, batch_size=batch, collate_fn=dataset.collate_fn)
        engine = Engine(
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            default_root_dir=self.folder,
        )
        work = {"dataset": dataset} if batch == 1 else {"dataloaders": loader}
        turn = take_turn(lambda: _none(engine.predict(self.model, return_predictions=False, **work)))
        return turn._asdict() | {"images": len(dataset)}

    def predict_openvino(self, folder: str) -> dict:
        """A turn of `OpenVINOInferencer.predict` file by file, exported and set up as by default."""
        if self.inferencer is None:
            path = self.model.to_openvino(self.folder / "deployed")
            self.inferencer = OpenVINOInferencer(path, device="CPU")
        paths = sorted(Path(folder).iterdir())
        return take_turn(lambda: _all(self.inferencer.predict, paths))._asdict() | {"images": len(paths)}

    def fit_and_score(self, model: str, folder: str, backbone: str, weights: str) -> dict:
        """Fit to the images in train, score those in test; CPU seconds of both and a file with what came out.

        The .npz file has the raw `scores` float [N] and `maps` float [N, 256, 256], by the files' names.
        """
        torch.set_num_threads(1)
        fitted = FITTED[model](
            backbone=backbone, pre_trained=False, visualizer=False, evaluator=False, post_processor=False
        )
        state = load_file(weights)
        lacking = fitted.model.feature_extractor.feature_extractor.load_state_dict(state, strict=False)
        assert not lacking.missing_keys
        options = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False}
        no_validation = {"limit_val_batches": 0, "num_sanity_val_steps": 0}
        engine = Engine(default_root_dir=self.folder, **options, **no_validation)
        images = Folder(
            name=model,
            root=folder,
            normal_dir="train",
            test_split_mode="none",
            val_split_mode="none",
            num_workers=0,
        )
        fit = take_turn(lambda: _none(engine.fit(fitted, datamodule=images)))
        scored: list = []
        tested = PredictDataset(Path(folder) / "test")
        score = take_turn(lambda: scored.extend(engine.predict(fitted, dataset=tested)))
        file = self.folder / f"{model}.npz"
        scores = [float(one.pred_score) for one in scored]
        np.savez(file, scores=scores, maps=[one.anomaly_map[0].numpy() for one in scored])
        return {"fit": fit.cpu, "score": score.cpu, "file": str(file)}

    def metric(self, name: str, file: str) -> dict:
        """A turn of one metric of the arrays `maps` and `masks` [N, H, W] of an .npz file, and its value."""
        if getattr(self, "metric_file", None) != file:
            arrays = np.load(file)
            self.maps, self.masks = torch.from_numpy(arrays["maps"]), torch.from_numpy(arrays["masks"])
            self.metric_file = file
        found: list[float] = []

        def compute() -> None:
            metric = METRICS[name]()
            for maps, masks in zip(self.maps.split(UPDATE), self.masks.split(UPDATE), strict=True):
                metric.update(maps, masks.int())
            found.append(float(metric.compute()))

        return take_turn(compute, memory=True)._asdict() | {"value": found[0]}

    def versions(self) -> dict:
        return {name: version(name) for name in ("anomalib", "torch", "onnxruntime", "openvino")}

    def _open(self, engine: str) -> Run:
        if engine == "torch module":
            return self.model.model
        if engine == "torch":
            return lambda pixels: self.model(_tensor(pixels))
        if engine == "onnxruntime":
            return self._onnxruntime()
        options: dict[str, object] = {"INFERENCE_NUM_THREADS": self.threads}
        if engine == "openvino f32":
            options["INFERENCE_PRECISION_HINT"] = "f32"
        path = self._quantised() if engine == "openvino int8" else self._export()
        inferencer = OpenVINOInferencer(path, device="CPU", config=options)
        # its `predict` without the checks of the result's fields, which take one image only
        return lambda pixels: inferencer.post_process(inferencer.model(inferencer.pre_process(pixels)))

    def _onnxruntime(self) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(self._export(), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda pixels: session.run(None, {name: OpenVINOInferencer.pre_process(pixels)})

    def _export(self) -> Path:
        if self.exported is None:
            root = self.folder / type(self.model).__name__
            self.exported = self.model.to_onnx(root, input_size=self.images.shape[1:3])
        return self.exported

    def _quantised(self) -> Path:
        import nncf
        import openvino

        path = self._export().with_name("int8.xml")
        if not path.exists():
            batches = [OpenVINOInferencer.pre_process(image) for image in self.images]
            model = nncf.quantize(openvino.convert_model(self._export()), nncf.Dataset(batches))
            openvino.save_model(model, path, compress_to_fp16=False)
        return path


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _all(run: Run, batches: list) -> None:
    for batch in batches:
        run(batch)


def _none(value: object) -> None:
    """A turn's work gives nothing."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # OpenVINOInferencer writes its cache to where it stands
        worker = Worker(Path(folder))
        for line in sys.stdin:
            command = json.loads(line)
            try:
                answer = getattr(worker, command.pop("do"))(**command)
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
