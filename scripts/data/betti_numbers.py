"""Betti numbers of a picture, as `burn_topology::video_metrics::betti_numbers` counts them."""

import numpy as np
from scipy import ndimage


def betti_numbers(foreground: np.ndarray) -> tuple[int, int]:
    """Numbers of components and of holes of a mask: the foreground is 8-connected, the background 4-connected."""
    n_components = ndimage.label(foreground, structure=np.ones((3, 3)))[1]
    # A border of background joins all that is outside of the foreground.
    n_background = ndimage.label(~np.pad(foreground, 1))[1]
    return n_components, n_background - 1
