"""What the log says of a step is what autograd says."""

import torch
from torch import nn

from majolica.activation.count import micro_step_flops
from majolica.config.run import RunConfig
from majolica.estimate.trace import trace
from majolica.gpus import GPUS, find_gpu_of_device
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica, Rows
from majolica.models.parts import parameters_by_part
from majolica.objectives.flow import sum_by_time
from majolica.recipes import recipe
from majolica.train.watch.observe import StepObserver, agreement, sample_entries
from majolica.train.watch.report import ideal_seconds, scalars_by_name, straggler
from ranks import changed
from tiny import TINY, awake


def test_agreement_is_the_cosine_of_the_gradients_to_one_linear_map_behind_the_trunk() -> None:
    torch.manual_seed(0)
    model = awake(Majolica(TINY))
    images, noisy = torch.randn(5, 3, 16, 16), 3
    asked = Condition(
        torch.randint(1, 300, (5, 8)), torch.ones(5, dtype=torch.bool), torch.rand(5, 3), torch.ones(5, 3) > 0
    )
    rows = Rows(images, torch.tensor([0.2, 0.5, 0.9, 1, 1]), asked, (), noisy)
    linear = torch.eye(TINY.width, requires_grad=True)
    perceive = model.perceive

    def with_linear(base_B3HW, t_B):  # type: ignore[no-untyped-def]
        tokens_BND, time_BD = perceive(base_B3HW, t_B)
        return tokens_BND @ linear.T, time_BD

    model.perceive = with_linear  # type: ignore[method-assign]
    out = model(rows)
    flow = out.base_M3HW.square().mean()
    contrastive = (out.image_CE @ out.text_CE.T).sum()
    [g_flow], [g_contrastive] = (torch.autograd.grad(x, linear, retain_graph=True) for x in (flow, contrastive))
    expected = nn.functional.cosine_similarity(g_flow.flatten(), g_contrastive.flatten(), dim=0)

    model.perceive = perceive  # type: ignore[method-assign]
    observer = StepObserver(model)
    out = model(rows)
    observer.watch(out.tokens_BND, noisy)
    (out.base_M3HW.square().mean() + 0.3 * (out.image_CE @ out.text_CE.T).sum()).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(observer.values["agreement"], expected)
    assert 0 < abs(expected) < 1


def test_agreement_needs_both_kinds_of_rows() -> None:
    tokens, gradient = torch.randn(4, 3, 8), torch.randn(4, 3, 8)
    assert agreement(tokens, gradient, 0).isnan() and agreement(tokens, gradient, 4).isnan()
    assert "agreement" not in scalars_by_name({"agreement": agreement(tokens, gradient, 4)})


def test_norms_by_part_add_up_and_updates_are_relative() -> None:
    torch.manual_seed(0)
    model = awake(Majolica(TINY))
    parts = parameters_by_part(model)
    assert sum(map(len, parts.values())) == len(list(model.parameters())) and set(parts) == {*model.parts(), "head"}
    for value in model.parameters():
        value.grad = torch.randn_like(value)
    observer = StepObserver(model)
    observer.before_update()
    with torch.no_grad():
        for value in parts["decoder"]:
            value *= 1.01
    found = observer.after_update()
    whole = torch.nn.utils.get_total_norm([value.grad for value in model.parameters() if value.grad is not None])
    norms = torch.stack([value for name, value in found.items() if name.startswith("gradient/")])
    torch.testing.assert_close(norms.norm(), whole)
    assert abs(found["update/decoder"] - 0.01) < 1e-5 and found["update/synthesis"] == 0


def test_large_tensors_are_sampled_evenly() -> None:
    [vector] = sample_entries({"all": [torch.arange(100_000.0), torch.zeros(3)]}).values()
    assert 8_000 < len(vector) < 16_390 and vector[1] == vector[2] - vector[1]


def test_flow_by_time_is_the_mean_of_each_part() -> None:
    torch.manual_seed(0)
    loss, t = torch.rand(200), torch.rand(200) * 0.79  # none in the last part
    log = scalars_by_name({"flow_by_time": sum_by_time(loss, t)})
    for k in range(4):
        inside = loss[(t >= k / 5) & (t < (k + 1) / 5)]
        assert abs(log[f"flow/{k / 5:g}-{(k + 1) / 5:g}"] - inside.mean()) < 1e-6
    assert len(log) == 4
    assert scalars_by_name({"flow_by_time": sum_by_time(torch.ones(1), torch.ones(1))}) == {"flow/0.8-1": 1.0}


def test_mfu_is_known_where_the_gpu_is() -> None:
    config = recipe("demo")
    assert ideal_seconds(config, "") is None and ideal_seconds(config, "Tesla T4") is None
    one, two = (ideal_seconds(changed(config, accumulate=n), "NVIDIA A100-SXM4-80GB") for n in (1, 2))
    assert one and two == 2 * one and round(one * 312e12) == micro_step_flops(config)
    assert find_gpu_of_device("NVIDIA A100-SXM4-40GB") == GPUS["A100-40GB"]


def test_flops_are_those_that_the_plan_traces() -> None:
    config = changed(RunConfig(model=TINY), batch=8, accumulate=1, processes=1, precision="fp32")
    traced = trace(config)
    assert micro_step_flops(config) == traced.forward_flops + traced.backward_flops > 0


def test_the_slowest_rank_is_named() -> None:
    assert straggler([1.0]) == {}
    assert straggler([1.0, 1.0, 3.0, 1.2]) == {"slowest_rank": 2, "slowest_over_median": 3.0}


def test_parts_that_do_not_learn_have_a_norm_on_the_device_of_their_weights() -> None:
    with torch.device("meta"):
        model = Majolica(TINY)
    observer = StepObserver(model)
    observer.before_update()
    assert {value.device.type for name, value in observer.values.items() if name.startswith("gradient/")} == {"meta"}
