import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.training import optimizer

PARAMS = {
    "net": {
        "conv": {"kernel": jnp.ones((3, 3, 2, 2)), "bias": jnp.ones(2)},
        "norm": {"scale": jnp.ones(2), "bias": jnp.ones(2)},
    },
    "schedule": {"ends": jnp.ones(2)},
}


def make(name, decay=0.0, clip_norm=0.0, rate=0.1):
    return optimizer.make_optimizer(
        optimizer.OPTIMIZERS[name].default,
        lambda count: rate,
        optimizer.Moments(b1=0.9, b2=0.99, eps=1e-8, weight_decay=decay),
        schedule_rate=0.1,
        clip_norm=clip_norm,
    )


@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_only_kernels_decay(name):
    rule = make(name, decay=0.5)
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    updates, _ = rule.update(zero, rule.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["net"]["conv"]["kernel"], -0.05, rtol=1e-6)
    updates["net"]["conv"].pop("kernel")
    assert all(np.all(np.asarray(u) == 0) for u in jax.tree.leaves(updates))


@pytest.mark.parametrize("name", optimizer.OPTIMIZERS)
def test_the_clip_bounds_the_global_norm_before_the_rule(name):
    # Two gradients that differ in length alone give the same clipped update.
    rule = make(name, clip_norm=1.0)
    grads = jax.tree.map(lambda p: 3.0 + jnp.arange(p.size).reshape(p.shape), PARAMS)
    long = jax.tree.map(lambda g: 100.0 * g, grads)
    ours, _ = rule.update(grads, rule.init(PARAMS), PARAMS)
    theirs, state = rule.update(long, rule.init(PARAMS), PARAMS)
    for a, b in zip(
        jax.tree.leaves(ours["net"]), jax.tree.leaves(theirs["net"]), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    first_moments = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
        if "mu" in jax.tree_util.keystr(path) and "'net'" in jax.tree_util.keystr(path)
    ]
    norm = np.sqrt(sum(float(jnp.sum(m**2)) for m in first_moments))
    share = 0.01 if name == "lion" else 0.1
    np.testing.assert_allclose(norm, share, rtol=1e-5)


def test_adams_first_update_is_the_sign_of_the_gradient():
    rule = make("adam")
    grads = jax.tree.map(lambda p: -7.0 * p, PARAMS)
    updates, _ = rule.update(grads, rule.init(PARAMS), PARAMS)
    for u in jax.tree.leaves(updates["net"]):
        np.testing.assert_allclose(u, 0.1, rtol=1e-5)
    # The noise schedule's rate is its own, a tenth in `make`.
    for u in jax.tree.leaves(updates["schedule"]):
        np.testing.assert_allclose(u, 0.01, rtol=1e-5)


def test_adam_with_a_decay_is_refused():
    with pytest.raises(ValueError, match=r"weight_decay = 0.1 .*'adamw'"):
        make("adam", decay=0.1)
