"""How the programs that train and tag are compiled."""

__all__ = ["COMPILER_OPTIONS"]

#: Ways to multiply matrices are not tried out on a GPU: on an H100 that made steps 4 % shorter, but compiling
#: took more than twice as long and eight times the memory. A CPU has no use for it. Not for a ``jit`` within
#: another one.
COMPILER_OPTIONS: dict[str, str | bool] = {"xla_gpu_autotune_level": "0"}
