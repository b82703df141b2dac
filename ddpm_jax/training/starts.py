"""What a run that starts from another takes of it: its network, or all of its state."""

import dataclasses

import jax

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.training.state import Params, TrainState


def _network(
    _: Options, ours: TrainState, __: TrainState, weights: Params
) -> TrainState:
    """The first state with another network, at which the averages start too.

    The schedule, the optimiser and all counters are the new run's: a network trained with a
    fixed schedule can go on with a learned one.
    """

    def with_network(params: Params) -> Params:
        return {**params, "net": weights["net"]}

    averages = {name: with_network(params) for name, params in ours.ema_params.items()}
    return dataclasses.replace(
        ours, params=with_network(ours.params), ema_params=averages
    )


def _state(_: Options, __: TrainState, theirs: TrainState, ___: Params) -> TrainState:
    return theirs


# Each makes the state to start from, of its options, the new run's first state, the other
# run's state, and those of its weights that config.training.start_weights names. "goes_on":
# with all arrays of the other's state, at its step.
STARTS: Table = {
    "network": Choice(Options, _network),
    "state": Choice(Options, _state, frozenset({"goes_on"})),
}


def placed(state: TrainState, like: TrainState) -> TrainState:
    """A copy of a state's arrays with the shardings of another's."""
    return jax.tree.map(
        lambda a, ours: jax.device_put(a, ours.sharding, may_alias=False), state, like
    )
