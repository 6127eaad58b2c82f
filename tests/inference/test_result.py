"""A result is validated once and draws itself on the whole original."""

import base64
import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageShow

from blemish.calibration import Calibration
from blemish.errors import BlemishError, ImageError
from blemish.images.drawing import HeatScale, contour
from blemish.images.frame import Frame
from blemish.images.maps import map_on_image
from blemish.images.reading import to_frame
from blemish.inference.result import Result

SCALE = HeatScale(1.0, 8.0)
ORIGINAL = np.random.default_rng(0).integers(100, 140, (60, 120, 3), dtype=np.uint8)
FRAME = Frame(resize=32, crop=32)
MAP = np.zeros((32, 32), np.float32)
MAP[20:24, 8:12] = 9.0  # columns 45 to 53 and rows 37 to 45 of the original
HOT = (slice(38, 44), slice(46, 52))


def result(**changes: object) -> Result:
    values: dict[str, object] = {"frame": FRAME, "size": (120, 60), "array": ORIGINAL}
    return Result("", 4.0, 0.1, True, MAP, to_frame(ORIGINAL, FRAME).pixels, **values | changes)  # type: ignore[arg-type]


def saturation(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2)


def test_the_heat_lies_on_the_whole_original_and_what_was_not_seen_is_hatched() -> None:
    drawn = result().overlay(SCALE)
    assert drawn.shape == ORIGINAL.shape
    assert saturation(drawn)[HOT].min() > 80 and (drawn[:30, 35:85] == ORIGINAL[:30, 35:85]).all()
    hidden = drawn[:, :30].astype(int).mean(axis=2)
    assert (hidden < 75).any() and (hidden > 130).any(), "dark, with bright lines"
    raw = result().map_on_image()
    assert np.isnan(raw[:, :30]).all() and np.isnan(raw[:, 90:]).all() and (raw[HOT] > 6).all()


@pytest.mark.parametrize(("side_by_side", "left"), [(False, 0), (True, 126)])
def test_an_overlay_with_its_legend_leaves_every_pixel_of_the_picture(side_by_side: bool, left: int) -> None:
    sheet = result().explained_overlay(SCALE, side_by_side=side_by_side)
    assert (sheet[:60, left : left + 120] == result().overlay(SCALE)).all()
    assert (sheet[:60, :120] == ORIGINAL).all() == side_by_side
    words = sheet[60:] < 100
    assert words.any() and sheet.shape[0] == 60 + 5 * 12


def test_a_mask_is_outlined_where_it_lies_even_outside_the_frame() -> None:
    mask = np.zeros((60, 120), bool)
    mask[10:20, 5:15] = True
    drawn = result().overlay(SCALE, mask)
    assert (drawn[contour(mask)] == 255).all()
    assert (drawn[mask] == result().overlay(SCALE)[mask]).all()


def test_pages_get_smaller_pictures_of_large_originals() -> None:
    large = np.repeat(np.repeat(ORIGINAL, 10, axis=0), 10, axis=1)
    shown = result(array=large, size=(1200, 600)).pictures(SCALE)
    assert list(shown) == ["input", "heat map"]
    assert {picture.shape for picture in shown.values()} == {(500, 1000, 3)}
    heat = saturation(shown["heat map"])
    rows, columns = np.nonzero(heat > heat.max() / 2)
    assert abs(rows.mean() - 41.25 * 1000 / 120) < 6 and abs(columns.mean() - 48.75 * 1000 / 120) < 6


def test_explanations_lie_on_the_original_too() -> None:
    redrawn = np.full((32, 32, 3), 77, np.uint8)
    shown = result(reconstruction=redrawn, attention=MAP / 9).pictures(SCALE)
    assert list(shown) == ["input", "reconstruction", "error map", "Grad-CAM (own scale)"]
    assert {picture.shape for picture in shown.values()} == {ORIGINAL.shape}
    assert (shown["reconstruction"][:, 35:85] == 77).all() and (shown["reconstruction"][:, :25] == 0).all()
    red, green, _ = shown["Grad-CAM (own scale)"][HOT].mean(axis=(0, 1))
    assert green > 150 and (shown["error map"] == result().overlay(SCALE)).all() and red > 100


