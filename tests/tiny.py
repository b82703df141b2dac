"""A config so small that whole runs fit into tests."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import AxisType

from ddpm_jax import config as config_lib
from ddpm_jax.core import sharding
from ddpm_jax.models import build
from ddpm_jax.models.table import MODELS
from ddpm_jax.nets import classifier, embeddings


def config(**changes):
    """Digits, a U-Net of 5,000 parameters, 6 steps. Changes: flat fields, "." as "__"."""
    c = config_lib.default()
    c.reverse_variance = "posterior"
    c.data.update(name="digits", batch_size=16, num_threads=1, num_prefetch=2)
    c.schedule.update(name="linear_log_snr", num_steps=10)
    c.schedule.linear_log_snr.update(log_snr_min=-6.0, log_snr_max=6.0)
    c.model.unet.update(
        base_features=8,
        feature_mults=(1, 1),
        blocks_per_level=1,
        attention_at=(4,),
        dropout=0.1,
        num_groups=2,
    )
    c.loss.weighting = "elbo"
    c.optimizer.update(learning_rate=2e-3, warmup_steps=2)
    c.ema.decay = 0.9
    c.training.update(
        num_steps=6, log_every=4, eval_every=0, sample_every=0, checkpoint_every=2
    )
    c.eval.update(num_draws=2, batch_size=16, num_examples=20)
    c.sample.update(num_steps=4, num_samples=9, batch_size=8)
    for name, value in changes.items():
        group, _, field = name.rpartition("__")
        target = c
        for part in group.split("__") if group else ():
            target = target[part]
        target[field] = value
    return c


def use_small_network(monkeypatch):
    """Makes every U-Net that a config names a `Network`, and classifiers a `Sorter`."""

    def make(options, wanted):
        return Network(
            wanted.num_outputs,
            options.dropout,
            wanted.num_classes,
            wanted.label_dropout,
        )

    def make_classifier(options, wanted):
        return Sorter(wanted.num_outputs)

    for name, choice in MODELS.items():
        own = make_classifier if choice.has("classifier") else make
        monkeypatch.setitem(MODELS, name, dataclasses.replace(choice, make=own))


def use_one_device(monkeypatch):
    """Has runs take one of the devices: a program for eight takes longer to compile."""
    mesh = one_device()
    monkeypatch.setattr(build, "mesh", lambda config: mesh)


def one_device():
    return jax.make_mesh(
        (1, 1),
        sharding.BATCH_AXES,
        axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[:1],
    )


def sorting(**changes):
    """The same of a classifier."""
    settings = {
        "model__name": "classifier",
        "eval__estimators": "accuracy",
        "optimizer__learning_rate": 0.1,
        "training__num_steps": 2,
    }
    return config(**(settings | changes))


def away_from_start(params, seed=0):
    """Parameters of the same shapes, in which every input of a network has a say."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    moved = [
        leaf + 0.3 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


def variational(**changes):
    """The same in continuous time, with a learned schedule."""
    settings = {
        "schedule__num_steps": 0,
        "schedule__name": "learned_monotone",
        "schedule__learned_monotone__log_snr_min": -6.0,
        "schedule__learned_monotone__log_snr_max": 8.0,
        "schedule__learned_monotone__num_features": 16,
        "decoder__name": "categorical",
        "decoder__mean": "z_0",
        "model__time_input": "log_snr",
    }
    return config(**(settings | changes))


def points(**changes):
    """The same of points in the plane, by a network of dense layers."""
    settings = {
        "data__name": "points:moons",
        "data__points__num_train": 40,
        "data__points__num_test": 24,
        "decoder__name": "gaussian",
        "model__name": "mlp",
        "model__mlp__features": 8,
        "model__mlp__num_blocks": 1,
        "model__mlp__time_features": 4,
        "eval__clip": False,
        "eval__ode__dequantization": "none",
        "sample__threshold": "none",
    }
    return config(**(settings | changes))


class Network(nn.Module):
    """One convolution, where a test is not about networks: it compiles at once."""

    out_channels: int
    dropout: float = 0.0
    num_classes: int = 0
    label_dropout: float = 0.0

    @nn.compact
    def __call__(self, x, time, conditions=None, labels=None, *, train):
        emb = nn.Dense(4, name="time")(time[:, None] / 10.0)
        if conditions is not None:
            emb = emb + conditions
        if self.num_classes:
            if labels is None:
                labels = jnp.full(time.shape, -1)
            emb = emb + embeddings.ClassEmbedding(
                self.num_classes, 4, self.label_dropout, jnp.float32, name="class"
            )(labels, train)
        h = nn.Conv(4, (3, 3), name="conv_in")(x) + emb[:, None, None, :]
        h = nn.Dropout(self.dropout, deterministic=not train)(jnp.tanh(h))
        return nn.Conv(self.out_channels, (3, 3), name="conv_out")(h)


class Sorter(nn.Module):
    """A classifier that sees pixels by eight weighted sums of them."""

    num_outputs: int

    @nn.compact
    def __call__(self, x, time, *, train):
        seen = x.reshape(x.shape[0], -1)
        h = nn.Dense(8, name="pixels")(seen) + nn.Dense(8, name="time")(
            time[:, None] / 100.0
        )
        features = jnp.tanh(h)
        last = nn.Dense(self.num_outputs, name="logits")
        return classifier.ClassifierOutput(logits=last(features), features=features)
