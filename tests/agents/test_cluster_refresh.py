"""The cluster refresh: losses and memory by plain loops, batches, augmentation, and that it learns."""

import math
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.data import ImageSet
from reid_al_agents.data.synthetic import DOMAINS, render_pedestrians
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.training.augment import ERASED_SHARE, MEAN_PIXEL, Augmentation
from reid_al_agents.training.cluster.clusters import Clusters, constrained_clusters
from reid_al_agents.training.cluster.memory import ClusterMemory, Entries
from reid_al_agents.training.cluster.objective import train_on_clusters
from reid_al_agents.training.cluster.refresher import ClusterRefresher, SupervisedClusterRefresher
from reid_al_agents.training.cluster.sampler import sample_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.vision import build_backbone, embed, normalise
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph

SIZE = (32, 16)
QUICK = ClusterSettings(
    size=SIZE,
    steps=4,
    epochs=2,
    batch_size=12,
    k1=6,
    k2=2,
    micro_cluster_similarity=0.5,
    group_similarity=0.15,
    min_images=2,
    unsure_similarity=0.0,
)
CPU = torch.device("cpu")


@cache
def pedestrians(identities=8, seed=0):
    """Rendered people, each seen three times by each of three cameras."""
    domain = replace(DOMAINS["pedestrians-source"], identities=identities, cameras=3, cameras_per_identity=3)
    return render_pedestrians(domain, seed)


PEOPLE = pedestrians()


def with_identities(images, identities, cameras=None):
    pixels = images.read(np.arange(len(images)), SIZE)
    return ImageSet(images.names, identities, cameras, source=images.source, pixels=pixels)


def nothing(images):
    return ConstraintGraph(len(images))


def weights(model):
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


def mean_precision(model, images):
    every = np.arange(len(images))
    features = embed(model, images, size=SIZE)
    return evaluate_ranking(features, images.identities, images.cameras, every, every).map


# Memory and losses


def scene(seed=0, count=40, clusters=6, cameras=3, dimensions=5):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, dimensions)).astype(np.float32)
    cluster = rng.integers(-1, clusters, count)
    cluster[:clusters] = np.arange(clusters)
    return features, cluster, rng.integers(0, cameras, count) * 7


def unit(vector):
    return vector / np.linalg.norm(vector)


def directions_by_hand(features, belongs):
    """Mean direction of the unit features of each value of ``belongs`` but those that are None."""
    entries = sorted({key for key in belongs if key is not None})
    return {
        entry: unit(
            sum(unit(f.astype(float)) for f, key in zip(features, belongs, strict=True) if key == entry)
        )
        for entry in entries
    }


def loss_by_hand(features, clusters, cameras, settings, batch_features, batch, unsure=None):
    """Both losses, image by image and entry by entry."""
    unsure = np.zeros((clusters.max() + 1,) * 2, dtype=bool) if unsure is None else unsure
    centres = directions_by_hand(features, [c if c >= 0 else None for c in clusters.tolist()])
    total = 0.0
    for feature, image in zip(batch_features.astype(float), batch.tolist(), strict=True):
        own = int(clusters[image])
        logits = {
            c: float(feature @ centre) / settings.temperature
            for c, centre in centres.items()
            if not unsure[own, c]
        }
        total += -math.log(math.exp(logits[own]) / sum(math.exp(value) for value in logits.values()))
    loss = total / len(batch)
    if cameras is None or settings.camera_weight == 0:
        return loss
    pairs = zip(clusters.tolist(), cameras.tolist(), strict=True)
    views = directions_by_hand(features, [(c, k) if c >= 0 else None for c, k in pairs])
    total = 0.0
    for feature, image in zip(batch_features.astype(float), batch.tolist(), strict=True):
        own = int(clusters[image])
        strength = {
            view: math.exp(float(feature @ direction) / settings.camera_temperature)
            for view, direction in views.items()
        }
        others = sorted(
            (s for (c, _), s in strength.items() if c != own and not unsure[own, c]), reverse=True
        )
        hardest = sum(others[: settings.camera_negatives])
        mine = [s for (c, _), s in strength.items() if c == own]
        total += -sum(math.log(s / (s + hardest)) for s in mine) / len(mine)
    return loss + settings.camera_weight * total / len(batch)


