"""PURE: the shape of the funnel, as an SVG path."""

from collections.abc import Sequence
from itertools import pairwise

WIDTH, HEIGHT = 100, 100  # of one stage, in the drawing's units
_FLAT = 58  # how far a stage stays level before it slopes to the next
_THINNEST = 1.5  # what is there stays visible


def silhouette(counts: Sequence[int]) -> str:
    """One closed path: a level stretch per stage, as high as its count, joined by slopes."""
    largest = max((*counts, 1))
    tops = [HEIGHT - max(_THINNEST, HEIGHT * count / largest) if count else HEIGHT - 0.4 for count in counts]
    path = [f"M0 {HEIGHT}V{tops[0]:.2f}"]
    for stage, (top, following) in enumerate(pairwise(tops)):
        level, end = stage * WIDTH + _FLAT, (stage + 1) * WIDTH
        middle = (level + end) / 2
        path.append(f"H{level}C{middle:g} {top:.2f} {middle:g} {following:.2f} {end} {following:.2f}")
    return "".join(path) + f"H{len(tops) * WIDTH}V{HEIGHT}Z"
