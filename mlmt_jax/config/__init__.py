"""The config file: its models, their checks, and reading the JSON file. Free of jax."""

from mlmt_jax.config.blocks import AVERAGE_INTERVAL, Config, DatasetConfig, TaskConfig
from mlmt_jax.config.components import (
    CharCNNConfig,
    CRFConfig,
    EmbeddingConfig,
    HighwayConfig,
    LinearConfig,
    LSTMConfig,
)
from mlmt_jax.config.loading import load_config, parse_config

__all__ = [
    "AVERAGE_INTERVAL",
    "CRFConfig",
    "CharCNNConfig",
    "Config",
    "DatasetConfig",
    "EmbeddingConfig",
    "HighwayConfig",
    "LSTMConfig",
    "LinearConfig",
    "TaskConfig",
    "load_config",
    "parse_config",
]
