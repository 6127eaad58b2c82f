"""The Python API; the command line calls the same functions.

`Detector` and `Evaluation` are those of `blemish.inference` and `blemish.evaluation` with what only a
higher floor can do: a detector exports and measures itself, an evaluation writes its page.
"""

from blemish.api.detector import Detector
from blemish.api.evaluation import Evaluation, evaluate
from blemish.api.fitting import fit

load = Detector.load

__all__ = ["Detector", "Evaluation", "evaluate", "fit", "load"]
