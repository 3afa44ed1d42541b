"""The project's own engine for CPUs: the network in C++, without any runtime library.

``engine/`` is the C++, a file a part of the network, named as in `lgrnet`; ``network.hpp`` is all.
It is compiled where it runs, by ``python -m runtime.native`` (`runtime.native.compile`), opened by
`runtime.native.library`, and reads the files of `runtime.native.model`, which
``python -m export.native`` writes. What makes it fast:

* 3 × 3 convolutions by Winograd's method, in 8 bits where the file says so (``winograd.hpp``);
* a step of the skip-BiLSTM is one pass over the map: gates, cell and hidden state are computed
  while the products are in the cache (``relation.hpp``);
* patches are zero outside of two windows, and tiles of zeros are never computed (``patches.hpp``);
* the branch of an action unit stays on one core from fusion to probability (``network.hpp``).
"""
