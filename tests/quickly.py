"""How programs compile quickly, here and in the processes that tests start.

Half the time of the tests is compilation, of programs that run once.
"""

import pathlib
import tempfile

# For XLA_FLAGS, which is read once, when JAX first asks for devices. The older emitters and
# one piece of code a program take half the time of the newer, which spend it on speed.
FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
CACHE = pathlib.Path(tempfile.gettempdir()) / "ddpm_jax_tests_cache"
