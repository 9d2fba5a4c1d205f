"""The index room's loops, compiled."""

from spladed.index.kernels.old import WINDOW, invert, score, warm_up

__all__ = ["WINDOW", "invert", "score", "warm_up"]
