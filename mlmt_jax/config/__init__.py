"""The config file: its schema, its checks and its reading. The layer below all others, free of jax."""

from mlmt_jax.config.blocks import (
    Config,
    DatasetConfig,
    FilesConfig,
    ModelConfig,
    ParserConfig,
    TaskConfig,
    TrainingConfig,
)
from mlmt_jax.config.components import (
    CharCNNConfig,
    Component,
    CRFConfig,
    EmbeddingConfig,
    HighwayConfig,
    LinearConfig,
    LSTMConfig,
)
from mlmt_jax.config.loading import load_config, parse_config

__all__ = [
    "CRFConfig",
    "CharCNNConfig",
    "Component",
    "Config",
    "DatasetConfig",
    "EmbeddingConfig",
    "FilesConfig",
    "HighwayConfig",
    "LSTMConfig",
    "LinearConfig",
    "ModelConfig",
    "ParserConfig",
    "TaskConfig",
    "TrainingConfig",
    "load_config",
    "parse_config",
]
