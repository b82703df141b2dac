"""Strict broadcasting, eight simulated devices, little optimisation, a compilation cache."""

import os
import tempfile

# Before JAX is first imported. Training on fewer devices takes some of these.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Half the time of the tests is compilation. Set here, it holds in processes they start.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import hypothesis
import jax

# An example that compiles takes as long as the machine is busy.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update(
    "jax_compilation_cache_dir",
    os.path.join(tempfile.gettempdir(), "ddpm_jax_tests_cache"),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
