"""Measure a detector, and see what was measured as lines or as a page."""

import html
from dataclasses import dataclass
from pathlib import Path

from blemish.datasets import Source, read_test_data
from blemish.errors import ConfigError
from blemish.evaluation import evaluate as measuring
from blemish.images.finding import FilePath
from blemish.inference.detector import Detector
from blemish.progress import show_messages_to_people
from blemish.reports import write_report
from blemish.reports.numbers import fraction
from blemish.reports.text import summary


@dataclass(frozen=True, repr=False)
class Evaluation(measuring.Evaluation):
    """What `evaluate` measured; printed, it is what `blemish evaluate` prints.

    Attributes:
        detector: that was measured.
    """

    detector: Detector

    def __repr__(self) -> str:
        found, alarms = self.detected, self.false_alarms
        return (
            f"<Evaluation on {self.name}: image AUROC {fraction(self.image['auroc'])}, "
            f"found {found['flagged']} of {found['defective_images']} defective images, "
            f"{alarms['flagged']} false alarms on {alarms['good_images']} good ones>"
        )

    def __str__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        """The same lines, for a notebook."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def report(self, path: FilePath) -> None:
        """Write the page with curves and pictures (`blemish.reports.write_report`).

        Raises:
            BlemishError: the file cannot be written.
        """
        write_report(self, self.detector, Path(path))


def evaluate(
    detector: Detector | str | Path,
    data: Source | None = None,
    *,
    good: FilePath | None = None,
    bad: FilePath | None = None,
    held_out: str | None = None,
    data_root: FilePath | None = None,
    batchnorm_at_test: str | None = None,
) -> Evaluation:
    """Measure a detector on labelled images.

    Args:
        detector: a detector or a model file.
        data: a folder in the MVTec layout, a .csv table, or a `Dataset`; with `held_out` a folder of class
            folders, "cifar10" or "stl10". Its test part is measured.
        good: instead of `data`, together with `bad`: a folder of good images.
        bad: a folder of defective images.
        held_out: the class that is the abnormal one.
        data_root: where cifar10 and stl10 lie or are downloaded to; None is ~/.cache/blemish.
        batchnorm_at_test: as for `load`; only with a model file.

    Raises:
        DatasetError: there are no test images.
        ConfigError: `batchnorm_at_test` is wrong, or given beside a detector.
    """
    show_messages_to_people()
    if isinstance(detector, str | Path):
        detector = Detector.load(detector, batchnorm_at_test=batchnorm_at_test)
    elif batchnorm_at_test is not None:
        raise ConfigError(
            "batchnorm_at_test goes with a model file, not with a Detector; give it to blemish.load instead."
        )
    dataset = read_test_data(data, good, bad, held_out=held_out, data_root=data_root)
    measured = measuring.evaluate(detector, dataset.test, name=dataset.name)
    return Evaluation(**vars(measured), detector=detector)
