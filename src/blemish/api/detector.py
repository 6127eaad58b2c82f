"""The detector that users import."""

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from blemish.api.evaluation import Evaluation, evaluate
from blemish.datasets import Source
from blemish.errors import ModelFileError
from blemish.files import end_of_links, writing
from blemish.images.finding import FilePath
from blemish.inference.detector import Detector as BaseDetector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import check_model_output, publish_model
from blemish.inference.rules import copy_rules, rules_for
from blemish.progress import show_messages_to_people

if TYPE_CHECKING:
    from blemish.export import ExportReport

log = logging.getLogger(__name__)


class Detector(BaseDetector):
    """A fitted model: judges images, measures itself on labelled ones, saves and exports itself.

    Its attributes are those of `blemish.inference.detector.Detector`.
    """

    def __repr__(self) -> str:
        return (
            f"<Detector {self.method}, on {self.engine.name}: threshold {self.threshold:.4g} "
            f"at a false-alarm rate of {100 * self.false_alarm_rate:.3g} %>"
        )

    @property
    def method(self) -> str:
        """Name of the method, such as "rad"."""
        return str(self.metadata["method"])

    @property
    def threshold(self) -> float:
        """An image is anomalous when its score is above it, but for rules in force."""
        return self.calibration.threshold

    @property
    def false_alarm_rate(self) -> float:
        """The rate in force (`blemish.calibration.Calibration.effective_rate`)."""
        return self.calibration.effective_rate

    def evaluate(
        self,
        data: Source | None = None,
        *,
        good: FilePath | None = None,
        bad: FilePath | None = None,
        held_out: str | None = None,
        data_root: FilePath | None = None,
    ) -> Evaluation:
        """Measure it on labelled images; arguments and errors are those of `evaluate`."""
        return evaluate(self, data, good=good, bad=bad, held_out=held_out, data_root=data_root)

    def save(self, path: FilePath) -> None:
        """Write its model file, and the rules that lie beside that, under another name.

        Args:
            path: ends as the model file does; beside an .xml file lies its .bin.

        Raises:
            ModelFileError: the model file is gone or is another by now, or `path` ends otherwise.
            BlemishError: it cannot be written, or another model's .bin file would be lost.
        """
        model, out = self._model_file(), Path(path)
        suffix = model.suffix.lower()
        if out.suffix.lower() != suffix:
            raise ModelFileError(
                f"{out} cannot hold this model, which is a {suffix} file; name a file that ends so"
                f"{', or export to .onnx or .xml.' if suffix == '.safetensors' else '.'}"
            )
        check_model_output(out)
        if not (out.exists() and out.samefile(model)):
            _copy(model, end_of_links(out))
        self._written(model, out)

    def export(
        self,
        path: FilePath,
        *,
        int8: bool = False,
        calibrate: Source | None = None,
        exclude: str | Path | None = None,
    ) -> "ExportReport":
        """Write one graph that runs without PyTorch, checked beside the original, and copy its rules.

        Args:
            path: the .onnx file to write, or the .xml file of an OpenVINO pair.
            int8, calibrate, exclude: as for `blemish.export.export_model`.

        Returns:
            What was compared; printed, it is a table.

        Raises:
            BlemishError: the model is no .safetensors file, `path` cannot be written, the images cannot be
                used, or the scores differ.
        """
        from blemish.export import export_model

        show_messages_to_people()
        model, out = self._model_file(), Path(path)
        report = export_model(model, out, int8=int8, calibrate=calibrate, exclude=exclude)
        self._written(model, out)
        return report

    def _model_file(self) -> Path:
        if self.path is None:
            raise ModelFileError("This detector has no model file; load it from one, or fit it anew.")
        if read_metadata(self.path).model_dump(mode="json") != self.metadata:
            raise ModelFileError(f"{self.path} is no longer the model of this detector; load it again.")
        return self.path

    def _written(self, model: Path, out: Path) -> None:
        """Bring the rules, and tell what the file does not keep."""
        if copied := copy_rules(model, out):
            log.info(copied)
        kept, rate = self.metadata["calibration"]["false_alarm_rate"], self.calibration.false_alarm_rate
        rules, lying = self.rules and self.rules.rules, rules_for(model)
        if rate != kept and not (rules and rules.defective):
            log.warning(
                f"{out} keeps the false-alarm rate that the model was fitted with, {kept:g}; load it with "
                f"false_alarm_rate={rate:g} for the one in force here."
            )
        if rules != (lying and lying[0]):
            log.warning(f"{out} has the rules that lie beside {model}, if any, not those in force here.")


def _copy(model: Path, out: Path) -> None:
    """Copy a model file, and the .bin of an .xml file, whole or not at all."""
    with writing(out), TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        written = Path(folder) / out.name
        shutil.copyfile(model, written)
        if model.suffix.lower() == ".xml":
            shutil.copyfile(model.with_suffix(".bin"), written.with_suffix(".bin"))
        publish_model(written, out)
