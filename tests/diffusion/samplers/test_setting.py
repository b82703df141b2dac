"""What samplers ask of whoever makes them, beside their own options."""

from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers.setting import SamplerOptions, Setting
from ddpm_jax.diffusion.samplers.table import SAMPLERS


def test_without_more_a_sampler_is_of_continuous_time_and_estimates_nothing():
    assert Setting() == Setting(CONTINUOUS, None)


def test_every_sampler_says_what_it_asks():
    for name, choice in SAMPLERS.items():
        options = choice.options()
        assert isinstance(options, SamplerOptions), name
        own = set(options.values())
        assert set(options.of_no_effect) <= own, name
        assert options.variance_examples == 0, name
    invertible = {name for name, c in SAMPLERS.items() if c.options().is_invertible}
    assert invertible == {"ddim"}


def test_what_they_ask_follows_their_options():
    ancestral, ddim = SAMPLERS["ancestral"].options, SAMPLERS["ddim"].options
    analytic = ancestral(variance="analytic", num_examples=12)
    assert analytic.variance_examples == 12 and analytic.of_no_effect == ()
    plain = ancestral(variance="forward", num_examples=12)
    assert plain.variance_examples == 0 and plain.of_no_effect == ("num_examples",)
    assert not ddim(eta=0.1).is_invertible
    assert SAMPLERS["ode"].options().of_no_effect == ("max_steps",)
