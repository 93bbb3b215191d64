"""What a policy learned on is in its file; commands go by that, or say that they differ."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from command_line import FEW, SMALL, TINY, call, succeeded

from reid_al_agents.dqn.policy_file import load_policy
from reid_al_agents.vision.backbones import build_backbone
from reid_al_agents.workspace.assembly import load_model
from reid_al_agents.workspace.policy_origin import policy_contradictions, with_policys_model
from reid_al_agents.workspace.settings import RunConfig


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    out = tmp_path_factory.mktemp("policy") / "policy.safetensors"
    succeeded("train", TINY, *SMALL, *FEW, "--steps", 20, "--out", out)
    return out


def settings(policy, **more):
    return RunConfig(**{"data": TINY, "selector": f"policy:{policy}", "pool_size": 8, "k": 4, **more})


def test_a_policy_file_says_what_it_learned_on(policy):
    seen = load_policy(policy).seen
    assert (seen["backbone"], seen["size"], seen["k"], seen["metric"]) == ("small_cnn", [64, 32], 4, "cosine")
    assert seen["normalisation"] == str(build_backbone("small_cnn").normalisation)


def test_the_model_is_that_of_the_policy_unless_told_otherwise(policy):
    assert load_model(settings(policy), "cpu").name == "small_cnn"
    assert with_policys_model(settings(policy)).size == (64, 32)
    assert with_policys_model(settings(policy, size=(32, 16))).size == (32, 16)
    for told in ({"backbone": "osnet_x0_25"}, {"weights": "w.pth"}, {"selector": "gain"}):
        assert with_policys_model(settings(policy, **told)) == settings(policy, **told)


def test_what_differs_is_said(policy):
    model, other = build_backbone("small_cnn"), build_backbone("osnet_x0_25")
    assert policy_contradictions(settings(policy), model) == []
    assert policy_contradictions(settings(policy, k=5), None) == [
        f"{policy} learned with k 4, and k 5 is used: expect worse questions"
    ]
    (said,) = policy_contradictions(settings(policy, metric="euclidean"), other)
    assert "learned with backbone small_cnn, size 64x32, metric cosine, and backbone osnet_x0_25" in said
    assert policy_contradictions(replace(settings(policy), selector="gain"), other) == []


@pytest.mark.parametrize("command", ["run", "benchmark"])
def test_commands_say_it(policy, tmp_path, command):
    chosen = ["--selectors" if command == "benchmark" else "--selector", f"policy:{policy}"]
    more = [
        "--refresh",
        "none",
        "--answers",
        "8",
        "--out",
        tmp_path / "out",
        "--pool-size",
        "8",
        "--budget",
        "4",
    ]
    nodes = [] if command == "benchmark" else ["--nodes", "images"]
    code, _, told = call(command, TINY, *SMALL, *chosen, *more, *nodes, "--k", "5")
    assert code == 0, told
    assert "policy.safetensors learned with k 4, and k 5 is used" in told
