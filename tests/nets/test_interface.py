"""What networks are made for: each of the table puts out what it is asked for."""

import jax
import jax.numpy as jnp
import pytest

from ddpm_jax.models.table import MODELS
from ddpm_jax.nets import interface
from ddpm_jax.nets.interface import Interface, NetworkOptions

IMAGES, TIMES = jnp.zeros((2, 32, 32, 3)), jnp.zeros(2)
EACH = pytest.mark.parametrize("name", MODELS)


@EACH
def test_a_network_puts_out_as_many_as_it_is_asked_for(name):
    network = MODELS[name].default(Interface(num_outputs=6))

    def output():
        variables = network.init(jax.random.key(0), IMAGES, TIMES, train=False)
        return network.apply(variables, IMAGES, TIMES, train=False)

    found = jax.eval_shape(output)
    if MODELS[name].has("classifier"):
        assert found.logits.shape == (2, 6)
    else:
        assert found.shape == (2, 32, 32, 6)


@EACH
def test_a_network_is_told_classes_as_often_as_it_is_asked(name):
    network = MODELS[name].default(Interface(6, num_classes=10, label_dropout=0.25))
    if not MODELS[name].has("classifier"):
        assert (network.num_classes, network.label_dropout) == (10, 0.25)


@EACH
def test_options_say_what_whoever_trains_asks(name):
    options = MODELS[name].options
    assert issubclass(options, NetworkOptions)
    assert not options().recomputes and options(remat=True).recomputes
    network = MODELS[name].make(options(remat=True), Interface(6))
    assert network.remat
    if "num_conditions" in options().values():
        assert options(num_conditions=1).takes_condition
        assert not options(num_conditions=0).takes_condition
    else:
        assert not options().takes_condition


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("dropout", 1.0, r"dropout = 1.0: write a number in \[0, 1\)"),
        ("epsilon", 0.0, "epsilon = 0.0: write a small number above 0"),
        (
            "dtype",
            "float16",
            r"dtype = 'float16' is not one of \['bfloat16', 'float32'",
        ),
        ("fourier_exponents", (21,), r"\(21,\): write whole numbers from 0 to 20"),
        ("num_conditions", 2, "num_conditions = 2: write 0 or 1"),
    ],
)
def test_what_an_option_may_not_be(name, value, message):
    with pytest.raises(ValueError, match=message):
        MODELS["unet"].options(**{name: value})
    assert interface.DTYPES == ("float32", "bfloat16")
