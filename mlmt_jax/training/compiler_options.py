"""Options of XLA for the programs that train and tag."""

#: On a GPU, algorithms for matrix products are not tried out: on an H100 that made steps 4 % shorter, but
#: compiling took more than twice as long and eight times the memory. A CPU ignores the option. ``jit`` within
#: ``jit`` refuses options.
COMPILER_OPTIONS: dict[str, str | bool] = {"xla_gpu_autotune_level": "0"}
