"""Settings of training in catalogues, from files."""

import gymnasium as gym
import pytest
import yaml
from catalogue_world import TINY
from command_line import failed, succeeded

from reid_al_agents.dqn.catalogue_settings import OTHERS, SHIPPED, NetworkSettings, catalogue_settings
from reid_al_agents.dqn.policy_file import load_policy
from reid_al_agents.dqn.settings import ALGORITHMS
from reid_al_env.errors import InputError

IDS = sorted(name for name in gym.registry if name.startswith("ReIDCatalogue") and "Test" not in name)


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_each_algorithm_has_settings_for_each_id(algo):
    entries = yaml.safe_load((SHIPPED / f"{algo}.yaml").read_text())
    assert sorted(entries) == [*IDS, OTHERS]
    for name in (*IDS, "Another-v0"):
        settings = catalogue_settings(algo, name)
        entry = entries.get(name, entries[OTHERS])
        for part in ("network", "imitation", "learning"):
            assert vars(getattr(settings, part)) == entry[part]
        assert settings.environments == entry["environments"]


def test_a_file_overrides_what_it_names(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        "ReIDCatalogueSmall-v0:\n  network: {hidden: 8}\n  learning: {learning_rate: 1e-3, gamma: 0}\n"
    )
    shipped = catalogue_settings("dqn", "ReIDCatalogueSmall-v0")
    own = catalogue_settings("dqn", "reid_al_env:ReIDCatalogueSmall-v0", file)
    assert own.network == NetworkSettings(8, shipped.network.rounds)
    assert (own.learning.learning_rate, own.learning.gamma) == (0.001, 0)
    assert own.learning.tau == shipped.learning.tau
    assert (own.imitation, own.environments) == (shipped.imitation, shipped.environments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no settings"),
        ("- 3", "holds no settings"),
        ("a: [1", "is no YAML"),
        ("\x00", "is no YAML"),
        ("Other-v0: {}", "has settings for Other-v0; add TinyCatalogue-v0 or others"),
        ("others: 5", "others: 5; expected settings by name"),
        ("others: {learning: 5}", "others: learning: 5; expected settings by name"),
        ("others: {momentum: 1}", "others: momentum is unknown; choose from environments, network"),
        ("others: {learning: {n_epochs: 1}}", "learning: n_epochs is unknown; choose from gamma, n_steps"),
        ("others: {learning: {gamma: 2}}", "others: learning: gamma: 2 is out of range; expected 0 to 1"),
        ("others: {network: {hidden: wide}}", "network: hidden: 'wide' is not a whole number"),
        ("others: {environments: 0}", "others: environments: 0 is out of range; expected at least 1"),
    ],
    ids=lambda value: value.replace("\x00", "NUL") if len(value) < 40 else "message",
)
def test_a_bad_file_gets_one_line(text, message, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        catalogue_settings("dqn", TINY, file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_trains_by_a_file(tmp_path):
    file, out = tmp_path / "own.yaml", tmp_path / "policy.safetensors"
    file.write_text("others: {network: {hidden: 5}, imitation: {states: 24, rounds: 2, batch_size: 4}}")
    told = succeeded("train", TINY, "--settings", file, "--steps", "0", "--out", out)
    assert told["imitated_states"] == 24
    assert dict(load_policy(out).policy.q_net.sizes)["hidden"] == 5
    more = ("--imitate", "8", "--steps", "0", "--out", out)
    assert succeeded("train", TINY, "--settings", file, *more)["imitated_states"] == 8
    assert "cannot be read" in failed("train", TINY, "--settings", tmp_path / "none.yaml", "--out", out)
