import ml_collections
from ddpm_jax import config
def get_config(variant: str = "full") -> ml_collections.ConfigDict:
    c = config.default()
    return c
