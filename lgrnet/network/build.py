"""From a configuration to the network that it describes."""

from torch import nn

from lgrnet.network.config import ModelConfig
from lgrnet.network.jaanet import JAANet
from lgrnet.network.model import LGRNet


def build_network(config: ModelConfig) -> nn.Module:
    """Build a network with random weights.

    Args:
        config: Which.

    Returns:
        :class:`lgrnet.network.model.LGRNet` or :class:`lgrnet.network.jaanet.JAANet`; both give a
        :class:`lgrnet.network.model.Prediction`.
    """
    return JAANet(config) if config.architecture == "jaanet" else LGRNet(config)
