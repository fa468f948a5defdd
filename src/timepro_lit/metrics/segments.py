"""Segments paired one to one by overlap, as a query with several occurrences is judged."""

from __future__ import annotations

import numpy as np

from timepro_lit.events.matching import maximum_matching
from timepro_lit.metrics.base import FloatArray


def matches_at(ious: FloatArray, threshold: float) -> int:
    """Number of pairs in the largest one-to-one matching with IoU >= threshold, of the (W, M) IoUs."""
    return maximum_matching([np.flatnonzero(of_window >= threshold).tolist() for of_window in ious])