@pytest.mark.parametrize("cameras", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"camera_weight": 0.0},
        {"camera_weight": 0.3, "camera_temperature": 0.5},
        {"camera_negatives": 1},
        {"camera_negatives": 3, "temperature": 1.0},
    ],
)
def test_losses_are_those_of_plain_loops(cameras, change):
    settings = ClusterSettings(**{"temperature": 0.2, "camera_temperature": 0.3, **change})
    for seed in range(3):
        features, clusters, seen = scene(seed)
        seen = seen if cameras else None
        batch = np.random.default_rng(seed).choice(np.flatnonzero(clusters >= 0), 9)
        batch_features = np.random.default_rng(seed + 9).normal(size=(9, 5)).astype(np.float32)
        batch_features /= np.linalg.norm(batch_features, axis=1, keepdims=True)
        memory = ClusterMemory(features, Clusters(clusters), seen, settings, CPU)
        found = float(memory.loss(torch.from_numpy(batch_features), torch.from_numpy(batch)))
        expected = loss_by_hand(features, clusters, seen, settings, batch_features, batch)
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("change", [{}, {"camera_negatives": 2}, {"camera_weight": 0.0}])
def test_clusters_that_may_be_one_identity_are_no_negatives_of_each_other(change):
    settings = ClusterSettings(**{"temperature": 0.2, "camera_temperature": 0.3, **change})
    features, clusters, cameras = scene(4)
    unsure = np.zeros((6, 6), dtype=bool)
    unsure[[0, 3, 0, 5, 2], [3, 0, 5, 0, 2]] = True
    unsure[2, 2] = False
    unsure[4] = np.arange(6) != 4  # one that may be anyone
    batch = np.array([0, 3, 5, 4, 1, 2])  # the first six are one of each cluster
    units = features[batch] / np.linalg.norm(features[batch], axis=1, keepdims=True)
    memory = ClusterMemory(features, Clusters(clusters, unsure), cameras, settings, CPU)
    found = float(memory.loss(torch.from_numpy(units), torch.from_numpy(batch)))
    expected = loss_by_hand(features, clusters, cameras, settings, units, batch, unsure)
    assert found == pytest.approx(expected, rel=1e-4)
    every = float(
        ClusterMemory(features, Clusters(clusters), cameras, settings, CPU).loss(
            torch.from_numpy(units), torch.from_numpy(batch)
        )
    )
    assert found < every
    alone = memory.loss(torch.from_numpy(units[3:4]), torch.tensor([4]))
    assert float(alone) == pytest.approx(0, abs=1e-6)


def test_one_cluster_alone_costs_nothing():
    features, clusters, cameras = scene()
    memory = ClusterMemory(features, Clusters(np.minimum(clusters, 0)), cameras, ClusterSettings(), CPU)
    units = F.normalize(torch.randn(4, 5))
    assert float(memory.loss(units, torch.arange(4))) == pytest.approx(0, abs=1e-6)


def test_gradients_pull_an_image_towards_its_cluster():
    features, clusters, cameras = scene()
    memory = ClusterMemory(features, Clusters(clusters), cameras, ClusterSettings(temperature=0.2), CPU)
    images = torch.arange(6)
    free = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses = []
    for _ in range(60):
        loss = memory.loss(F.normalize(free), images)
        (gradient,) = torch.autograd.grad(loss, free)
        free = (free - 0.3 * gradient).detach().requires_grad_(True)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
    centres = directions_by_hand(features, [c if c >= 0 else None for c in clusters.tolist()])
    near = F.normalize(free.detach()).numpy() @ np.stack(list(centres.values())).T
    assert near.argmax(axis=1).tolist() == clusters[:6].tolist()


