"""What every exported graph takes and gives, around the network as it was trained."""

import torch
from torch import Tensor, nn

from lgrnet.network.build import Network
from runtime.landmarks import COUNT

Outputs = tuple[Tensor, ...]
"""AU probabilities, (B, n) in ascending AU number; landmarks, (B, 49, 2) pixels of the crop; and of
networks that tell them intensities, (B, n) in [0, 5]. See :data:`runtime.spec.OUTPUT_NAMES`."""


def normalise(faces: Tensor) -> Tensor:
    """Turn face crops into the network's input, as training does.

    Args:
        faces: (B, H, W, 3) uint8, BGR.

    Returns:
        (B, 3, H, W) float32, RGB, (x / 255 − 0.5) / 0.5.
    """
    return faces.flip(-1).permute(0, 3, 1, 2).to(torch.float32).mul(2 / 255).sub(1)


class PlainGraph(nn.Module):
    """The trained network, module by module, with pixels as input and probabilities as output.

    It is what the rewritten graphs are compared with and measured against.
    """

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, face: Tensor) -> Outputs:
        """Recognise the AUs of faces.

        Args:
            face: Crops, (B, 176, 176, 3) uint8, BGR.

        Returns:
            See :data:`Outputs`.
        """
        prediction = self.model(normalise(face))
        outputs = (prediction.au_logits.sigmoid(), prediction.landmarks.view(-1, COUNT, 2))
        return outputs if prediction.intensity is None else (*outputs, prediction.intensity)
