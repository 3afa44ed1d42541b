"""What becomes of the network's probabilities over time: baseline, smoothing, presence.

Off unless asked for: a face is present as the model's thresholds say, frame by frame. What is asked
for happens in this order, to each face by itself, while it is followed:

1. `runtime.signals.baseline` takes off what the person's face shows at rest;
2. `runtime.signals.smoothing` smooths;
3. `runtime.signals.hysteresis` judges what is present.

`Face.aus` stays as the network said it; `Face.adjusted` is what came of 1 and 2.
"""

from runtime.signals.bank import SignalBank
from runtime.signals.options import Signals

__all__ = ["SignalBank", "Signals"]
