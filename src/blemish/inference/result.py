"""What scoring one image gives."""

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageShow

from blemish.calibration import Calibration
from blemish.errors import BlemishError, ImageError
from blemish.files import write_whole
from blemish.images.drawing import (
    HeatScale,
    attention_overlay,
    data_uri,
    draw_outlines,
    encode_jpeg,
    lettered,
    overlay,
    save_png,
)
from blemish.images.finding import FilePath
from blemish.images.frame import Frame
from blemish.images.legend import with_legend
from blemish.images.maps import map_on_image, shrink
from blemish.images.reading import read_image
from blemish.inference.applied_rules import AppliedRules
from blemish.inference.regions import Region, find_regions, outlines
from blemish.progress import in_notebook

PAGE_SIDE = 1000  # pixels on the longer side of pictures in pages and panels, at most
COLUMNS = ("path", "score", "p_value", "is_anomalous", "is_other_part", "error")  # of a result as a row
NOT_THIS_PART = "not this part"
RULED_COLUMNS = (*COLUMNS, "verdict", "decided_by")  # with rules in force
NOT_COUNTED = "silver"  # outlines of regions that the rules leave out


def columns(rules: AppliedRules | None) -> tuple[str, ...]:
    """Names of the fields of a row, with these rules in force."""
    return COLUMNS if rules is None else RULED_COLUMNS


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The verdict on one image.

    Attributes:
        path: the image's path as given, or "" for an image handed over in memory.
        score: image-level anomaly score on the model's raw scale, higher is more anomalous;
            None when the image could not be scored.
        p_value: share of held-out normal images expected to score at least this high, in (0, 1]; with rules
            in force, by what these look at (`blemish.inference.applied_rules`).
        is_anomalous: True when `p_value` is at most the false-alarm rate in force.
        anomaly_map: float32 [H, W], on the model's raw scale, in the frame the network saw
            (after resize and crop), or of the whole picture with tiles, blended from theirs, and with `pad`;
            None when the image could not be scored. Of an aligned picture it lies on the picture as it came,
            NaN where the network did not see that.
        image: uint8 [H, W, 3], what the network saw: the picture in that same frame, aligned where it aligns.
        reconstruction: uint8 [H, W, 3], the image as the model redraws it; None unless asked for.
        attention: float32 [H, W] in [0, 1], where the features lie that raise the score (Grad-CAM), on this
            image's own scale; None unless asked for.
        error: one sentence when the image could not be scored, else "".
        frame: how the original became `image`.
        size: width and height of the upright original in pixels.
        array: the original itself, uint8 [height, width, 3], where it was handed over in memory. That of
            a file is read again when it is drawn.
        map_peaks: calibration by the largest map values of held-out good images, which regions go by.
        is_other_part: True when the picture as a whole is unlike every good one, as one of another part is
            (`blemish.images.known_part`); None when that cannot be told.
        verdict: with rules in force "good", "look again" or "defective", else None.
        decided_by: with rules in force what the verdict hangs on, such as 'zone "thread"', "smallest_length"
            or "no rule"; else None.
        rules: in force, or None.
    """

    path: str
    score: float | None = None
    p_value: float | None = None
    is_anomalous: bool | None = None
    anomaly_map: np.ndarray | None = None
    image: np.ndarray | None = None
    reconstruction: np.ndarray | None = None
    attention: np.ndarray | None = None
    error: str = ""
    frame: Frame | None = None
    size: tuple[int, int] | None = None
    array: np.ndarray | None = None
    map_peaks: Calibration | None = None
    is_other_part: bool | None = None
    verdict: str | None = None
    decided_by: str | None = None
    rules: AppliedRules | None = None

    def __post_init__(self) -> None:
        if (self.score is None) != bool(self.error):
            raise ValueError("a result has either a score or an error")
        if self.anomaly_map is not None and self.anomaly_map.ndim != 2:
            raise ValueError(f"an anomaly map is [H, W], not {self.anomaly_map.shape}")

    def __repr__(self) -> str:
        return f"<Result {self.path or 'of an image in memory'}: {self._in_words()}>"

    def _repr_html_(self) -> str:
        """The verdict and the overlay, for a notebook."""
        title = html.escape(f"{self.path}: {self._in_words()}" if self.path else self._in_words())
        if self.error:
            return f"<p>{title}</p>"
        try:
            shown = f'<img src="{data_uri(self.overlay(side=PAGE_SIDE))}" alt="heat map">'
        except ImageError as error:  # the file has gone, or is another by now
            shown = html.escape(str(error))
        return f"<p>{title}</p>{shown}"

    def to_row(self) -> dict[str, Any]:
        """The plain, JSON-able part: path, score, p_value, is_anomalous, is_other_part, error.

        With rules in force verdict and decided_by too.
        """
        return {name: getattr(self, name) for name in columns(self.rules)}

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Where the defects are (`blemish.inference.regions`), highest peak first.

        They are found when first asked for. Empty where nothing on the map is anomalous, and without a map.
        With rules in force those that count come first.
        """
        if self.map_peaks is None or self.frame is None or self.size is None or self.anomaly_map is None:
            return ()
        if self.rules is not None and self.rules.decide_by_map:
            return self.rules.find_regions(self.anomaly_map, *self.size, self.map_peaks)
        return find_regions(self.anomaly_map, *self.size, self.frame, self.map_peaks)

    @property
    def heat_scale(self) -> HeatScale:
        """The colours of all heat maps of the model; ImageError without `map_peaks`."""
        if self.map_peaks is None:
            raise ImageError("The result carries no calibration to colour its map by; give a scale.")
        return HeatScale.from_calibration(self.map_peaks)

    def original(self, side: int | None = None) -> np.ndarray:
        """The whole picture, upright, uint8 [height, width, 3].

        Args:
            side: larger pictures are made smaller, to this many pixels on the longer side; None leaves them.

        Raises:
            ImageError: the file is gone or damaged, or holds a picture of another size by now; or the image
                could not be scored.
        """
        frame, size, _ = self._drawable()
        picture = read_image(self.path, frame.bit_depth) if self.array is None else self.array
        if picture.shape[1::-1] != size:
            raise ImageError(f"{self.path} has changed since it was scored; score it again.")
        return shrink(picture, side)

    def map_on_image(self, side: int | None = None) -> np.ndarray:
        """The anomaly map on the whole picture, float32 [height, width] (`blemish.images.maps.map_on_image`).

        It is NaN where the frame hides the picture. `side` is that of `original`.

        Raises:
            ImageError: the image could not be scored.
        """
        frame, size, anomaly_map = self._drawable()
        return map_on_image(anomaly_map, *size, frame, side)

    def overlay(
        self, scale: HeatScale | None = None, mask: np.ndarray | None = None, side: int | None = None
    ) -> np.ndarray:
        """The whole picture with its heat map on a fixed scale, uint8 [height, width, 3].

        It is drawn as by `blemish.images.drawing.overlay`; what the model did not see is hatched, and the
        regions are outlined.
        A picture of another part says so in its corner.

        Args:
            scale: None is the model's own, `Detector.heat_scale`.
            mask: bool, of the height and width of what is drawn, outlined; None draws none.
            side: that of `original`.

        Raises:
            ImageError: as `original`.
        """
        drawn = self._overlaid(self.original(side), scale or self.heat_scale, mask, side)
        return lettered(drawn, NOT_THIS_PART) if self.is_other_part else drawn

    def explained_overlay(self, scale: HeatScale | None = None, *, side_by_side: bool = False) -> np.ndarray:
        """The overlay, and below it the verdict and the colours' scale: uint8 [H, W, 3].

        See `blemish.images.legend.with_legend`; no pixel of the picture is hidden.

        Args:
            scale: that of `overlay`.
            side_by_side: put the original at the left of the overlay.

        Raises:
            ImageError: as `original`.
        """
        scale, picture = scale or self.heat_scale, self.original()
        drawn = self._overlaid(picture, scale, None, None)
        rate = None if self.map_peaks is None else self.map_peaks.effective_rate
        return with_legend([picture, drawn] if side_by_side else [drawn], self._in_words(), scale, rate)

    def show(self) -> None:
        """Show the explained overlay in a notebook, else in the system's picture viewer.

        Raises:
            ImageError: as `original`.
            BlemishError: there is no picture viewer.
        """
        if in_notebook():
            from IPython.display import display

            display(self)
        elif not ImageShow.show(Image.fromarray(self.explained_overlay()), self.path):
            raise BlemishError('No picture viewer was found; write the picture with result.save("part.png").')

    def save(self, path: FilePath) -> None:
        """Write the explained overlay, the picture in its own size, as a .png or .jpg file.

        Raises:
            ImageError: as `original`.
            BlemishError: the file has another ending, or cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() == ".png":
            save_png(self.explained_overlay(), path)
        elif path.suffix.lower() in (".jpg", ".jpeg"):
            write_whole(path, encode_jpeg(self.explained_overlay()))
        else:
            raise BlemishError(f"The picture {path} must end in .png or .jpg.")

    def pictures(
        self, scale: HeatScale | None = None, mask: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """What there is to see of the whole picture, each uint8 [H, W, 3], by caption.

        That is the input and the overlay, and with a reconstruction that and the Grad-CAM map too, all with
        at most PAGE_SIDE pixels on the longer side. A reconstruction is black where the frame hides the
        picture.

        Args:
            scale: that of `overlay`.
            mask: bool [H, W], outlined in the heat map; None draws none.

        Raises:
            ImageError: as `original`.
        """
        picture = self.original(PAGE_SIDE)
        caption = f"input: {NOT_THIS_PART}" if self.is_other_part else "input"
        heat = self._overlaid(picture, scale or self.heat_scale, mask, PAGE_SIDE)
        if self.reconstruction is None or self.attention is None:
            return {caption: picture, "heat map": heat}
        frame, size, _ = self._drawable()
        channels = self.reconstruction.astype(np.float32).transpose(2, 0, 1)
        redrawn = np.stack([map_on_image(channel, *size, frame, PAGE_SIDE) for channel in channels], axis=2)
        attention = map_on_image(self.attention, *size, frame, PAGE_SIDE)
        return {
            caption: picture,
            "reconstruction": np.rint(np.nan_to_num(redrawn)).astype(np.uint8),
            "error map": heat,
            "Grad-CAM (own scale)": attention_overlay(picture, attention),
        }

    def _in_words(self) -> str:
        """The verdict in a line, such as "anomalous, p-value 0.012, score 3.41", or the error."""
        if self.score is None:
            return self.error
        judged = "anomalous" if self.is_anomalous else "good"
        words = [f"{self.verdict} ({self.decided_by})" if self.decided_by else self.verdict or judged]
        words += [NOT_THIS_PART] if self.is_other_part else []
        words += [] if self.p_value is None else [f"p-value {self.p_value:.2g}"]
        return ", ".join([*words, f"score {self.score:.3g}"])

    def _overlaid(
        self, picture: np.ndarray, scale: HeatScale, mask: np.ndarray | None, side: int | None
    ) -> np.ndarray:
        heat = overlay(picture, self.map_on_image(side), scale, mask)
        _, size, _ = self._drawable()
        for counts, colour in ((False, NOT_COUNTED), (True, "cyan")):
            chosen = outlines(region for region in self.regions if region.counts is counts)
            heat = draw_outlines(heat, chosen, *size, colour)
        return heat

    def _drawable(self) -> tuple[Frame, tuple[int, int], np.ndarray]:
        if self.frame is None or self.size is None or self.anomaly_map is None:
            raise ImageError(f"There is nothing to draw: {self.error or 'the result carries no map.'}")
        return self.frame, self.size, self.anomaly_map
