"""Refreshes a small CNN: it learns, by seed, from known pairs only, and never leaves a broken model."""

import copy

import numpy as np
import pytest
import torch

from reid_al_agents.data import ImageSet
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.training.augment import Augmentation
from reid_al_agents.training.loop import learning_rate_share
from reid_al_agents.training.triplet.refresher import SupervisedRefresher, TripletRefresher, pretrain
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision import build_backbone, embed, normalise
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph

SIZE = (32, 16)
QUICK = TripletSettings(size=SIZE, steps=3, batch_size=12)
PEOPLE, VIEWS = 10, 6


def make_images(seed=0):
    """Ten people in two-coloured clothes, six views each, under lights that hide the colours from pixels."""
    rng = np.random.default_rng(seed)
    clothes = np.random.default_rng(9).uniform(60, 200, (PEOPLE, 2, 3))
    identities = np.repeat(np.arange(PEOPLE), VIEWS)
    pixels = np.empty((len(identities), *SIZE, 3))
    pixels[:, :16] = clothes[identities, 0, None, None]
    pixels[:, 16:] = clothes[identities, 1, None, None]
    pixels *= rng.uniform(0.5, 1.5, (len(pixels), 1, 1, 1))
    pixels += rng.normal(0, 25, pixels.shape)
    cameras = np.tile(np.arange(VIEWS), PEOPLE)
    names = [f"{i}.png" for i in range(len(identities))]
    return ImageSet(
        names, identities, cameras, source="synthetic:test", pixels=pixels.clip(0, 255).astype(np.uint8)
    )


def answers(images, count=250, seed=0):
    rng = np.random.default_rng(seed)
    graph = ConstraintGraph(len(images))
    for _ in range(count):
        i, j = rng.choice(len(images), 2, replace=False)
        graph.add(i, j, 1 if images.identities[i] == images.identities[j] else -1)
    return graph


def weights(model):
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def mean_precision(model, images):
    every = np.arange(len(images))
    features = embed(model, images, size=SIZE)
    return evaluate_ranking(features, images.identities, images.cameras, every, every).map


def test_answers_make_the_ranking_of_other_images_better():
    images, unseen = make_images(0), make_images(1)
    model = build_backbone("small_cnn", seed=0)
    before = mean_precision(model, unseen)
    options = TripletSettings(size=SIZE, steps=30, batch_size=24, learning_rate=1e-3)
    report = TripletRefresher(options).refresh(model, images, answers(images), seed=0)
    assert report.steps == len(report.losses) == 30
    assert report.loss == pytest.approx(np.mean(report.losses[-3:]))
    assert report.loss < np.mean(report.losses[:4])
    assert report.active_triplets > 0
    assert 0 < report.images <= len(images)
    assert report.seconds > 0
    assert mean_precision(model, unseen) > before + 10


@pytest.mark.parametrize(
    "change",
    [{}, {"identity_loss_weight": 0.5}, {"mining": "all"}, {"erasing": 0.5}],
    ids=["default", "identity loss", "all triplets", "erasing"],
)
def test_same_seed_same_bytes_and_another_seed_others(change):
    images = make_images()
    refresher = TripletRefresher(TripletSettings(size=SIZE, steps=3, batch_size=12, **change))
    results = []
    for seed in (1, 1, 2):
        model = build_backbone("small_cnn", seed=0)
        torch.rand(seed)  # where PyTorch's own generator stands must not matter
        refresher.refresh(model, images, answers(images), seed=seed)
        results.append(weights(model))
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_torchs_generator_and_the_models_mode_are_left_alone():
    images = make_images()
    for training in (False, True):
        model = build_backbone("small_cnn").train(training)
        torch.manual_seed(3)
        before = torch.get_rng_state()
        TripletRefresher(QUICK).refresh(model, images, answers(images), seed=0)
        assert torch.equal(before, torch.get_rng_state())
        assert model.training is training
        assert all(parameter.grad is None for parameter in model.parameters())


def test_images_of_which_nothing_is_known_have_no_influence():
    images = make_images()
    graph = ConstraintGraph(len(images))
    graph.add(0, 1, 1)
    graph.add(0, 6, -1)
    graph.add(40, 41, 1)  # a match without any non-match gives no triplet
    pixels = images.read(np.arange(len(images)), SIZE)
    pixels[[i for i in range(len(images)) if i not in (0, 1, 6)]] = 0
    blacked = ImageSet(images.names, images.identities, source="synthetic:test", pixels=pixels)
    results = []
    for each in (images, blacked):
        model = build_backbone("small_cnn")
        assert TripletRefresher(QUICK).refresh(model, each, graph, seed=0).images == 3
        results.append(weights(model))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "links", [[], [(0, 1, 1), (2, 3, 1)], [(0, 1, -1), (2, 3, -1)], [(0, 1, 1), (2, 3, -1)]]
)
def test_without_a_known_triplet_nothing_changes(links):
    images = make_images()
    graph = ConstraintGraph(len(images))
    for link in links:
        graph.add(*link)
    model = build_backbone("small_cnn")
    before = weights(model)
    report = TripletRefresher(QUICK).refresh(model, images, graph, seed=0)
    assert (report.steps, report.losses, report.loss, report.images) == (0, (), 0, 0)
    assert weights(model) == before


