"""Outlines of masks as polygons, and how long and wide a shape is."""

import numpy as np


def outer_polygons(mask: np.ndarray) -> list[np.ndarray]:
    """The outer outlines of a mask along the edges of its pixels.

    Holes are left out. Parts that touch by a corner have an outline each, or share one that passes the corner
    twice.

    Args:
        mask: bool [H, W].

    Returns:
        Polygons int64 [n, 2] of corner points (x, y), clockwise; pixel (x, y) reaches from there to
        (x + 1, y + 1). None for an empty mask.
    """
    padded = np.pad(mask, 1)
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    crossed = (upper_left == lower_right) & (upper_right == lower_left) & (upper_left != upper_right)
    rows, columns = np.nonzero((upper_left ^ upper_right ^ lower_left ^ lower_right) | crossed)
    twice = 1 + crossed[rows, columns]
    rows, columns = np.repeat(rows, twice), np.repeat(columns, twice)
    # Along each row, and along each column, the outline runs between corners 0 and 1, 2 and 3 and so on.
    by_column = np.lexsort((rows, columns))
    vertical = np.empty(len(rows), np.int64)
    vertical[by_column[0::2]], vertical[by_column[1::2]] = by_column[1::2], by_column[0::2]
    points = np.stack([columns, rows], axis=1)
    return [points[loop] for loop in _loops(vertical.tolist()) if mask[tuple(points[loop[0], ::-1])]]


def _loops(vertical: list[int]) -> list[list[int]]:
    """Closed ways through corners, each from its first: along a row to the pair's other one, then along a
    column."""
    loops, seen = [], [False] * len(vertical)
    for start in range(0, len(vertical), 2):
        if seen[start]:
            continue
        loop, corner = [], start
        while True:
            other = corner ^ 1
            seen[corner] = seen[other] = True
            loop += [corner, other]
            corner = vertical[other]
            if corner == start:
                break
        loops.append(loop)
    return loops


def feret_diameters(points: np.ndarray) -> tuple[float, float]:
    """Maximal and minimal Feret diameter of a shape.

    That is the largest distance between two of its points, and the smallest distance between two parallel
    lines that have it between them (of its convex hull one side lies on such a line).

    Args:
        points: float [n, 2], among them the corners of its convex hull, which has an area.
    """
    hull = _convex_hull(points)
    across = hull[:, None] - hull
    sides = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-sides[:, 1], sides[:, 0]]) / np.hypot(*sides.T)
    return float(np.sqrt((across**2).sum(axis=2).max())), float(np.ptp(hull @ normals, axis=0).min())


def _convex_hull(points: np.ndarray) -> np.ndarray:
    """The corners [m, 2] in order (Andrew's monotone chain)."""
    ordered = sorted(set(map(tuple, points.tolist())))
    return np.array(_half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1])


def _half_hull(ordered: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    hull: list[tuple[float, ...]] = []
    for x, y in ordered:
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):
                break
            hull.pop()
        hull.append((x, y))
    return hull
