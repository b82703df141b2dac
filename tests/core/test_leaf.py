"""The definition of a field: whom it belongs to is one of four."""

from ddpm_jax.core.leaf import Belongs, Leaf


def test_there_are_four_owners_and_each_says_what_it_is():
    assert [owner.name for owner in Belongs] == ["MODEL", "RUN", "DATA", "MODE"]
    assert all(len(owner.value.split()) > 3 for owner in Belongs)


def test_a_leaf_is_what_the_walk_over_a_config_gives_of_a_field():
    leaf = Leaf(3, "How many.", (), None, Belongs.MODE, False, ("sampler", "ddim"))
    assert (leaf.belongs, leaf.choice) == (Belongs.MODE, ("sampler", "ddim"))
