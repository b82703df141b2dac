"""RePaint against its own recursion, and a conditional distribution that is known."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.conditioning import linear_constraints
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    loop,
    predictor_corrector,
    repaint,
)
from tests.diffusion import closed_form

CHAIN = closed_form.Chain.of(10)
TIMES = np.linspace(1.0, 0.0, 10)
REMEMBERING = dataclasses.replace(ddim.make(), init=lambda z: (z, z))


def keys(number: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), number)


def way_of_the_paper(num_times: int, jump_length: int, num_resamples: int) -> list[int]:
    """All latents of the paper's schedule in order, those on the way up too.

    As a walk: from the top to each multiple of j, highest first, and from there r - 1
    times up by j and down again. None starts within j of the top.
    """
    walk = [num_times - 1]
    starts = range(0, num_times - jump_length, jump_length)
    for start in reversed(starts):
        walk += range(walk[-1] - 1, start - 1, -1)
        there = [*range(start + 1, start + jump_length + 1)]
        back = [*range(start + jump_length - 1, start - 1, -1)]
        walk += (num_resamples - 1) * (there + back)
    return walk


@pytest.mark.parametrize(
    ("num_times", "jump_length", "num_resamples"),
    [(10, 3, 2), (7, 1, 3), (9, 4, 2), (5, 4, 3), (250, 10, 10), (2, 1, 2)],
)
def test_plan_is_the_schedule_of_the_paper(num_times, jump_length, num_resamples):
    walk = way_of_the_paper(num_times, jump_length, num_resamples)
    if num_times == 250:  # What the paper's settings are known to take, with the last.
        assert len(walk) == 4570
    sampler = repaint.make(ancestral.make(), num_resamples, jump_length)
    plan = sampler.plan(jnp.negative, jnp.linspace(1.0, 0.0, num_times))
    latent = np.rint(np.asarray(plan.t) * (num_times - 1)).astype(int)
    pairs = itertools.pairwise(walk)
    assert latent.tolist() == [t for t, s in pairs if s < t]
    # At log SNR -t a row goes down by one, and then up to where the next begins.
    steps = num_times - 1
    np.testing.assert_allclose(-plan.log_snr_s * steps, latent - 1, atol=1e-3)
    following = np.append(latent[1:], 0)
    np.testing.assert_allclose(-plan.log_snr_u * steps, following, atol=1e-3)


def by_hand(num_resamples: int, jump_length: int) -> np.ndarray:
    """z_0 of the textbook's chain with jumps, on noise drawn as the sampler does."""
    noise = functools.partial(
        closed_form.noise, shape=closed_form.SHAPE, dtype=jnp.float64
    )
    a, z = CHAIN.alpha_bar, np.asarray(noise(keys(3), 0))
    k, row = 9, 0
    jumps = {
        start: num_resamples - 1 for start in range(0, 10 - jump_length, jump_length)
    }
    while k > 0:
        row += 1
        x = closed_form.best_x(z, a[k])
        of_x, of_z = CHAIN.posterior_coefficients(k)
        drawn = np.asarray(noise(keys(3), row))
        z = of_x * x + of_z * z + np.sqrt(CHAIN.posterior_variance(k)) * drawn
        k -= 1
        if jumps.get(k, 0):
            jumps[k] -= 1
            kept = a[k + jump_length] / a[k]
            own = jax.vmap(lambda key, row=row: jax.random.fold_in(key, row))(keys(3))
            z = np.sqrt(kept) * z + np.sqrt(1.0 - kept) * np.asarray(noise(own, 1))
            k += jump_length
    return z


