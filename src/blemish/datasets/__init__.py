"""Where samples come from: folders, tables, published sets, the demo's photographs, a generator."""

from blemish.datasets.checks import check_trainable
from blemish.datasets.exclude import without_listed
from blemish.datasets.folder import read_folder, read_good_bad
from blemish.datasets.one_class import leave_one_class_out, read_one_class
from blemish.datasets.published import PUBLISHED
from blemish.datasets.sample import GOOD, Dataset, Sample
from blemish.datasets.source import Source, read_dataset, read_test_data
from blemish.datasets.table import read_table

__all__ = [
    "GOOD",
    "PUBLISHED",
    "Dataset",
    "Sample",
    "Source",
    "check_trainable",
    "leave_one_class_out",
    "read_dataset",
    "read_folder",
    "read_good_bad",
    "read_one_class",
    "read_table",
    "read_test_data",
    "without_listed",
]
