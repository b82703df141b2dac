"""How programs compile quickly, here and in the processes that tests start.

Half the time of the tests is compilation, of programs that run once.
"""

import hashlib
import importlib.metadata
import os
import pathlib
import sys
import tempfile

# For XLA_FLAGS, which is read once, when JAX first asks for devices. The older emitters and
# one piece of code a program take half the time of the newer, which spend it on speed. From
# JAX 0.11 on there are no older ones, and a flag that XLA does not know ends the process.
FLAGS = "--xla_cpu_parallel_codegen_split_count=1"
if importlib.metadata.version("jaxlib").startswith("0.10."):
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
PYPROJECT = pathlib.Path(__file__).parents[1] / "pyproject.toml"
CACHE = pathlib.Path(tempfile.gettempdir()) / "ddpm_jax_tests_cache"


def set_environment() -> None:
    """For this process, before it imports JAX, and for those that it starts.

    Eight simulated devices, little optimisation, and a compilation cache that all share.
    Training on fewer devices takes some of these.
    """
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "")
        + f" {FLAGS} --xla_force_host_platform_device_count=8"
    )
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        # Else each process compiles TensorFlow's thousand files anew, in five seconds, and
        # this one the tests, whose assertions pytest rewrites, in ten.
        # jaxtyping caches what it rewrites, whatever the options say is to be rewritten.
        options = hashlib.sha1(PYPROJECT.read_bytes()).hexdigest()
        folder = str(CACHE / "bytecode" / options)
        prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", folder)
        sys.dont_write_bytecode, sys.pycache_prefix = False, prefix