def test_entries_follow_by_hand():
    """Entry 0 keeps 1 − 0.5 of itself for one image, entry 1 a quarter for two, entry 2 all."""
    features = torch.eye(3)[[0, 1, 1, 2]]
    entries = Entries(features, torch.tensor([0, 1, 1, 2]), momentum=0.5)
    assert entries.directions.tolist() == torch.eye(3).tolist()
    batch = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    entries.follow(batch, torch.tensor([0, 1, 2]))
    mean = np.array([0.5, 0, 0.5])
    expected = [unit(np.array([0.5, 0.5, 0])), unit(0.25 * np.array([0, 1, 0]) + 0.75 * mean), [0, 0, 1]]
    np.testing.assert_allclose(entries.directions.numpy(), expected, atol=1e-6)


def test_entries_do_not_depend_on_the_order_of_a_batch():
    features, clusters, _ = scene()
    units = F.normalize(torch.from_numpy(features))
    batch = torch.from_numpy(np.random.default_rng(0).choice(np.flatnonzero(clusters >= 0), 24))
    new = F.normalize(torch.randn(24, 5, generator=torch.Generator().manual_seed(1)))
    orders = [torch.arange(24), torch.arange(23, -1, -1), torch.randperm(24)]
    found = []
    for order in orders:
        entries = Entries(units, torch.from_numpy(clusters), 0.2)
        entries.follow(new[order], batch[order])
        found.append(entries.directions)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(found[0].norm(dim=1), torch.ones(6))


def test_momentum_of_none_and_of_all():
    features, clusters, _ = scene()
    units = F.normalize(torch.from_numpy(features))
    new = F.normalize(torch.randn(2, 5))
    still = Entries(units, torch.from_numpy(clusters), 0.0)
    before = still.directions.clone()
    still.follow(new, torch.tensor([0, 1]))
    torch.testing.assert_close(still.directions, before)
    moved = Entries(units, torch.from_numpy(clusters), 1.0)
    moved.follow(new, torch.tensor([0, 1]))
    torch.testing.assert_close(moved.directions[:2], new)
    torch.testing.assert_close(moved.directions[2:], before[2:])


def test_the_memory_follows_without_touching_the_gradient_of_the_step():
    features, clusters, cameras = scene()
    memory = ClusterMemory(features, Clusters(clusters), cameras, ClusterSettings(), CPU)
    units = F.normalize(torch.randn(6, 5, requires_grad=True))
    before = float(memory.loss(units, torch.arange(6)).detach())
    loss = memory.loss(units, torch.arange(6))
    memory.follow(units, torch.arange(6))
    loss.backward()  # fails where follow wrote over what the loss was computed from
    assert float(memory.loss(units, torch.arange(6)).detach()) < before


# Batches


def test_batches_are_a_few_images_of_each_of_several_clusters():
    clusters = np.repeat([3, 0, 1, 2, -1], [8, 5, 4, 9, 6])[np.random.default_rng(0).permutation(32)]
    settings = ClusterSettings(batch_size=14, images_per_cluster=4)  # 3 × 4 fit
    batches = sample_clusters(clusters, np.random.default_rng(1), settings)
    for _ in range(40):
        batch = next(batches)
        assert batch.shape == (12,)
        for start in range(0, 12, 4):
            part = batch[start : start + 4]
            assert len(set(clusters[part].tolist())) == 1
            assert clusters[part[0]] >= 0
            assert len(set(part.tolist())) == 4


def test_a_cluster_with_too_few_images_gives_some_twice():
    clusters = np.array([0, 1, 0, -1, 1, 1, 1, 1])
    settings = ClusterSettings(batch_size=8, images_per_cluster=4)
    batches = sample_clusters(clusters, np.random.default_rng(0), settings)
    seen = Counter()
    for _ in range(30):
        batch = next(batches).tolist()
        small = [image for image in batch if clusters[image] == 0]
        large = [image for image in batch if clusters[image] == 1]
        assert (len(small), len(large), len(set(large))) == (4, 4, 4)
        seen.update(batch)
    assert set(seen) == {0, 1, 2, 4, 5, 6, 7}
    assert 30 < seen[0] < 90


