"""From a configuration to the network that it describes."""

from torch import nn

from lgrnet.config import ModelConfig
from lgrnet.jaanet import JAANet
from lgrnet.model import LGRNet


def build_network(config: ModelConfig) -> nn.Module:
    """Build a network with random weights.

    Args:
        config: Which.

    Returns:
        :class:`lgrnet.model.LGRNet` or :class:`lgrnet.jaanet.JAANet`; both give a
        :class:`lgrnet.model.Prediction`.
    """
    return JAANet(config) if config.architecture == "jaanet" else LGRNet(config)
