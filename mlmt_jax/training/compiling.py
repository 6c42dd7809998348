"""How the programs of a run are compiled."""

__all__ = ["COMPILER_OPTIONS"]

#: A GPU is not to try out ways to multiply matrices: on an H100 steps were 4 % shorter then, but compiling
#: took more than twice as long and eight times the memory. A CPU has no use for it.
COMPILER_OPTIONS: dict[str, str | bool] = {"xla_gpu_autotune_level": "0"}
