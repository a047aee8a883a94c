"""Who is decayed, who is stepped by whom, and state by name."""

from __future__ import annotations

import pytest
import torch

from majolica.config.training import OptimConfig
from majolica.distributed.group import Group
from majolica.distributed.zero import Zero1
from majolica.models.majolica import Majolica
from majolica.models.parts import freeze, hidden_matrices
from majolica.train.optim.ema import Ema
from majolica.train.optim.optimisers import build_optimisers, load_state_by_name
from tiny import TINY


@pytest.mark.parametrize("muon_lr", [0.0, 0.02])
def test_matrices_decay_and_vectors_do_not(muon_lr: float) -> None:
    model = Majolica(TINY)
    optimisers = build_optimisers(model, OptimConfig(weight_decay=0.05, muon_lr=muon_lr))
    decay = {id(p): g["weight_decay"] for o in optimisers for g in o.param_groups for p in g["params"]}
    assert {name for name, p in model.named_parameters() if decay[id(p)] != (0.05 if p.ndim >= 2 else 0)} == set()
    assert optimisers[0].param_groups[0]["fused"] and len(optimisers) == (2 if muon_lr else 1)


def test_owners_are_the_same_on_every_rank_and_carry_alike() -> None:
    device = torch.device("cpu")
    model = Majolica(TINY)
    shards = [Zero1.assign_owners(model, Group(rank, 4, device), hidden_matrices(model)) for rank in range(4)]
    assert all(shard.owner == shards[0].owner for shard in shards)
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    loads = [sum(size for name, size in sizes.items() if shard.owns(name)) for shard in shards]
    assert sum(loads) == sum(sizes.values()) and max(loads) < 1.2 * sum(loads) / 4
    assert not Zero1.assign_owners(model, Group(0, 1, device), set()).is_sharded


def test_owners_carry_alike_of_what_learns_where_parts_are_frozen() -> None:
    model = Majolica(TINY)
    freeze(model, ("decoder", "text"))
    learned = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    owner = Zero1.assign_owners(model, Group(0, 3, torch.device("cpu")), hidden_matrices(model)).owner
    loads = [sum(size for name, size in learned.items() if owner[name] == rank) for rank in range(3)]
    assert max(loads) < 1.1 * sum(loads) / 3
    assert owner.keys() == dict(model.named_parameters()).keys(), "frozen parameters are averaged by somebody, too"


def test_state_of_a_parameter_that_the_model_lacks_is_refused() -> None:
    model = Majolica(TINY)
    with pytest.raises(ValueError, match="nowhere"):
        load_state_by_name(model, build_optimisers(model, OptimConfig()), {"nowhere|step": torch.tensor(1.0)})


def test_an_average_is_a_copy_even_where_it_need_not_move() -> None:
    model = Majolica(TINY)
    ema = Ema(model, 0.5, lambda name: name == "logit_bias", "cpu")
    with torch.no_grad():
        model.logit_bias.add_(1.0)
    assert ema.average.keys() == {"logit_bias"} and float(ema.average["logit_bias"]) == TINY.logit_bias
    ema.update(model, 10, torch.ones(()))
    assert float(ema.average["logit_bias"]) == TINY.logit_bias + 0.5
