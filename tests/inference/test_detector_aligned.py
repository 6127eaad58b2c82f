"""A model that aligns: maps, regions and verdicts are of the picture as it came."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.api import evaluate
from blemish.datasets import Dataset, Sample
from blemish.datasets.drawn import draw_part
from blemish.errors import ConfigError
from blemish.images.changes import move
from blemish.inference.detector import Detector
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.support import BACKBONE

SIDE = 96
FRAME = {"resize": 64, "crop": None, "align": True}


def part(number: int, rng: np.random.Generator) -> np.ndarray:
    """A drawn good part that lies up to a tenth of the side elsewhere."""
    down, right = rng.uniform(-0.1, 0.1, 2)
    return move(draw_part("metal", "good", seed=(3, number), size=SIDE)[0], down, right, rng.uniform(-8, 8))


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    pytest.importorskip("cv2", reason="needs the extra align")
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    samples = [Sample(folder / f"{number}.png", label=0) for number in range(16)]
    for number, sample in enumerate(samples):
        Image.fromarray(part(number, rng)).save(sample.path)
    values = {"method": "padim", "model": {"backbone": BACKBONE}, "frame": FRAME}
    config = build_config(values=values)
    fit(Dataset("parts", train=samples), config, folder / "parts.safetensors", weights="random")
    return Detector.load(folder / "parts.safetensors")


def test_the_reference_travels_with_the_model_and_brings_moved_pictures_together(aligned: Detector) -> None:
    rng = np.random.default_rng(5)
    one, other = part(50, rng), part(50, rng)
    results = aligned.predict(one), aligned.predict(other)
    seen = [np.asarray(result.image, float)[8:-8, 8:-8] for result in results]
    plain = [np.asarray(Image.fromarray(array).resize((64, 64)), float)[8:-8, 8:-8] for array in (one, other)]
    assert aligned.frame.reference is not None
    assert np.abs(seen[0] - seen[1]).mean() < 0.7 * np.abs(plain[0] - plain[1]).mean()


def test_the_map_lies_on_the_picture_as_it_came_and_is_unknown_where_it_was_moved_out(
    aligned: Detector,
) -> None:
    picture = move(draw_part("metal", "good", seed=(3, 60), size=SIDE)[0], 0.1, 0.1)
    result = aligned.predict(picture)
    on_image = result.map_on_image()
    unseen = np.isnan(on_image)
    assert on_image.shape == picture.shape[:2]
    assert 0 < unseen.mean() < 0.5
    drawn = result.overlay(aligned.heat_scale)
    assert drawn.shape == picture.shape


def test_another_part_is_scored_as_it_is_and_told(aligned: Detector) -> None:
    other = np.full((SIDE, SIDE, 3), 128, np.uint8)
    result = aligned.predict(other)
    assert result.is_other_part is True
    np.testing.assert_array_equal(result.image, other[:64, :64])


def test_an_evaluation_takes_masks_as_they_are(aligned: Detector, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    for label, name in ((0, "good"), (1, "hole")):
        picture, mask = draw_part("metal", name, seed=(3, 70), size=SIDE)
        down, right = rng.uniform(-0.08, 0.08, 2)
        for kind, values in (("test", picture), ("ground_truth", np.repeat(mask[..., None] * 255, 3, 2))):
            if kind == "test" or label:
                path = tmp_path / kind / name / ("000.png" if kind == "test" else "000_mask.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(move(values.astype(np.uint8), down, right)).save(path)
    found = evaluate(aligned, str(tmp_path))
    assert found.pixel is not None
    assert np.isfinite(found.pixel["auroc"])


def test_parts_in_any_direction_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs the extra align")
    turned = [move(draw_part("metal", "good", seed=(3, n), size=SIDE)[0], 0, 0, 45 * n) for n in range(8)]
    samples = [Sample(tmp_path / f"{number}.png", label=0) for number in range(8)]
    for sample, picture in zip(samples, turned, strict=True):
        Image.fromarray(picture).save(sample.path)
    values = {"method": "padim", "model": {"backbone": BACKBONE}, "frame": FRAME}
    config, model = build_config(values=values), tmp_path / "model.safetensors"
    with pytest.raises(ConfigError, match="More than one in ten good images match no other"):
        fit(Dataset("parts", train=samples), config, model, weights="random")
    assert not model.exists()