def test_samples_are_those_of_the_papers_recursion():
    with jax.enable_x64(True):
        model = closed_form.gaussian_data(CHAIN, "eps", "posterior")
        sampler = repaint.make(ancestral.make(), num_resamples=3, jump_length=3)
        asked = []

        def denoise(z_t, t):
            jax.debug.callback(lambda t: asked.append(float(t)), t[0], ordered=True)
            return model.denoise(z_t, t)

        counted = Diffusion(CHAIN.log_snr, denoise)
        times = jnp.asarray(TIMES)
        got = loop.sample(counted, sampler, times, keys(3), closed_form.SHAPE)
        jax.effects_barrier()
        np.testing.assert_allclose(got.z, by_hand(3, 3), rtol=1e-7)
        assert len(asked) == sampler.plan(CHAIN.log_snr, times).t.size + 1
        assert asked[-1] == 0.0
        last = model.denoise(got.z, jnp.zeros(3)).x
        np.testing.assert_allclose(got.prediction.x, last, rtol=1e-9)


@pytest.mark.parametrize("inner", [ancestral.make(), ddim.make(0.5)])
def test_one_pass_is_the_inner_sampler(inner):
    model = closed_form.gaussian_data(CHAIN)
    times = jnp.asarray(TIMES, jnp.float32)
    once = repaint.make(inner, num_resamples=1, jump_length=3)
    got, want = (
        loop.sample(model, sampler, times, keys(2), closed_form.SHAPE).z
        for sampler in (once, inner)
    )
    np.testing.assert_array_equal(got, want)


def test_one_time_is_one_question():
    model = closed_form.gaussian_data(CHAIN)
    sampler = repaint.make(ancestral.make())
    got = loop.sample(model, sampler, jnp.ones(1), keys(2), closed_form.SHAPE)
    z_1 = loop.first_latent(keys(2), closed_form.SHAPE, jnp.float32)
    np.testing.assert_array_equal(got.z, z_1)


def test_resampling_comes_nearer_to_the_conditional_distribution():
    """Two pixels of which one is known: mean and variance of the other, of 3000 draws."""
    num, mean, known = 3000, np.array([0.2, -0.1]), 1.0
    covariance = 0.25 * np.array([[1.0, 0.9], [0.9, 1.0]])
    log_snr = schedules.linear_log_snr(-8.0, 8.0).log_snr
    model = closed_form.correlated_data(log_snr, mean.reshape(1, 2, 1), covariance)
    constraint = linear_constraints.inpainting(
        jnp.full((1, 1, 2, 1), known), jnp.array([False, True]).reshape(1, 1, 2, 1)
    )
    steered = linear_constraints.constrained(constraint)(model)

    def errors(sampler) -> tuple[float, float]:
        times = jnp.linspace(1.0, 0.0, 24)
        run = jax.jit(
            lambda keys: loop.sample(steered, sampler, times, keys, (1, 2, 1))
        )
        drawn = np.asarray(run(keys(num)).z)[:, 0, 1, 0]
        gain = covariance[0, 1] / covariance[0, 0]
        exact_mean = mean[1] + gain * (known - mean[0])
        exact_variance = covariance[1, 1] - gain * covariance[0, 1]
        return abs(drawn.mean() - exact_mean), abs(drawn.var() - exact_variance)

    plain = errors(ancestral.make())
    mended = errors(repaint.make(ancestral.make(), num_resamples=10, jump_length=3))
    # Both limits are five standard errors from what is expected of 3000 draws (0.27 and
    # 0.03 of the mean, 0.029 and 0.008 of the variance): a right program fails once in a
    # million seeds.
    assert mended[0] < 0.25 * plain[0]
    assert mended[1] < 0.6 * plain[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_resamples": 0}, "^num_resamples = 0: write 1 or more"),
        ({"jump_length": -1}, "^jump_length = -1: write 1 or more"),
        ({"inner": dpm_solver.multistep(2)}, "^inner asks more than once"),
        ({"inner": predictor_corrector.make()}, "^inner asks more than once"),
        ({"inner": REMEMBERING}, "^inner asks more than once a time, or remembers"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        repaint.make(**{"inner": ddim.make(), **options})


def test_too_few_times_for_a_jump():
    plan = repaint.make(ddim.make(), 2, jump_length=10).plan
    with pytest.raises(
        ValueError, match=r"^jump_length = 10: write less than the 10 t"
    ):
        plan(jnp.negative, jnp.asarray(TIMES))
