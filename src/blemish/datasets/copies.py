"""Near-equal images: one photograph saved twice, re-encoded, shifted a little, or taken twice of one part."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SIDE, BLUR = 64, 2.0  # of a thumbnail, in pixels; blurred, so that a shift of its parts is a gradient
REACH = 4  # thumbnail pixels, by which copies may be shifted
MARGIN = REACH + 2
UNEXPLAINED = 0.035  # of a copy's contrast by its original
AGAINST_OTHERS = 0.25  # and this much of what another image like it leaves unexplained
CANDIDATES, LEAST_OTHERS = 2, 8
BLOCK = 256  # images at once

Floats = NDArray[np.float32]


def thumbnail(image: np.ndarray) -> np.ndarray:
    """What copies are told by: uint8 [H, W, 3] to uint8 [SIDE, SIDE], grey and blurred."""
    small = Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small.filter(ImageFilter.GaussianBlur(BLUR)))


def first_of_copies(thumbnails: np.ndarray) -> np.ndarray:
    """Which image each is a near-equal copy of.

    Candidates are alike in the amplitudes of their Fourier transforms, which a shift leaves as they are. They
    are shifted onto each other where their correlation is highest, and one is explained by the other, its
    gradients (a rest of the shift) and a constant, by least squares: so neither a shift nor exposure counts.
    It is a copy where little of its contrast is left, and far less than another image like it leaves (the
    tenth of the images that is most like it being left aside): alike parts before one camera are no copies.

    Args:
        thumbnails: uint8 [N, SIDE, SIDE], see `thumbnail`.

    Returns:
        int64 [N]: the number of the first image of each group of copies, its own where it is none.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(thumbnails)
    if count < 3:
        return np.arange(count)
    blocks = np.array_split(np.arange(count), -(-count // BLOCK))
    amplitudes = np.concatenate([_amplitudes(thumbnails[block]) for block in blocks])
    near = min(CANDIDATES, count - 2)
    other = min(count - 1, max(LEAST_OTHERS, count // 10)) - 1  # its place in the order of likeness
    pairs = []
    for block in blocks:
        likeness = amplitudes[block] @ amplitudes.T
        likeness[np.arange(len(block)), block] = -1
        alike = np.argpartition(-likeness, [*range(near), other], axis=1)
        against = AGAINST_OTHERS * _unexplained(thumbnails[block], thumbnails[alike[:, other]])
        for candidates in alike[:, :near].T:
            left = _unexplained(thumbnails[block], thumbnails[candidates])
            is_copy = left < np.minimum(UNEXPLAINED, against)
            pairs.append(np.stack([block[is_copy], candidates[is_copy]]))
    one, another = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(one)), (one, another)), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[group])


def _spectra(images: np.ndarray) -> np.ndarray:
    """Of thumbnails [B, SIDE, SIDE], faded out at their borders."""
    window = np.sqrt(np.outer(*[np.hanning(SIDE + 2)[1:-1]] * 2))
    return np.fft.rfft2((images - images.mean(axis=(1, 2), keepdims=True)) * window)


def _amplitudes(images: np.ndarray) -> Floats:
    """The low frequencies that the blur leaves, float32 [B, F] of unit length."""
    low = np.r_[: SIDE // 4, -SIDE // 4 + 1 : 0]
    found = np.abs(_spectra(images)[:, low, : SIDE // 4]).reshape(len(images), -1)
    return np.asarray(found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-9), np.float32)


def _unexplained(images: np.ndarray, others: np.ndarray) -> Floats:
    """The share of contrast (standard deviation) of thumbnails that others leave unexplained, float32 [B]."""
    correlation = np.fft.irfft2(_spectra(others) * _spectra(images).conj())
    reachable = np.arange(-REACH, REACH + 1)
    correlation = correlation[:, reachable[:, None], reachable]
    down, right = np.divmod(correlation.reshape(len(images), -1).argmax(axis=1), len(reachable))
    along = np.arange(MARGIN - 1, SIDE - MARGIN + 1)
    rows, columns = (shift[:, None] - REACH + along for shift in (down, right))
    number = np.arange(len(images))[:, None, None]
    shifted = others[number, rows[:, :, None], columns[:, None, :]].astype(np.float32)
    basis = np.stack([np.ones_like(shifted), shifted, *np.gradient(shifted, axis=(1, 2))], axis=1)
    basis = basis[:, :, 1:-1, 1:-1].reshape(len(images), 4, -1)
    middle = slice(MARGIN, -MARGIN)
    wanted = images[:, middle, middle].reshape(len(images), -1, 1).astype(np.float32)
    gram = basis @ basis.transpose(0, 2, 1) + 1e-3 * np.eye(4, dtype=np.float32)
    left = wanted - basis.transpose(0, 2, 1) @ np.linalg.solve(gram, basis @ wanted)
    return np.asarray(left.std(axis=(1, 2)) / (wanted.std(axis=(1, 2)) + 1e-6))
