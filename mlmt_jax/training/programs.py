"""The compiled programs that train and tag: compiled in advance, with options of XLA for the device."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import jax
import numpy as np

# On a CPU, cheaper compiling: three quarters of the CPU time for a training step, which takes up to a tenth
# longer. On a GPU, algorithms for matrix products are not tried out: on an H100 that made steps 4 % shorter,
# but compiling took more than twice as long and eight times the memory.
_OPTIONS: dict[str, dict[str, str | bool | int]] = {
    "cpu": {
        "xla_backend_optimization_level": 1,
        "xla_cpu_parallel_codegen_split_count": 1,
    },
    "gpu": {"xla_gpu_autotune_level": "0"},
}


@lru_cache
def compiler_options() -> dict[str, str | bool | int]:
    """Return the options for the default device that this version of XLA knows; ``jit`` refuses others.

    ``jit`` within ``jit`` refuses options.
    """

    def is_known(name: str, value: str | bool | int) -> bool:
        try:
            jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
        except jax.errors.JaxRuntimeError:
            return False
        return True

    options = _OPTIONS.get(jax.default_backend(), {})
    return {name: value for name, value in options.items() if is_known(name, value)}


class Program:
    """A function that is compiled for each new shape of its arguments, in advance where these are known.

    Threads may share a program.
    """

    def __init__(self, function: Callable[..., Any], static: int = 0, **jit_options: Any):
        """Keep a function; nothing is compiled.

        Args:
            function: the function.
            static: number of its first arguments that are static: hashable, and a program for each value.
            jit_options: further arguments of ``jax.jit``.
        """
        self._function, self._static, self._jit_options = function, static, jit_options
        self._lock = threading.Lock()
        self._compiled: dict[Any, Future[Callable[..., Any]]] = {}

    def compile_in_advance(self, *arguments: Any) -> Future:
        """Start to compile for arguments, or ``jax.ShapeDtypeStruct`` in place of arrays, in a thread.

        Returns:
            A future that is done when the program is compiled.
        """
        return self._submit(arguments, _compiling().submit)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function; wait until it is compiled."""
        compiled = self._submit(arguments, _run_now).result()
        return compiled(*arguments[self._static :])

    def _submit(self, arguments: tuple, submit: Callable[..., Future]) -> Future[Callable[..., Any]]:
        """Return the future of the program for the static arguments, structure and shapes of some arguments.

        Args:
            arguments: the arguments; dtypes are not compared.
            submit: calls a function with arguments, and returns a future; used if the program is new.
        """
        leaves, structure = jax.tree.flatten(arguments[self._static :])
        key = arguments[: self._static], structure, tuple(map(np.shape, leaves))
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = submit(self._compile, arguments)
            return self._compiled[key]

    def _compile(self, arguments: tuple) -> Callable[..., Any]:
        """Trace and compile for these arguments."""
        options = {"static_argnums": tuple(range(self._static)), "compiler_options": compiler_options()}
        return jax.jit(self._function, **options, **self._jit_options).lower(*arguments).compile()


def _run_now(function: Callable[..., Any], *arguments: Any) -> Future:
    """Call a function and return its result, or its error, as a future; Ctrl-C passes."""
    future: Future = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:
        future.set_exception(error)
    return future


@lru_cache
def _compiling() -> ThreadPoolExecutor:
    """Return the thread that compiles in advance: two at once end no sooner, and need 0.6 GB more."""
    return ThreadPoolExecutor(1, "compiling")