def test_a_file_is_read_again_when_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    Image.fromarray(ORIGINAL).save(path)
    of_file = Result(str(path), 4.0, 0.1, True, MAP, frame=FRAME, size=(120, 60))
    assert (of_file.original() == ORIGINAL).all()
    assert (of_file.overlay(SCALE) == result().overlay(SCALE)).all()
    Image.fromarray(ORIGINAL[:50]).save(path)
    with pytest.raises(ImageError, match=r"part\.png has changed since it was scored"):
        of_file.overlay(SCALE)
    assert of_file.map_on_image().shape == (60, 120)
    np.testing.assert_array_equal(of_file.map_on_image(), map_on_image(MAP, 120, 60, FRAME))
    path.unlink()
    with pytest.raises(ImageError, match="does not exist"):
        of_file.overlay(SCALE)


def test_a_picture_of_another_part_says_so() -> None:
    of_another = result(is_other_part=True)
    assert of_another.to_row()["is_other_part"] is True
    assert list(of_another.pictures(SCALE)) == ["input: not this part", "heat map"]
    changed = (of_another.overlay(SCALE) != result().overlay(SCALE)).any(axis=2)
    assert changed[:15].any() and not changed[15:].any(), "letters in the corner"


def test_an_error_has_nothing_to_draw_and_what_contradicts_itself_is_refused() -> None:
    unreadable = Result("a.png", error="unreadable")
    nothing = dict.fromkeys(("score", "p_value", "is_anomalous", "is_other_part"))
    assert unreadable.to_row() == {"path": "a.png", **nothing, "error": "unreadable"}
    for draw in (unreadable.overlay, unreadable.pictures):
        with pytest.raises(ImageError, match="There is nothing to draw: unreadable"):
            draw(SCALE)
    for wrong in ({}, {"score": 1.0, "error": "gone"}):
        with pytest.raises(ValueError, match="either a score or an error"):
            Result("a.png", **wrong)
    with pytest.raises(ValueError, match=r"\[H, W\]"):
        Result("a.png", 1.0, anomaly_map=MAP[None])


PEAKS = Calibration(np.linspace(0.5, 2, 20), 0.1)


def test_unasked_the_overlay_has_the_models_own_colours_and_is_saved_as_png_or_jpeg(tmp_path: Path) -> None:
    one, scale = result(map_peaks=PEAKS), HeatScale.from_calibration(PEAKS)
    np.testing.assert_array_equal(one.overlay(), one.overlay(scale))
    drawn = one.explained_overlay(scale)
    for name in ("a.png", "a.JPG"):
        result(map_peaks=PEAKS).save(tmp_path / name)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), drawn)
    with Image.open(tmp_path / "a.JPG") as picture:
        assert (picture.format, picture.size) == ("JPEG", drawn.shape[1::-1])
    with pytest.raises(BlemishError, match=r"The picture a\.gif must end in \.png or \.jpg"):
        result(map_peaks=PEAKS).save("a.gif")
    with pytest.raises(BlemishError, match="cannot be written"):
        result(map_peaks=PEAKS).save(tmp_path / "none" / "a.png")
    with pytest.raises(ImageError, match="give a scale"):
        result().overlay()


def test_it_is_shown_in_a_viewer_or_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(ImageShow, "show", lambda picture, title: shown.append(picture) or len(shown) == 1)
    one = result(map_peaks=PEAKS)
    one.show()
    np.testing.assert_array_equal(np.asarray(shown[0]), one.explained_overlay())
    with pytest.raises(BlemishError, match=r"No picture viewer was found; write the picture"):
        one.show()
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    notebook = ModuleType("IPython.display")
    notebook.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    one.show()
    assert shown[-1] is one


def test_in_few_words(tmp_path: Path) -> None:
    assert repr(result()) == "<Result of an image in memory: anomalous, p-value 0.1, score 4>"
    of_another = result(is_other_part=True, verdict="look again")
    assert "look again, not this part, p-value 0.1" in repr(of_another)
    assert repr(Result("a.png", error="It is empty.")) == "<Result a.png: It is empty.>"
    assert result() != result() and len({result(), result()}) == 2, "compared by identity, without error"


def test_a_notebook_shows_verdict_and_picture_or_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "<b>.png"
    Image.fromarray(ORIGINAL).save(path)
    of_file = Result(str(path), 4.0, 0.1, True, MAP, frame=FRAME, size=(120, 60), map_peaks=PEAKS)
    html = of_file._repr_html_()
    assert "&lt;b&gt;.png: anomalous, p-value 0.1, score 4</p><img src=" in html
    with Image.open(io.BytesIO(base64.b64decode(html.partition("base64,")[2].partition('"')[0]))) as picture:
        assert picture.size == (120, 60)
    path.unlink()
    assert of_file._repr_html_().endswith("does not exist; check the path.")
    assert Result("a.png", error="It is empty.")._repr_html_() == "<p>a.png: It is empty.</p>"
