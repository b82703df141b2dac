"""A small network trained on a known mixture: neither of its likelihoods is above the truth.

The data is quantised to 64 values a coordinate, so that its entropy is a sum, and both models,
the reverse process's and the flow's, are measured as an evaluation measures them.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from ddpm_jax.diffusion.likelihood import dequantization, elbo, flow_bound
from ddpm_jax.diffusion.likelihood.divergence import Exact
from ddpm_jax.diffusion.likelihood.probability_flow import Solve
from ddpm_jax.diffusion.objectives import denoising
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.gaussian import normal
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.process.times import CONTINUOUS, stratified
from ddpm_jax.models.backbone import by_log_snr
from ddpm_jax.models.denoiser import Denoiser
from tests.diffusion.closed_form import MIXTURE

VALUES, NUM = 64, 3000
CODEC = Categorical(VALUES)

pytestmark = pytest.mark.long  # A network is trained.


class MLP(nn.Module):
    """Two hidden layers on the plane, told of log SNR."""

    @nn.compact
    def __call__(self, images, time, conditions=None, *, train):
        del conditions, train
        angles = time[:, None] * 2.0 ** np.arange(-1.0, 4.0)[None]
        h = jnp.concatenate(
            [images.reshape(-1, 2), jnp.sin(angles), jnp.cos(angles)], axis=-1
        )
        for _ in range(2):
            h = nn.silu(nn.Dense(96)(h))
        return nn.Dense(2)(h).reshape(images.shape)


def joint() -> np.ndarray:
    """Probabilities of the [64, 64] pairs of values: the mixture's, cut to the square."""
    centres = 2 * (np.arange(VALUES) + 0.5) / VALUES - 1
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"), -1).reshape(-1, 2)
    log_p = MIXTURE.log_density(grid, np.inf)
    return scipy.special.softmax(log_p).reshape(VALUES, VALUES)


def draw(p: np.ndarray, num: int, seed: int) -> jax.Array:
    flat = np.random.default_rng(seed).choice(p.size, num, p=p.ravel())
    return jnp.asarray(np.stack(np.divmod(flat, VALUES), -1).reshape(num, 1, 2, 1))


@pytest.fixture(scope="module")
def trained():
    model = Denoiser(
        network=MLP(),
        num_classes=0,
        schedule=schedules.linear_log_snr(-8.0, 9.0),
        parameterization=PREDICTIONS["v"].default(),
        variance_fraction=0.0,
        pixel_decoder=CODEC,
        num_steps=CONTINUOUS,
        time_input=by_log_snr,
        log_snr_bounds=None,
        time_scale=10.0,
        shape=(1, 2, 1),
    )
    data = draw(joint(), 20_000, seed=1)
    optimizer = optax.adam(optax.cosine_decay_schedule(4e-3, 1500))

    def loss(params, key):
        keys = jax.random.split(key, 3)
        pixels = data[jax.random.randint(keys[0], (512,), 0, len(data))]
        t = stratified(keys[1], jnp.arange(512), 512)
        eps = normal(jax.random.split(keys[2], 512), (1, 2, 1))
        index = jnp.zeros(512, int)
        found = denoising.elbo(
            *(model.bind(params), CODEC, pixels, index, t, eps, eps, CONTINUOUS)
        )
        return jnp.mean(found.timed)

    @jax.jit
    def train(params, state):
        def step(carry, number):
            params, state = carry
            key = jax.random.fold_in(jax.random.key(2), number)
            updates, state = optimizer.update(jax.grad(loss)(params, key), state)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), jnp.arange(1500))[0][0]

    params = model.init(jax.random.key(0))
    return model.bind(train(params, optimizer.init(params)))


@pytest.fixture(scope="module")
def measured(trained):
    """Of the same images: -log P by the truth, and by both models, nats an image."""
    p = joint()
    pixels = draw(p, NUM, seed=3)
    keys = jax.random.split(jax.random.key(4), NUM)
    own = -np.log(p)[tuple(np.asarray(pixels).reshape(NUM, 2).T)]

    @jax.jit
    def bound(pixels, keys):
        return elbo.stratified(trained, CODEC, pixels, keys, CONTINUOUS, 32).terms.total

    @jax.jit
    def flow(pixels, keys):
        return flow_bound.by_flow(
            *(trained, CODEC, pixels, keys, CONTINUOUS),
            dequantization=dequantization.decoder,
            divergence=Exact(2),
            solve=Solve(rtol=1e-4, atol=1e-4),
            num_importance=4,
        )

    by_flow = flow(pixels, keys)
    assert np.all(by_flow.converged)
    return own, np.asarray(bound(pixels, keys)), np.asarray(by_flow.terms.total)


def test_neither_model_is_above_the_truth(measured):
    """Gibbs: E[-log P_model] >= entropy, with errors over images."""
    truth, *models = measured
    for nats in models:
        excess = nats - truth
        stderr = excess.std(ddof=1) / np.sqrt(NUM)
        assert excess.mean() > -3 * stderr
        # And a network of this size comes close: two dimensions of 6 bits each.
        assert excess.mean() < 0.3 and stderr < 0.04


def test_the_two_models_differ_by_a_measured_gap(measured):
    """By which model is better is not assumed; how well the gap is known is."""
    _, bound, flow = measured
    gap = flow - bound
    stderr = gap.std(ddof=1) / np.sqrt(NUM)
    assert 0 < stderr < 0.04
    assert abs(gap.mean()) < 0.3
    print(f"flow less bound: {gap.mean():.4f} nats (s.e. {stderr:.4f})")
