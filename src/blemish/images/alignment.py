"""Pictures of parts that lie a little elsewhere, moved onto one good picture. The extra `align`: OpenCV.

A picture is compared with the reference by the magnitude of its gradients, so that light hardly counts.
The best correlation over all shifts, angles and sizes on a coarse grid starts the search, and the enhanced
correlation coefficient (Evangelidis and Psarakis, 2008) refines it. A move is kept only where it makes the
match better. What moves in from beyond the border shows what the reference shows there. Free rotation is
not covered.
"""

import importlib.util
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from blemish.errors import ConfigError
from blemish.extras import install_command

SIDE, SHOWN = 128, 256  # pixels on the longer side: of what is compared, of the reference in a model file
SHIFT, TURN, SCALE = 0.2, 25.0, 0.1  # largest share of a side, degrees, and difference from 1
NOTHING = 0.5  # pixels of what is compared that no move is worth
USUAL, FACTOR = 0.9, 2.5  # of good pictures, and times the distance from 1 within which they match
LEAST, ENOUGH = 0.4, 0.7  # a limit: unrelated pictures match up to 0.3, and resampling alone costs 0.1
ANGLES, SIZES = range(-25, 26, 5), (0.95, 1.05)  # where the search starts
STARTS = 3  # angles that are refined
STEPS = (3, 30, 1e-4)  # iterations of the refinement at most, and the gain below which it ends (OpenCV)
FINE, COARSE, PLACE = 1.0, 2.0, 8.0  # sigmas in pixels of the Gaussian before the gradients

Matrix = np.ndarray  # float64 [3, 3], from places in the aligned picture to places in the original


class Placed(NamedTuple):
    """A picture on the reference, the move that brought it there in shares of its width and height (None:
    none was better than none), and the correlation in [-1, 1] with the reference."""

    picture: Image.Image
    move: Matrix | None
    match: float


class Reference(BaseModel):
    """The good picture onto which others are moved.

    Attributes:
        picture: in colour, a PNG file of at most 256 pixels on the longer side, in base64.
        limit: the least correlation, in [0.4, 0.7], that good pictures have with it once they are aligned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str
    limit: float = Field(ge=LEAST, le=ENOUGH)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        try:
            side = max(self._shown.size)
        except OSError:
            side = 0
        if not 0 < side <= SHOWN:
            raise ValueError("the reference picture is damaged")
        return self

    @classmethod
    def learn(cls, pictures: Sequence[Image.Image]) -> "Reference | None":
        """Choose the picture that lies in the middle of the others; the limit comes from how they match it.

        Args:
            pictures: good ones in RGB, of one size of at most 256 pixels on the longer side; at least 2.

        Returns:
            None where more than one in ten match no better than an unrelated picture would.
        """
        greys = [small(picture) for picture in pictures]
        blurred = [_edges(grey, PLACE) for grey in greys]
        mean = np.mean(blurred, axis=0)
        first = cls._of(pictures[int(np.argmax([_correlation(one, mean) for one in blurred]))])
        found = [first.find(grey) for grey in greys]
        if all(match < LEAST for _, match in found):
            return None
        moves = np.stack([np.eye(3) if move is None else move for move, _ in found])
        middle = np.median(moves[[match >= LEAST for _, match in found]], axis=0)
        chosen = int(np.abs(moves - middle).max(axis=(1, 2)).argmin())
        reference = cls._of(pictures[chosen])
        matches = [reference.find(grey)[1] for index, grey in enumerate(greys) if index != chosen]
        usual = float(np.quantile(matches, 1 - USUAL, method="lower"))
        if usual < LEAST:
            return None
        limit = min(max(LEAST, 1 - FACTOR * (1 - usual)), ENOUGH)
        return reference.model_copy(update={"limit": limit})

    @classmethod
    def _of(cls, picture: Image.Image) -> "Reference":
        file = BytesIO()
        picture.save(file, "PNG")
        return cls(picture=b64encode(file.getvalue()).decode(), limit=LEAST)

    def place(self, picture: Image.Image) -> Placed:
        """Move a picture in mode L or RGB onto the reference, which shows where the picture ends.

        One that matches poorly, below the limit, is left as it is.
        """
        import cv2

        grey = small(picture, self._grey.shape)
        move, match = self.find(grey)
        if move is None or match < self.limit:
            return Placed(picture, None, match)
        light = float(grey.mean() / max(self._grey.mean(), 1))
        beyond = self._shown.resize(picture.size, Image.Resampling.BICUBIC).convert(picture.mode)
        moved = cv2.warpAffine(
            np.asarray(picture),
            _in_pixels(move, *picture.size)[:2],
            picture.size,
            dst=cv2.convertScaleAbs(np.asarray(beyond), alpha=light),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
        return Placed(Image.fromarray(moved), move, match)

    def find(self, picture: np.ndarray) -> tuple[Matrix | None, float]:
        """The move that aligns a picture, uint8 of the shape of `small(reference)`, and the match then."""
        import cv2

        height, width = self._own.shape
        centre, edges = _around(width, height), _edges(picture)
        best, match = np.eye(3), _correlation(self._own, edges)
        everywhere = np.ones(edges.shape, np.uint8)
        candidates: list[Matrix] = []
        for start in self._starts(picture):
            candidates.append(start)
            for motion, blur in ((cv2.MOTION_EUCLIDEAN, 11), (cv2.MOTION_AFFINE, 5)):
                guess = candidates[-1][:2].astype(np.float32)
                try:
                    _, found = cv2.findTransformECC(self._own, edges, guess, motion, STEPS, everywhere, blur)
                except cv2.error:  # it diverged
                    break
                candidates.append(_similarity(np.vstack([found, [0, 0, 1]]), centre))
        for candidate in candidates:
            if _is_covered(candidate, centre, width, height):
                reached = _correlation(self._own, _edges(_warped(picture, candidate)))
                if reached > match:
                    best, match = candidate, reached
        corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
        if np.abs(corners @ (best - np.eye(3)).T).max() < NOTHING:
            return None, match
        size = _grid(width, height)
        return np.linalg.inv(size) @ best @ size, match

    def _starts(self, picture: np.ndarray) -> list[Matrix]:
        """The best shifts at the best of a few angles and sizes, in pixels; sought at half the size."""
        import cv2

        height, width = self._coarse.shape
        coarse = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        across, down = (int(np.ceil(SHIFT * side)) for side in (width, height))

        def best_shift(angle: float, scale: float) -> tuple[float, Matrix]:
            turned = _turned(angle, scale, width, height)
            edges = np.pad(_edges(_warped(coarse, turned), COARSE), ((down, down), (across, across)))
            matches = cv2.matchTemplate(edges, self._coarse, cv2.TM_CCOEFF_NORMED)
            _, match, _, (x, y) = cv2.minMaxLoc(matches)
            return match, turned @ np.array([[1, 0, x - across], [0, 1, y - down], [0, 0, 1]])

        found = [max((best_shift(angle, size) for size in SIZES), key=lambda one: one[0]) for angle in ANGLES]
        found.sort(key=lambda one: one[0], reverse=True)
        size = _grid(*self._own.shape[::-1]) @ np.linalg.inv(_grid(width, height))
        return [size @ matrix @ np.linalg.inv(size) for _, matrix in found[:STARTS]]

    @cached_property
    def _shown(self) -> Image.Image:
        with Image.open(BytesIO(b64decode(self.picture)), formats=("PNG",)) as file:
            return file.convert("RGB")

    @cached_property
    def _grey(self) -> np.ndarray:
        return small(self._shown)

    @cached_property
    def _own(self) -> np.ndarray:
        return _edges(self._grey)

    @cached_property
    def _coarse(self) -> np.ndarray:
        import cv2

        height, width = self._grey.shape
        half = cv2.resize(self._grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        return _edges(half, COARSE)


def check_opencv() -> None:
    """Refuse to align without OpenCV.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec("cv2") is None:
        raise ConfigError(f"Aligning pictures needs OpenCV: {install_command('align')}.")


