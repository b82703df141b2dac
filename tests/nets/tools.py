"""Modules as plain compiled functions, at parameters away from their start."""

import jax
import jax.numpy as jnp
import numpy as np


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def init(module, *args, **options):
    return jax.jit(lambda: module.init(jax.random.key(0), *args, **options))()


def apply(module, variables, *args, **options):
    return jax.jit(lambda v: module.apply(v, *args, **options))(variables)


def random_variables(module, *args, scale=1.0, **options):
    """Normal draws in place of the zeros and ones that layers start with."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, **options))
    leaves, tree = jax.tree.flatten(shapes)
    leaves = [scale * normal(i, *leaf.shape) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(tree, leaves)


def shapes_inside(module, *args, **options):
    """Shapes and dtypes of what every submodule puts out."""

    def run():
        variables = module.init(jax.random.key(0), *args, **options)
        return module.apply(
            variables, *args, mutable=True, capture_intermediates=True, **options
        )[1]["intermediates"]

    return jax.eval_shape(run)