def test_a_loss_that_is_not_finite_stops_with_the_model_as_it_was():
    images = make_images()
    model = build_backbone("small_cnn")
    before = weights(model)
    options = TripletSettings(size=SIZE, steps=8, batch_size=12, learning_rate=1e30)
    with pytest.raises(InputError, match=r"refresh: the loss became (nan|inf) at step \d.*learning rate"):
        TripletRefresher(options).refresh(model, images, answers(images), seed=0)
    assert weights(model) == before
    assert not model.training


def test_an_interrupted_refresh_puts_the_model_back():
    images = make_images()
    model = build_backbone("small_cnn")
    before = copy.deepcopy(weights(model))

    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TripletRefresher(QUICK).refresh(model, images, answers(images), seed=0, progress=interrupt)
    assert weights(model) == before


def test_progress_is_reported_before_the_first_step_and_after_each():
    images, calls = make_images(), []
    TripletRefresher(QUICK).refresh(
        build_backbone("small_cnn"),
        images,
        answers(images),
        seed=0,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_constraints_about_other_images_are_an_input_error():
    with pytest.raises(InputError, match="about 5 images but there are 60"):
        TripletRefresher(QUICK).refresh(
            build_backbone("small_cnn"), make_images(), ConstraintGraph(5), seed=0
        )


def test_supervised_training_uses_all_labels_and_no_constraints():
    images, unseen = make_images(0), make_images(1)
    options = TripletSettings(
        size=SIZE, steps=25, batch_size=24, learning_rate=1e-3, identity_loss_weight=1.0
    )
    model = build_backbone("small_cnn")
    before = mean_precision(model, unseen)
    SupervisedRefresher(options).refresh(model, images, ConstraintGraph(len(images)), seed=0)
    assert mean_precision(model, unseen) > before + 10
    results = []
    for graph in (ConstraintGraph(len(images)), answers(images)):
        model = build_backbone("small_cnn")
        SupervisedRefresher(QUICK).refresh(model, images, graph, seed=0)
        results.append(weights(model))
    model = build_backbone("small_cnn")
    pretrain(model, images, QUICK, seed=0)
    assert results == [weights(model)] * 2


def test_unknown_identities_take_no_part_in_supervised_training():
    images = make_images()
    identities = images.identities.copy()
    identities[20:] = -1
    pixels = images.read(np.arange(len(images)), SIZE)
    partly = ImageSet(images.names, identities, source="synthetic:test", pixels=pixels)
    model, alone = build_backbone("small_cnn"), build_backbone("small_cnn")
    report = pretrain(model, partly, QUICK, seed=0)
    pretrain(alone, images.subset(np.arange(20)), QUICK, seed=0)
    assert report.images <= 20
    assert weights(model) == weights(alone)
    unknown = ImageSet(images.names, identities * 0 - 1, source="synthetic:test", pixels=pixels)
    with pytest.raises(InputError, match="none of the 60 images has an identity"):
        pretrain(model, unknown, QUICK, seed=0)


def test_learning_rate_warms_up_to_its_peak_and_decays():
    shares = [learning_rate_share(step, 100) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[:10] == sorted(shares[:10])
    assert max(shares) == pytest.approx(1)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] == pytest.approx(0.01, abs=1e-3)
    assert learning_rate_share(0, 1) == 1


def test_augmentation_without_randomness_left_is_normalisation_or_its_mirror_image():
    pixels = torch.randint(0, 256, (16, 3, *SIZE), dtype=torch.uint8)
    torch.manual_seed(0)
    augmented = Augmentation(SIZE, shift=0, erasing=0)(pixels)
    plain = normalise(pixels)
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(augmented, plain, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(augmented, plain, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert any(mirrored)
    assert any(kept)
    assert augmented.is_contiguous(memory_format=torch.channels_last)


def test_each_image_is_shifted_and_erased_by_itself():
    pixels = torch.full((24, 3, *SIZE), 255, dtype=torch.uint8)
    torch.manual_seed(0)
    shifted = Augmentation(SIZE, shift=4, erasing=0)(pixels)
    erased = Augmentation(SIZE, shift=0, erasing=1)(pixels)
    for augmented in (shifted, erased):
        assert augmented.shape == pixels.shape
        filled = [int((image.abs() < 0.02).all(dim=0).sum()) for image in augmented]
        assert len(set(filled)) > 5
        assert max(filled) < SIZE[0] * SIZE[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"batch_size": 3},
        {"images_per_group": 1},
        {"rivals_per_group": 0},
        {"learning_rate": float("nan")},
        {"margin": -0.1},
        {"erasing": 1.5},
        {"shift": -1},
        {"size": (0, 64)},
        {"mining": "random"},
    ],
)
def test_settings_out_of_range_are_an_input_error_that_names_them(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: "):
        TripletSettings(**wrong)
