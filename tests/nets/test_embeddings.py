import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets import embeddings
from tests.nets import reference, tools


def test_sinusoids_match_the_formula():
    times = np.array([0.0, 1.0, 17.5, 999.0])
    got = embeddings.sinusoidal(jnp.asarray(times, jnp.float32), 6)
    for i, frequency in enumerate([1.0, 0.01, 0.0001]):
        np.testing.assert_allclose(got[:, i], np.sin(times * frequency), atol=1e-4)
        np.testing.assert_allclose(got[:, 3 + i], np.cos(times * frequency), atol=1e-4)


@pytest.mark.parametrize("features", [2, 7, 0])
def test_sinusoids_refuse_what_they_cannot_split(features):
    with pytest.raises(ValueError, match=f"of {features} features.*even number from 4"):
        embeddings.sinusoidal(jnp.zeros(1), features)


def test_embedding_is_two_layers_each_with_its_activation():
    net = embeddings.Embedding(8, dtype=jnp.float32)
    times = jnp.array([0.0, 3.0, 500.0])
    variables = tools.random_variables(net, times, scale=0.3)
    got = tools.apply(net, variables, times)
    assert got.shape == (3, 32)
    want = reference.time_embedding(variables["params"], times, 8)
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_bfloat16_keeps_neighbouring_times_apart():
    # The nearest bfloat16 to 999 is 1000: sinusoids of a rounded time would be equal.
    net = embeddings.Embedding(8, dtype=jnp.bfloat16)
    times = jnp.array([999.0, 1000.0])
    # Not compiled: XLA may leave out roundings that the program asks for.
    emb = net.apply(tools.init(net, times), times)
    assert emb.dtype == jnp.bfloat16
    assert jnp.abs(emb[0] - emb[1]).max() > 0.01


def test_fourier_features_stand_beside_the_image():
    with jax.enable_x64(True):
        x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 3, 4, 2))
        got = embeddings.fourier_features(jnp.asarray(x), (7, 8))
        want = np.empty((2, 3, 4, 10))
        want[..., :2] = x
        for channel in range(2):
            for i, exponent in enumerate((7, 8)):
                angle = np.pi * 2.0**exponent * x[..., channel]
                want[..., 2 + 2 * channel + i] = np.sin(angle)
                want[..., 6 + 2 * channel + i] = np.cos(angle)
        np.testing.assert_allclose(got, want, atol=1e-10)


def test_fourier_features_tell_neighbouring_values_apart():
    # Of 256 values from -1 to 1, neighbours are half a turn apart at exponent 7.
    x = ((2 * jnp.arange(256.0) + 1) / 256 - 1).reshape(1, 16, 16, 1)
    sines, cosines = np.split(embeddings.fourier_features(x, (7,))[..., 1:], 2, axis=-1)
    signs = np.resize([1.0, -1.0], 256)
    np.testing.assert_allclose(sines.reshape(-1), signs, atol=1e-3)
    np.testing.assert_allclose(cosines, 0.0, atol=1e-3)


def test_without_exponents_images_stay_as_they_are():
    x = tools.normal(0, 1, 2, 2, 3)
    assert embeddings.fourier_features(x, ()) is x


def test_conditions_come_in_beside_the_sinusoids():
    net = embeddings.Embedding(8, num_conditions=2)
    times, conditions = jnp.array([0.0, 3.0, 500.0]), tools.normal(1, 3, 2)
    variables = tools.random_variables(net, times, conditions, scale=0.3)
    params = variables["params"]
    assert params["dense_0"]["kernel"].shape == (10, 32)
    assert params["dense_1"]["kernel"].shape == (32, 32)

    angles = np.array([0.0, 3.0, 500.0])[:, None] * 10_000.0 ** (-np.arange(4) / 3)
    emb = np.concatenate([np.sin(angles), np.cos(angles), conditions], axis=1)
    for name in ("dense_0", "dense_1"):
        emb = reference.silu(reference.dense(params[name], emb))
    got = tools.apply(net, variables, times, conditions)
    np.testing.assert_allclose(got, emb, atol=1e-4)

    none = tools.apply(net, variables, times)
    zeros = tools.apply(net, variables, times, jnp.zeros((3, 2)))
    np.testing.assert_array_equal(none, zeros)
    assert jnp.abs(none - got).max() > 0.01


def of_classes(dropout=0.0, num_classes=3):
    return embeddings.Embedding(8, num_classes=num_classes, label_dropout=dropout)


def test_the_class_is_added_to_the_second_layer():
    net, times = of_classes(), jnp.array([0.0, 3.0, 500.0, 3.0])
    variables = tools.random_variables(net, times, scale=0.3)
    params = variables["params"]
    assert params["class"]["table"]["embedding"].shape == (4, 32)

    angles = np.array([0.0, 3.0, 500.0, 3.0])[:, None] * 10_000.0 ** (-np.arange(4) / 3)
    emb = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    emb = reference.silu(reference.dense(params["dense_0"], emb))
    emb = reference.dense(params["dense_1"], emb)
    table = np.asarray(params["class"]["table"]["embedding"], np.float64)
    labels = jnp.array([2, 0, -1, 1])
    want = reference.silu(emb + table[[2, 0, 3, 1]])
    got = tools.apply(net, variables, times, labels=labels)
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_no_class_is_any_label_below_0_and_no_labels():
    net, times = of_classes(), jnp.zeros(3)
    variables = tools.random_variables(net, times)
    none = tools.apply(net, variables, times)
    got = tools.apply(net, variables, times, labels=jnp.array([-1, -7, 2]))
    np.testing.assert_array_equal(got[:2], none[:2])
    assert jnp.abs(got[2] - none[2]).max() > 0.01


def test_labels_are_left_out_in_training_alone_and_as_often_as_is_said():
    rate, num = 0.3, 2000
    net, times = of_classes(rate), jnp.zeros(num)
    variables = tools.random_variables(net, times)
    labels = jnp.ones(num, jnp.int32)
    told, none = tools.apply(net, variables, jnp.zeros(2), labels=jnp.array([1, -1]))

    def in_training(key):
        rngs = {"dropout": key}
        return net.apply(variables, times, None, labels, True, rngs=rngs)

    run = jax.jit(in_training)
    got = np.asarray(run(jax.random.key(0)))
    is_none = np.isclose(got, none[None], atol=1e-5).all(axis=1)
    is_told = np.isclose(got, told[None], atol=1e-5).all(axis=1)
    assert np.all(is_none ^ is_told)
    # Five standard errors.
    assert abs(is_none.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / num)
    np.testing.assert_array_equal(got, run(jax.random.key(0)))
    assert not np.array_equal(got, run(jax.random.key(1)))
    # Without keys: evaluation asks for none.
    evaluated = tools.apply(net, variables, times, labels=labels)
    np.testing.assert_allclose(evaluated, np.tile(told, (num, 1)), atol=1e-5)


def test_an_unconditional_embedding_has_no_classes_and_does_not_look_at_labels():
    net, times = of_classes(num_classes=0), jnp.array([0.0, 9.0])
    variables = tools.random_variables(net, times)
    assert set(variables["params"]) == {"dense_0", "dense_1"}
    plain = tools.apply(net, variables, times)
    told = tools.apply(net, variables, times, labels=jnp.array([1, 0]))
    np.testing.assert_array_equal(plain, told)
