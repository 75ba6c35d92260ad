"""Whether frames are a mix of two scenes, judged on the small pictures."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.images import RGB

BLOCKS = (16, 9)
"""columns and rows in which movement may disturb the mix here and there"""
CHANGED_BLOCK = 8.0
"""grey levels (root mean square); a block has changed"""
UNMIXED = 1.15
"""of `is_mix`'s sum; drawn dissolves, moving ones too, stay below 1.04, pans and zooms above 1.42"""
SAME_EDGES = 0.5
"""correlation of the edges of the two ends above which they are one scene in another light, or half faded"""
LOOKED_AT = 7
"""frames inside, evenly spread"""


def is_mix(frames: Sequence[RGB]) -> bool:
    """Whether the frames between the first and the last are even mixes of these two: a dissolve or a fade.

    It adds up what speaks against it: edges in the middle (in those of the two ends, of which an even mix has half), the
    distance of the frames from the even mix (in the change from end to end, median over the changed blocks), and the
    share of the blocks that did not change. Ends with the same edges are one scene whose light changes.
    """
    if len({frame.shape for frame in frames}) > 1:
        return False
    before, after = (frame.astype(np.float32) for frame in (frames[0], frames[-1]))
    change = _by_block(after - before)
    changed = change > 3 * CHANGED_BLOCK**2
    edges = [_edges(frames[position]) for position in (0, len(frames) // 2, -1)]
    energies = [float((edge * edge).sum()) for edge in edges]
    if float((edges[0] * edges[2]).sum()) > SAME_EDGES * np.sqrt(energies[0] * energies[2]):
        return False
    against = 2 * energies[1] / max(energies[0] + energies[2], 1.0) + 3 * (1 - float(changed.mean()))
    if against > UNMIXED:
        return False
    inside = np.unique(np.linspace(1, len(frames) - 2, LOOKED_AT).astype(int))
    residue = np.zeros_like(change)
    for position in inside:
        share = np.float32(position / (len(frames) - 1))
        residue += _by_block(frames[position] - (1 - share) * before - share * after)
    against += 2 * float(np.median(residue[changed] / change[changed])) / len(inside)
    return against <= UNMIXED


def _by_block(difference_HW3: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over each block of the squared difference, summed over the colours."""
    squares = cv2.transform(difference_HW3 * difference_HW3, np.ones((1, 3), dtype=np.float32))
    return np.asarray(cv2.resize(squares, BLOCKS, interpolation=cv2.INTER_AREA))


def _edges(image_HW3: RGB) -> NDArray[np.float32]:
    """How the luma rises to the right and downward, (2, H, W)."""
    luma = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY)
    return np.stack([np.asarray(cv2.Sobel(luma, cv2.CV_32F, x, 1 - x), dtype=np.float32) for x in (1, 0)])