def test_every_cluster_has_its_turn_before_one_comes_again():
    clusters = np.repeat(np.arange(10), 3)
    settings = ClusterSettings(batch_size=4, images_per_cluster=2)
    batches = sample_clusters(clusters, np.random.default_rng(0), settings)
    turns = [int(c) for _ in range(15) for c in clusters[next(batches)][::2]]
    for start in range(0, 30, 10):
        assert sorted(turns[start : start + 10]) == list(range(10))


def test_batches_are_drawn_by_the_seed():
    clusters = np.random.default_rng(0).integers(-1, 9, 80)

    def first(seed):
        batches = sample_clusters(clusters, np.random.default_rng(seed), ClusterSettings(batch_size=16))
        return [next(batches).tolist() for _ in range(5)]

    assert first(0) == first(0) != first(1)


# Augmentation


def numbered(count):
    """Images in which every pixel differs from every other and from the mean colour."""
    values = np.arange(SIZE[0] * SIZE[1])
    pixel = np.stack([values % 100, values // 100, np.full(len(values), 250)], axis=1)
    return torch.from_numpy(np.tile(pixel.reshape(*SIZE, 3), (count, 1, 1, 1)).astype(np.uint8)).permute(
        0, 3, 1, 2
    )


def back_to_pixels(augmented):
    """Undo normalisation: (B, H, W, 3) whole numbers."""
    plain = normalise(torch.tensor([[0.0], [1.0]]).repeat(1, 3)[:, :, None, None])[:, :, 0, 0]
    return ((augmented.permute(0, 2, 3, 1) - plain[0]) / (plain[1] - plain[0])).round().long()


@pytest.mark.parametrize("change", [{}, {"shift": 3}, {"erasing": 1.0}, {"jitter": 0.3}])
def test_augmented_images_are_normalised_float32_with_channels_last(change):
    options = {"shift": 0, "erasing": 0.0, "jitter": 0.0, **change}
    pixels = torch.randint(0, 256, (5, *SIZE, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    before = pixels.clone()
    augmented = Augmentation(SIZE, **options)(pixels)
    assert augmented.shape == (5, 3, *SIZE)
    assert augmented.dtype == torch.float32
    assert augmented.is_contiguous(memory_format=torch.channels_last)
    assert torch.isfinite(augmented).all()
    assert torch.equal(pixels, before)


def test_a_flip_only_keeps_every_pixel_and_half_of_the_images_are_flipped():
    torch.manual_seed(0)
    pixels = numbered(200)
    found = back_to_pixels(Augmentation(SIZE, shift=0, erasing=0.0)(pixels))
    plain = pixels.permute(0, 2, 3, 1).long()
    kept, mirrored = ((found == each).flatten(1).all(dim=1) for each in (plain, plain.flip(2)))
    assert (kept ^ mirrored).all()
    assert 70 < int(mirrored.sum()) < 130


def test_a_shift_moves_each_image_as_a_whole_and_uncovers_the_mean_colour():
    torch.manual_seed(0)
    height, width = SIZE
    pixels = numbered(300)
    found = back_to_pixels(Augmentation(SIZE, shift=2, erasing=0.0)(pixels))
    plain = pixels[0].permute(1, 2, 0).long()
    mean = torch.tensor(MEAN_PIXEL)
    seen = Counter()
    for image in found:
        candidates = []
        for mirrored in (False, True):
            source = plain.flip(1) if mirrored else plain
            for down in range(-2, 3):
                for right in range(-2, 3):
                    expected = mean.expand(height, width, 3).clone()
                    rows, columns = (
                        slice(max(down, 0), height + min(down, 0)),
                        slice(max(right, 0), width + min(right, 0)),
                    )
                    taken = source[max(-down, 0) : height - max(down, 0)]
                    expected[rows, columns] = taken[:, max(-right, 0) : width - max(right, 0)]
                    if torch.equal(image, expected):
                        candidates.append((mirrored, down, right))
        assert len(candidates) == 1
        seen[candidates[0]] += 1
    assert len(seen) == 50  # every flip and shift comes up
    assert max(seen.values()) < 30


def test_erasing_takes_a_rectangle_of_the_wanted_share_from_the_wanted_share_of_images():
    torch.manual_seed(0)
    pixels = numbered(600)
    augmented = Augmentation(SIZE, shift=0, erasing=0.4)(pixels)
    erased = (augmented == 0).all(dim=1)  # (B, H, W); no numbered pixel is zero in all channels
    touched = erased.any(dim=2).any(dim=1)
    assert 0.33 < float(touched.float().mean()) < 0.47
    shares = []
    for mask in erased[touched]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        for side in (rows, columns):  # in one piece
            places = side.nonzero()[:, 0]
            assert len(places) == int(places[-1] - places[0]) + 1
        shares.append(float(mask.float().mean()))
    # whole rows and columns: up to half of one on each side
    assert min(shares) > ERASED_SHARE[0] * 0.5
    assert max(shares) < ERASED_SHARE[1] * 1.1
    assert ERASED_SHARE[0] < np.mean(shares) < np.mean(ERASED_SHARE) + 0.03
    assert np.mean(shares) > np.mean(ERASED_SHARE) - 0.03
    untouched = back_to_pixels(augmented[~touched])
    plain = pixels[0].permute(1, 2, 0).long()
    assert all(torch.equal(image, plain) or torch.equal(image, plain.flip(1)) for image in untouched)


def test_every_place_can_be_erased():
    torch.manual_seed(0)
    erased = (Augmentation(SIZE, shift=0, erasing=1.0)(numbered(800)) == 0).all(dim=1)
    often = erased.float().mean(dim=0)
    assert float(often.min()) > 0
    assert float(often[SIZE[0] // 2, SIZE[1] // 2]) > float(often[0, 0])


def test_jitter_changes_the_strength_of_each_channel_of_each_image():
    torch.manual_seed(0)
    grey = torch.full((50, 3, *SIZE), 100, dtype=torch.uint8)
    found = back_to_pixels(Augmentation(SIZE, shift=0, erasing=0.0, jitter=0.2)(grey))
    flat = found.reshape(50, -1, 3)
    assert (flat.max(dim=1).values == flat.min(dim=1).values).all()
    assert int(flat.min()) >= 80
    assert int(flat.max()) <= 120
    assert len({tuple(row) for row in flat[:, 0].tolist()}) > 45
    white = torch.full((20, 3, *SIZE), 255, dtype=torch.uint8)
    assert int(back_to_pixels(Augmentation(SIZE, 0, 0.0, 0.5)(white)).max()) == 255


def test_augmentation_draws_from_the_seed_and_each_image_by_itself():
    pixels = numbered(30)
    augmentation = Augmentation(SIZE, shift=3, erasing=0.5, jitter=0.1)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmentation(pixels))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert len({image.numpy().tobytes() for image in results[0]}) == 30


# Training


@pytest.mark.parametrize("refresher", [ClusterRefresher, SupervisedClusterRefresher])
@pytest.mark.parametrize("change", [{}, {"camera_weight": 0.0, "jitter": 0.1}], ids=["default", "jitter"])
def test_same_seed_same_bytes_and_another_seed_others(refresher, change):
    results = []
    for seed in (1, 1, 2):
        model = build_backbone("small_cnn", seed=0)
        torch.rand(seed)  # where PyTorch's own generator stands must not matter
        report = refresher(replace(QUICK, **change)).refresh(model, PEOPLE, answers(PEOPLE), seed=seed)
        assert report.steps == len(report.losses) == 4
        assert 0 < report.images <= len(PEOPLE)
        assert all(math.isfinite(loss) for loss in report.losses)
        results.append(weights(model))
    assert results[0] == results[1]
    assert results[0] != results[2]


def answers(images, count=150, seed=0):
    rng = np.random.default_rng(seed)
    graph = ConstraintGraph(len(images))
    for _ in range(count):
        i, j = rng.choice(len(images), 2, replace=False)
        graph.add(i, j, 1 if images.identities[i] == images.identities[j] else -1)
    return graph


def test_torchs_generator_and_the_models_mode_are_left_alone():
    for training in (False, True):
        model = build_backbone("small_cnn").train(training)
        torch.manual_seed(3)
        before = torch.get_rng_state()
        ClusterRefresher(QUICK).refresh(model, PEOPLE, nothing(PEOPLE), seed=0)
        assert torch.equal(before, torch.get_rng_state())
        assert model.training is training
        assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "change", [{"min_images": 1000}, {"micro_cluster_similarity": 1.0, "group_similarity": 1.0}]
)
def test_without_any_cluster_nothing_is_learned(change):
    model = build_backbone("small_cnn")
    before = weights(model)
    told = []
    report = ClusterRefresher(replace(QUICK, k2=1, **change)).refresh(
        model, PEOPLE, nothing(PEOPLE), seed=0, progress=lambda *call: told.append(call)
    )
    assert (report.steps, report.losses, report.loss, report.images) == (0, (), 0, 0)
    assert weights(model) == before
    assert told == [(0, QUICK.steps), (QUICK.steps, QUICK.steps)]


def test_one_answer_is_enough_for_a_cluster():
    model = build_backbone("small_cnn")
    one_match = nothing(PEOPLE)
    one_match.add(3, 40, 1)
    alone = replace(QUICK, k2=1, micro_cluster_similarity=1.0, group_similarity=1.0)
    report = ClusterRefresher(alone).refresh(model, PEOPLE, one_match, seed=0)
    assert (report.steps, report.images) == (4, 2)


def test_training_ends_where_an_epoch_finds_no_cluster():
    """The model is then as it was, so that the epochs that follow would find none either."""
    clusters, calls, embedded = np.repeat([0, 1], len(PEOPLE) // 2), [], []

    def form(features):
        embedded.append(features)
        return Clusters(clusters if len(embedded) == 1 else np.full(len(PEOPLE), -1))

    report = train_on_clusters(
        build_backbone("small_cnn"),
        PEOPLE,
        form,
        replace(QUICK, steps=7, epochs=3),
        seed=0,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(0, 7), (1, 7), (2, 7), (7, 7)]
    assert report.steps == 2
    assert [len(features) for features in embedded] == [len(PEOPLE)] * 2
    assert not np.array_equal(*embedded)


def test_progress_is_reported_before_the_first_step_and_after_each():
    calls = []
    ClusterRefresher(replace(QUICK, steps=5)).refresh(
        build_backbone("small_cnn"),
        PEOPLE,
        nothing(PEOPLE),
        seed=0,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(done, 5) for done in range(6)]


@pytest.mark.parametrize("refresher", [ClusterRefresher, SupervisedClusterRefresher])
def test_a_loss_that_is_not_finite_stops_with_the_model_as_it_was(refresher):
    model = build_backbone("small_cnn")
    before = weights(model)
    wild = replace(QUICK, steps=6, epochs=1, learning_rate=1e30)
    with pytest.raises(InputError, match=r"refresh: the loss became (nan|inf) at step \d.*learning rate"):
        refresher(wild).refresh(model, PEOPLE, nothing(PEOPLE), seed=0)
    assert weights(model) == before
    assert not model.training
    with pytest.raises(InputError):  # here the next epoch's features are what is not finite
        refresher(replace(wild, steps=4, epochs=4)).refresh(model, PEOPLE, nothing(PEOPLE), seed=0)
    assert weights(model) == before


def test_an_interrupted_refresh_puts_the_model_back():
    model = build_backbone("small_cnn")
    before = weights(model)

    def interrupt(done, total):
        assert done == 0 or weights(model) != before
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ClusterRefresher(QUICK).refresh(model, PEOPLE, nothing(PEOPLE), seed=0, progress=interrupt)
    assert weights(model) == before


def test_constraints_about_other_images_are_an_input_error():
    with pytest.raises(InputError, match=f"about 5 images but there are {len(PEOPLE)}"):
        ClusterRefresher(QUICK).refresh(build_backbone("small_cnn"), PEOPLE, ConstraintGraph(5), seed=0)


def test_training_on_all_labels_needs_all_labels_and_nothing_else():
    identities = PEOPLE.identities.copy()
    identities[7] = -1
    partly = with_identities(PEOPLE, identities, PEOPLE.cameras)
    model = build_backbone("small_cnn")
    before = weights(model)
    with pytest.raises(InputError, match=f"{PEOPLE.names[7]}: has no identity"):
        SupervisedClusterRefresher(QUICK).refresh(model, partly, nothing(partly), seed=0)
    assert weights(model) == before
    results = []
    for graph in (nothing(PEOPLE), answers(PEOPLE)):
        model = build_backbone("small_cnn")
        SupervisedClusterRefresher(QUICK).refresh(model, PEOPLE, graph, seed=0)
        results.append(weights(model))
    assert results[0] == results[1]


def test_labels_are_not_looked_at_without_supervision():
    results = []
    for identities in (PEOPLE.identities, np.full(len(PEOPLE), -1)):
        model = build_backbone("small_cnn")
        images = with_identities(PEOPLE, identities, PEOPLE.cameras)
        ClusterRefresher(QUICK).refresh(model, images, nothing(images), seed=0)
        results.append(weights(model))
    assert results[0] == results[1]


def test_images_without_cameras_train_too():
    images = with_identities(PEOPLE, PEOPLE.identities)
    report = SupervisedClusterRefresher(QUICK).refresh(
        build_backbone("small_cnn"), images, nothing(images), seed=0
    )
    assert report.steps == 4


@pytest.mark.parametrize("least", [2, 4])
@pytest.mark.parametrize("unsure_similarity", [0.0, 0.01])
def test_clusters_are_the_groups_of_enough_images_under_the_answers(least, unsure_similarity):
    features = embed(build_backbone("small_cnn"), PEOPLE, size=SIZE)
    graph = answers(PEOPLE, 150)
    settings = replace(QUICK, min_images=least, unsure_similarity=unsure_similarity, group_similarity=0.5)
    clusters = constrained_clusters(features, PEOPLE.cameras, graph, settings)
    found = clusters.labels
    looks = compare_visually(features, PEOPLE.cameras, QUICK.k1, QUICK.k2)
    formed = form_groups(
        looks.similarities, graph, settings.micro_cluster_similarity, settings.group_similarity
    )
    groups = formed.groups
    sizes = Counter(groups.tolist())
    small = {group for group, size in sizes.items() if size < least}
    assert small
    assert small == set(groups[found < 0].tolist())
    group_of = dict(zip(found.tolist(), groups.tolist(), strict=True))
    group_of.pop(-1)
    assert sorted(group_of) == list(range(len(sizes) - len(small)))
    assert all((groups[found == cluster] == group).all() for cluster, group in group_of.items())
    assert len(set(group_of.values())) == len(group_of)
    if unsure_similarity == 0:
        assert clusters.unsure is None
        return
    similarities = looks.similarities.toarray()
    differing = {tuple(pair) for pair in formed.conflicts.tolist()}
    assert clusters.unsure.shape == (len(group_of),) * 2
    for a, b in product(group_of, repeat=2):
        alike = similarities[np.ix_(found == a, found == b)].mean() >= unsure_similarity
        known = tuple(sorted((group_of[a], group_of[b]))) in differing
        assert clusters.unsure[a, b] == (alike and not known and a != b)
    assert clusters.unsure.any()


def test_an_answer_makes_sure_of_two_clusters_that_look_alike():
    features = embed(build_backbone("small_cnn"), PEOPLE, size=SIZE)
    settings = replace(QUICK, unsure_similarity=0.05, group_similarity=0.5)
    before = constrained_clusters(features, PEOPLE.cameras, nothing(PEOPLE), settings)
    a, b = np.argwhere(before.unsure)[0]
    graph = nothing(PEOPLE)
    graph.add(int(np.flatnonzero(before.labels == a)[0]), int(np.flatnonzero(before.labels == b)[0]), -1)
    after = constrained_clusters(features, PEOPLE.cameras, graph, settings)
    assert (after.labels == before.labels).all()
    expected = before.unsure.copy()
    expected[[a, b], [b, a]] = False
    assert (after.unsure == expected).all()


def test_being_unsure_changes_what_is_learned():
    results = []
    for unsure_similarity in (0.0, 0.05):
        model = build_backbone("small_cnn")
        settings = replace(QUICK, unsure_similarity=unsure_similarity)
        report = ClusterRefresher(settings).refresh(model, PEOPLE, answers(PEOPLE, 60), seed=0)
        results.append((report.losses[0], weights(model)))
    assert results[1][0] < results[0][0]
    assert results[1][1] != results[0][1]


def test_all_labels_make_the_ranking_clearly_better_also_of_people_never_seen():
    images, unseen = pedestrians(16, seed=0), pedestrians(16, seed=1)
    options = ClusterSettings(
        size=SIZE, steps=30, epochs=2, batch_size=24, learning_rate=2e-3, erasing=0.2, shift=2
    )
    model = build_backbone("small_cnn", seed=0)
    before = mean_precision(model, images), mean_precision(model, unseen)
    report = SupervisedClusterRefresher(options).refresh(model, images, nothing(images), seed=0)
    assert report.loss < 0.6 * report.losses[0]
    assert mean_precision(model, images) > before[0] + 30
    assert mean_precision(model, unseen) > before[1] + 8


def test_answers_make_the_refresh_better_than_looks_alone():
    images = pedestrians(16, seed=0)
    options = ClusterSettings(
        size=SIZE, steps=30, epochs=2, batch_size=32, learning_rate=2e-3, erasing=0.2, shift=2
    )
    known = nothing(images)
    for identity in np.unique(images.identities):
        members = np.flatnonzero(images.identities == identity)
        for a, b in pairwise(members):
            known.add(a, b, 1)
        known.add(members[0], int(np.flatnonzero(images.identities != identity)[identity % 40]), -1)
    found = {}
    for name, graph in (("looks", nothing(images)), ("answers", known)):
        model = build_backbone("small_cnn", seed=0)
        ClusterRefresher(options).refresh(model, images, graph, seed=0)
        found[name] = mean_precision(model, images)
    start = mean_precision(build_backbone("small_cnn", seed=0), images)
    assert found["answers"] > found["looks"] + 8
    assert found["answers"] > start + 15


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"epochs": 0},
        {"batch_size": 3},
        {"size": (0, 64)},
        {"images_per_cluster": 1},
        {"min_images": 1},
        {"unsure_similarity": -0.1},
        {"shift": -1},
        {"camera_negatives": 0},
        {"k2": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": -1.0},
        {"weight_decay": float("inf")},
        {"temperature": 0.0},
        {"camera_temperature": 1.5},
        {"micro_cluster_similarity": 0.0},
        {"group_similarity": 1.5},
        {"momentum": 1.5},
        {"erasing": 1.5},
        {"jitter": 2.0},
        {"camera_weight": -0.1},
    ],
)
def test_settings_out_of_range_are_an_input_error_that_names_them(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: "):
        ClusterSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 9, "steps": 8}, {"k2": 4, "k1": 3}, {"images_per_cluster": 5, "batch_size": 4}],
)
def test_settings_that_do_not_go_together_are_an_input_error(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: . is more than"):
        ClusterSettings(**wrong)
