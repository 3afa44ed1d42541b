"""LGRNet for facial action units, in PyTorch: the network, its training, its evaluation.

The letters below mean the same in every docstring and shape comment of this package:

======  ==========================================================================
``B``   batch
``N``   faces, or other things, of which there may be any number
``n``   action units (AUs)
``L``   landmarks, 49
``C``   channels of the feature grid, 64 in the paper
``H W`` image, pixels
``h w`` feature grid, 44 × 44 in the paper
``F``   stem feature, (B, C, h, w)
``G``   global feature, (B, C_g, h_g, w_g)
======  ==========================================================================

Equation, section and table numbers are those of the LGRNet paper; "JÂA-Net" is the paper's
reference [29], from which it borrows the stem, the alignment network and the protocol.
"""

import sys

__version__ = "0.1.0"

if sys.argv[:1] == ["-m"]:  # while Python looks for the command that is to be run
    from runtime.console.not_installed import end_in_a_line

    end_in_a_line({"torch": "train", "numba": "faces", "scipy": "faces"})
