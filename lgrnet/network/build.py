"""From a configuration to the network that it describes."""

from lgrnet.network.config import ModelConfig
from lgrnet.network.jaanet import JAANet
from lgrnet.network.model import LGRNet

Network = LGRNet | JAANet
"""Both give a :class:`lgrnet.network.model.Prediction`."""


def build_network(config: ModelConfig) -> Network:
    """Build a network with random weights.

    Args:
        config: Which.

    Returns:
        The network, in training mode.
    """
    return JAANet(config) if config.architecture == "jaanet" else LGRNet(config)