def small(picture: Image.Image, shape: tuple[int, ...] = ()) -> np.ndarray:
    """A picture in grey, averaged to this height and width, or to 128 pixels at most: uint8 [h, w]."""
    grey = picture.convert("L")
    if not shape:
        grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(grey)
    height, width = shape
    return np.asarray(grey.resize((width, height), Image.Resampling.BOX))


def put_back(values: np.ndarray, move: Matrix) -> np.ndarray:
    """Take what was found on an aligned picture back onto the original.

    Args:
        values: float32 [H, W], or uint8 [H, W, 3], of the whole aligned picture.
        move: of `Placed`.

    Returns:
        The same shape and dtype; NaN, or black, where the aligned picture does not show the original.
    """
    import cv2

    height, width = values.shape[:2]
    nothing = np.nan if values.dtype == np.float32 else 0
    matrix = _in_pixels(move, width, height)[:2]
    put: Any = cv2.warpAffine(values, matrix, (width, height), borderValue=(nothing,) * 3)
    return np.asarray(put)


def _edges(grey: np.ndarray, sigma: float = FINE) -> np.ndarray:
    """The magnitude of the gradients of a slightly smoothed picture, float32 [h, w]."""
    import cv2

    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), sigma)
    return np.asarray(cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, 0 where one is flat."""
    first, second = one - one.mean(), other - other.mean()
    return float((first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9))


def _warped(grey: np.ndarray, matrix: Matrix) -> np.ndarray:
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(grey, matrix[:2], grey.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _turned(angle: float, scale: float, width: int, height: int) -> Matrix:
    """Degrees and size about the centre of a picture, in its pixels."""
    import cv2

    x, y, _ = _around(width, height)
    return np.vstack([cv2.getRotationMatrix2D((x, y), angle, scale), [0, 0, 1]])


def _around(width: int, height: int) -> np.ndarray:
    """The centre of a picture, (x, y, 1), in pixels that are counted at their centres."""
    return np.array([(width - 1) / 2, (height - 1) / 2, 1])


def _similarity(matrix: Matrix, centre: np.ndarray) -> Matrix:
    """The nearest similarity to an affine map, that takes the centre to the same place."""
    cosine, sine = (matrix[0, 0] + matrix[1, 1]) / 2, (matrix[1, 0] - matrix[0, 1]) / 2
    nearest = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    nearest[:2, 2] = (matrix @ centre - nearest @ centre)[:2]
    return nearest


def _is_covered(matrix: Matrix, centre: np.ndarray, width: int, height: int) -> bool:
    """Whether a similarity in pixels is within the moves that are looked for."""
    angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    shift = (matrix @ centre - centre)[:2] / (width, height)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    return bool(abs(angle) <= TURN and np.abs(shift).max() <= SHIFT and 1 - SCALE <= scale <= 1 + SCALE)


def _grid(width: int, height: int) -> Matrix:
    """From shares of width and height to pixels, counted at their centres."""
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]])


def _in_pixels(move: Matrix, width: int, height: int) -> Matrix:
    """A move in shares of width and height as one in the pixels of a picture of this size."""
    size = _grid(width, height)
    return size @ move @ np.linalg.inv(size)
