"""The network over open questions: what it may and may not depend on, and how it is kept."""

import numpy as np
import pytest
import torch
from catalogue_world import batch, network, some_states
from sb3_contrib import MaskablePPO

from reid_al_agents.dqn.actor_critic import SHARPNESS, QuestionActorCriticPolicy
from reid_al_agents.dqn.imitation import greedy
from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.policy_file import load_policy, save_network, save_policy
from reid_al_agents.dqn.selector import DQNSelector
from reid_al_agents.dqn.vec_env import SB3VecEnv
from reid_al_env.errors import InputError


def tensors(observation):
    return {key: torch.from_numpy(value) for key, value in observation.items()}


def values(net, observation):
    with torch.no_grad():
        return net(tensors(observation)).numpy()


def test_the_order_of_questions_and_the_numbers_of_groups_carry_nothing():
    net, seen, rng = network(), some_states(), np.random.default_rng(1)
    count = seen["action_mask"].shape[1]
    order, numbers = rng.permutation(count), rng.permutation(2 * count)
    other = {key: seen[key][:, order] for key in ("questions", "groups", "action_mask")}
    other["groups"] = np.where(other["groups"] < 0, -1, numbers[other["groups"]])
    other["summary"] = seen["summary"]
    np.testing.assert_allclose(values(net, other), values(net, seen)[:, order], atol=1e-4)


def test_more_padding_changes_no_value():
    net, seen = network(), some_states()
    longer = {"summary": seen["summary"]}
    for key, fill in (("questions", 0), ("groups", -1), ("action_mask", 0)):
        widths = [(0, 0), (0, 9), *[(0, 0)] * (seen[key].ndim - 2)]
        longer[key] = np.pad(seen[key], widths, constant_values=fill)
    open_ = seen["action_mask"] > 0
    count = open_.shape[1]
    np.testing.assert_allclose(values(net, longer)[:, :count][open_], values(net, seen)[open_], atol=1e-4)


def test_every_part_of_the_observation_reaches_the_values():
    net, seen = network(), some_states()
    before = values(net, seen)
    for key in ("questions", "summary"):
        assert not np.allclose(values(net, {**seen, key: seen[key] * 0.5}), before)
    apart = np.arange(seen["groups"][0].size).reshape(seen["groups"][0].shape)
    alone = np.where(seen["groups"] < 0, -1, apart)  # no two questions share a group
    assert not np.allclose(values(net, {**seen, "groups": alone}), before)


def test_messages_are_the_means_over_others_that_share_a_group():
    seen = some_states(count=2)
    routes = network().read(tensors(seen)).routes.numpy()
    open_, groups = seen["action_mask"] > 0, seen["groups"]
    for b in range(2):
        for i in np.flatnonzero(open_[b]):
            expected = np.zeros(open_.shape[1])
            for group in groups[b, i]:
                others = [j for j in np.flatnonzero(open_[b]) if j != i and group in groups[b, j]]
                for j in others:
                    expected[j] += 1 / len(others)
            np.testing.assert_allclose(routes[b, i], expected, atol=1e-6)


def test_a_saved_policy_chooses_the_same_also_among_more_questions(tmp_path):
    env = SB3VecEnv(batch(2))
    model = MaskedDQN(
        "questions",
        env,
        policy_kwargs={"hidden": 8, "rounds": 1},
        buffer_size=100,
        learning_starts=10,
        seed=0,
    )
    model.learn(40)
    save_policy(model, tmp_path / "p.safetensors", {"trained_on": ["TinyCatalogue-v0"]})
    loaded = load_policy(tmp_path / "p.safetensors", pool_size=64)
    assert loaded.kind == "questions"
    assert loaded.network == {"hidden": 8, "rounds": 1}
    assert loaded.seen == {"pool_size": 40, "columns": 9, "trained_on": ["TinyCatalogue-v0"]}
    seen = some_states()
    np.testing.assert_array_equal(
        greedy(loaded.policy.q_net, seen), model.predict(seen, deterministic=True)[0]
    )


def test_a_policy_for_the_catalogue_is_refused_for_the_papers_environment(tmp_path):
    save_network(network(), tmp_path / "p.safetensors")
    with pytest.raises(InputError, match="catalogue"):
        DQNSelector.load(tmp_path / "p.safetensors", pool_size=30)


def test_going_on_from_a_saved_model_and_replay_equals_the_unbroken_run(tmp_path):
    def model():
        return MaskedDQN(
            "questions",
            SB3VecEnv(batch(2)),
            policy_kwargs={"hidden": 8, "rounds": 1},
            buffer_size=200,
            learning_starts=10,
            n_steps=3,
            exploration_fraction=1e-9,
            seed=1,
        )

    unbroken = model()
    unbroken.learn(60)
    unbroken.save_replay_buffer(tmp_path / "replay.npz")
    unbroken.save(tmp_path / "model.zip")
    again = MaskedDQN.load(tmp_path / "model.zip", env=SB3VecEnv(batch(2)))
    again.load_replay_buffer(tmp_path / "replay.npz")
    for each in (unbroken, again):
        torch.manual_seed(5)
        each.set_env(SB3VecEnv(batch(2)), force_reset=True)
        each.env.seed(9)
        each.learn(40, reset_num_timesteps=False)
    ours, theirs = (each.q_net.state_dict() for each in (unbroken, again))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_ppos_logits_are_the_values_and_its_choices_are_open():
    model = MaskablePPO(
        QuestionActorCriticPolicy,
        SB3VecEnv(batch(2)),
        n_steps=16,
        batch_size=16,
        policy_kwargs={"hidden": 8, "rounds": 1},
        device="cpu",
        seed=0,
    )
    model.learn(32)
    seen = some_states()
    mask = seen["action_mask"] > 0
    with torch.no_grad():
        logits = model.policy.get_distribution(tensors(seen), mask).distribution.logits.numpy()
    expected = SHARPNESS * values(model.policy.network, seen)
    for row, open_ in enumerate(mask):
        difference = (logits[row] - expected[row])[open_]
        np.testing.assert_allclose(difference, difference[0], atol=1e-3)  # logits but for their sum
    actions, _ = model.predict(seen, action_masks=mask)
    assert mask[np.arange(len(mask)), actions].all()
