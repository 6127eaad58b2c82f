"""Rules in force for one model: calibrated on its held-out maps, and the verdict that they give.

One statistic of a map calibrates them and judges: the largest value, times the strictness, in the cells that
count, or of the regions there that are large enough. So false alarms stay as rare as asked.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blemish.calibration import Calibration
from blemish.errors import ConfigError
from blemish.images.frame import Frame, framed_size
from blemish.images.outlines import feret_diameters, outer_polygons
from blemish.inference.held_out_maps import as_stored, cells_of, read_packed, reduced, unpacked
from blemish.inference.model_file import Metadata
from blemish.inference.regions import Region, label_regions, measure_regions, regions_above
from blemish.inference.rules import DEFECTIVE, GOOD, LOOK_AGAIN, NO_RULE, Decision, Rules
from blemish.inference.zones import zone_numbers

NOTHING = float(-np.finfo(np.float32).max)  # the statistic of a map where nothing counts: below all others

log = logging.getLogger(__name__)

Cell = tuple[int, int]  # row and column


class AppliedRules:
    """Rules, calibrated for a model.

    Rules that give rates alone judge by the score, as without rules.

    Args:
        rules: what is asked for.
        name: of their file, for messages.
        frame: of the model.
        held_out: its held-out maps, float32 [h, w] each; None in a file of an older version.
        peaks: its `map_peaks`.

    Attributes:
        rules, name: as given.
        statistics: of the held-out maps, float32 [n]; None where the score decides.

    Raises:
        ConfigError: the held-out maps or a mask do not fit the rules, or these leave nothing that counts.
    """

    def __init__(
        self,
        rules: Rules,
        name: str,
        frame: Frame,
        held_out: Sequence[np.ndarray] | None,
        peaks: Sequence[float],
    ) -> None:
        self.rules = rules
        self.name = name
        self.statistics: np.ndarray | None = None
        if rules.picture is None or not rules.about_maps:
            return
        if frame.align and rules.zones:
            raise ConfigError(
                f"The rules ({name}) have zones, which stay where they are while --align moves the parts; "
                "leave the zones out, or fit without --align."
            )
        self._frame, self._peaks, self._picture = frame, peaks, rules.picture
        self._shape = cells_of(*framed_size(*rules.picture, frame)[::-1])
        self._check_grid(held_out)
        assert held_out is not None
        self._zones, self._step = zone_numbers(rules, name, self._shape, frame)
        weights = [1.0 if rules.elsewhere else np.nan]
        weights += [zone.strictness if zone.look else np.nan for zone in rules.zones]
        self._weights = np.array(weights, np.float32)[self._zones]
        if np.isnan(self._weights).all():
            raise ConfigError(
                f"The rules ({name}) leave nothing of the picture that counts; let a zone count."
            )
        weighted = [cells * self._weights for cells in held_out]
        self._typical = float(np.median([np.fmax.reduce(cells, axis=None) for cells in weighted]))
        self.statistics = np.array([self._statistic(cells)[0] for cells in weighted], np.float32)

    def __str__(self) -> str:
        return f"Rules ({self.name}) are in force: {self.rules}."

    @property
    def decide_by_map(self) -> bool:
        """Whether zones or sizes give the verdicts, and no threshold of scores does."""
        return self.statistics is not None

    def calibration(self, of_scores: Calibration) -> Calibration:
        """What gives the verdicts, at the false-alarm rate of the scores' calibration."""
        if self.statistics is None:
            return of_scores
        return Calibration(self.statistics, of_scores.false_alarm_rate)

    def check_rates(self, of_scores: Calibration) -> None:
        """Refuse rates between which there is room for no verdict.

        Raises:
            ConfigError: no good image could be "look again" without being "defective".
        """
        again, ruled = self.rules.look_again, self.calibration(of_scores)
        rate, count = ruled.effective_rate, len(ruled.scores)
        possible = np.arange(1, count + 2) / (count + 1)
        if again is not None and not ((possible > rate) & (possible <= again)).any():
            raise ConfigError(
                f"look_again ({again:g}) leaves nothing above the {rate:.3g} in force for defective: {count} "
                f"held-out images give rates in steps of {1 / (count + 1):.2g}; raise look_again."
            )

    def not_for(self, width: int, height: int) -> str:
        """Why a picture of this size cannot be judged, or ""."""
        if self.statistics is None:
            return ""
        wide, high = self._picture
        same_grid = cells_of(*framed_size(width, height, self._frame)[::-1]) == self._shape
        if abs(width * high / wide - height) > 1 or not same_grid:
            return (
                f"the rules are for pictures of {wide} x {high} pixels, not {width} x {height}; give such "
                "ones, or other rules"
            )
        return ""

    def decide(self, score: float, anomaly_map: np.ndarray, of_scores: Calibration) -> Decision:
        """The verdict on an image.

        Args:
            score: on the model's raw scale.
            anomaly_map: float32 [H, W], likewise.
            of_scores: the model's calibration, at the false-alarm rate in force.

        Raises:
            ImageError: there is no score, or no number on the map where it counts.
        """
        p_value, unruled = of_scores.judge(score)
        if self.statistics is None:
            return self._decision(p_value, of_scores, NO_RULE)
        cells = reduced(as_stored(anomaly_map, self._peaks))
        statistic, cell = self._statistic(cells * self._weights)
        ruled = self.calibration(of_scores)
        p_value, _ = ruled.judge(statistic)
        if cell is None or self._verdict(p_value, ruled) == GOOD:
            return self._decision(p_value, ruled, self._why_good(cells) if unruled else NO_RULE)
        return self._decision(p_value, ruled, self._zone_at(cell) or NO_RULE)

    def _decision(self, p_value: float, calibration: Calibration, decided_by: str) -> Decision:
        verdict = self._verdict(p_value, calibration)
        return Decision(p_value, verdict == DEFECTIVE, verdict, decided_by)

    def label(self, anomaly_map: np.ndarray, of_scores: Calibration) -> tuple[np.ndarray, np.ndarray]:
        """Mark the regions that count: those for which an image is not good.

        Returns:
            Labels int32 [H, W], 0 outside and 1..count for the regions; and the p-value of each.
        """
        ruled = self.calibration(of_scores)
        values = as_stored(anomaly_map, self._peaks)
        places = tuple(
            np.searchsorted(np.arange(cells) * pixels // cells, np.arange(pixels), side="right") - 1
            for cells, pixels in zip(self._shape, values.shape, strict=True)
        )
        labels, highest = regions_above(values * self._weights[np.ix_(*places)], self._typical)
        large = np.ones(self._shape, bool)
        if any(self.rules.smallest):
            coarse, peaks = regions_above(reduced(values) * self._weights, self._typical)
            numbers = [number for number in range(1, len(peaks) + 1) if not self._too_small(coarse == number)]
            large = np.isin(coarse, numbers)
        in_large = np.unique(labels[large[np.ix_(*places)]])
        p_values = ruled.p_value(highest)
        kept = [
            number
            for number, p_value in enumerate(p_values, start=1)
            if self._verdict(p_value, ruled) != GOOD and number in in_large
        ]
        return _renumbered(labels, kept), p_values[np.array(kept, int) - 1]

    def find_regions(
        self, anomaly_map: np.ndarray, width: int, height: int, peaks: Calibration
    ) -> tuple[Region, ...]:
        """The regions that count, and then those that would without rules and touch none of them.

        Arguments as of `blemish.inference.regions.find_regions`.
        """
        labels, p_values = self.label(anomaly_map, peaks)
        found = measure_regions(anomaly_map, labels, p_values, width, height, self._frame)
        others, highest = label_regions(anomaly_map, peaks)
        uncounted = np.setdiff1d(np.arange(1, len(highest) + 1), others[labels > 0])
        others, p_values = _renumbered(others, uncounted), peaks.p_value(highest[uncounted - 1])
        return found + measure_regions(
            anomaly_map, others, p_values, width, height, self._frame, counts=False
        )

    def _check_grid(self, held_out: Sequence[np.ndarray] | None) -> None:
        if held_out is None:
            raise ConfigError(
                f"The model holds no maps of good images to calibrate the rules ({self.name}) on; fit it "
                "again, or leave out zones and sizes."
            )
        others = sum(cells.shape != self._shape for cells in held_out)
        if others:
            wide, high = self._picture
            raise ConfigError(
                f"{others} of the model's {len(held_out)} held-out good images have another shape than the "
                f"rules' picture of {wide} x {high} pixels ({self.name}); give the size of these images."
            )

    def _statistic(self, weighted: np.ndarray) -> tuple[float, Cell | None]:
        """The statistic of a map's weighted cells, and the cell that has it."""
        if not any(self.rules.smallest):
            statistic = float(np.fmax.reduce(weighted, axis=None))
            return statistic, _place(weighted == statistic)
        labels, highest = regions_above(weighted, self._typical)
        for number, peak in enumerate(highest, start=1):
            region = labels == number
            if not self._too_small(region):
                return float(peak), _place(region & (weighted == peak))
        return NOTHING, None

    def _too_small(self, region: np.ndarray) -> str:
        """The size that a region, bool [h, w] of cells, does not reach, or ""."""
        smallest_area, smallest_length = self.rules.smallest
        if region.sum() * self._step.prod() < smallest_area:
            return "smallest_area"
        if smallest_length:
            length, _ = feret_diameters(np.concatenate(outer_polygons(region)) * self._step)
            return "smallest_length" if length < smallest_length else ""
        return ""

    def _verdict(self, p_value: float, calibration: Calibration) -> str:
        if p_value <= calibration.effective_rate:
            return DEFECTIVE
        return LOOK_AGAIN if p_value <= (self.rules.look_again or 0) else GOOD

    def _zone_at(self, cell: Cell) -> str:
        number = self._zones[cell]
        return f'zone "{self.rules.zones[number - 1].name}"' if number else ""

    def _why_good(self, cells: np.ndarray) -> str:
        """What an image that would be anomalous without rules owes to them."""
        cell = _place(cells == np.fmax.reduce(cells, axis=None))
        assert cell is not None
        if np.isnan(self._weights[cell]):
            return self._zone_at(cell) or "elsewhere"
        if any(self.rules.smallest):
            labels, _ = regions_above(cells * self._weights, self._typical)
            if labels[cell] and (size := self._too_small(labels == labels[cell])):
                return size
        return self._zone_at(cell) or NO_RULE


def apply_rules(
    rules: Rules, name: str, model: Path, metadata: Metadata, of_scores: Calibration
) -> AppliedRules:
    """Put rules in force for a model file, and say so.

    Args:
        rules, name: as `rules_for` gives them.
        model, metadata: the file, and what it says of itself.
        of_scores: its calibration, at the false-alarm rate in force.

    Raises:
        ConfigError: they do not fit the model.
    """
    peaks = metadata.map_peaks
    cells = read_packed(model) if rules.about_maps else None
    applied = AppliedRules(
        rules, name, metadata.frame, None if cells is None else unpacked(cells, peaks), peaks
    )
    applied.check_rates(of_scores)
    log.info("%s", applied)
    return applied


def _renumbered(labels: np.ndarray, kept: Sequence[int] | np.ndarray) -> np.ndarray:
    """Labels with those kept as 1.. in order, and no others."""
    numbers = np.zeros(labels.max() + 1, np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return numbers[labels]


def _place(cells: np.ndarray) -> Cell | None:
    """The first true cell."""
    places = np.argwhere(cells)
    return (int(places[0][0]), int(places[0][1])) if len(places) else None
