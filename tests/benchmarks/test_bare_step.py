import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import bare_step
from ddpm_jax.nets.unet import UNet


def tiny(num_levels, **options):
    return UNet(
        out_channels=3,
        base_features=8,
        feature_mults=(1,) * num_levels,
        blocks_per_level=1,
        attention_at=(),
        num_groups=4,
        **options,
    )


def test_measured_network_is_cifar10s():
    init, _ = bare_step.make_step(bare_step.make_net())
    params = jax.eval_shape(init, jax.random.key(0)).params
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == bare_step.NUM_PARAMS


@pytest.mark.long
def test_steps_lower_the_loss():
    run = bare_step.Runner(tiny(num_levels=1), batch_size=2)
    first = run()
    # One batch, one draw of noise: from a loss of 1, which predicting zero has.
    assert abs(first - 1.0) < 0.2
    assert run(20) < first - 0.01


@pytest.mark.long
def test_remat_needs_less_memory_here_and_changes_no_number():
    losses, temporaries = [], []
    for remat in (False, True):
        net = tiny(num_levels=2, remat=remat)
        program = bare_step.compiled(bare_step.lower(net, 16), remat)
        temporaries.append(program.memory_analysis().temp_size_in_bytes)
        init, _ = bare_step.make_step(net)
        images = jnp.ones((16, *bare_step.IMAGE_SHAPE))
        _, loss = program(jax.jit(init)(jax.random.key(0)), images, jax.random.key(1))
        losses.append(float(loss))
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert temporaries[1] < 0.8 * temporaries[0]


def test_peer_computes_the_same_function():
    pytest.importorskip("diffusers")
    from benchmarks import peer_torch

    net = bare_step.make_net()
    x = jax.random.normal(jax.random.key(0), (1, *bare_step.IMAGE_SHAPE))
    time = jnp.array([300.0])
    fresh = jax.jit(lambda: net.init(jax.random.key(0), x, time, train=False))()
    rng = np.random.default_rng(1)
    # Near a fresh network's, so that attention counts, and none of them 0.
    variables = jax.tree.map(
        lambda leaf: leaf + np.float32(0.02 * rng.standard_normal(leaf.shape)), fresh
    )
    ours = jax.jit(lambda v: net.apply(v, x, time, train=False))(variables)
    theirs = peer_torch.outputs(variables["params"], x, time)
    assert np.std(theirs) > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.std(theirs) + 1e-6)
