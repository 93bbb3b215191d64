"""Backbones of timm and of ONNX files; skipped where these extras are not installed."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from reid_al_agents.data import ImageSet
from reid_al_agents.vision import (
    build_backbone,
    describe_weights,
    embed,
    find_backbone,
    load_published_weights,
    load_weights,
    normalise,
    save_weights,
    start_model,
    to_pixels,
)
from reid_al_agents.vision.normalisation import Normalisation
from reid_al_env.errors import InputError


def images(count=3, size=(40, 24)):
    pixels = np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    names = [f"{i}.png" for i in range(count)]
    return ImageSet(names, np.arange(count), None, source="synthetic:test", pixels=pixels)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        pytest.param("timm", "timm:resnet18", "timm", id="timm"),
        pytest.param("onnxruntime", "onnx:net.onnx", "onnx", id="onnx"),
        pytest.param("timm", "miewid", "timm", id="miewid"),
    ],
)
def test_a_missing_library_names_its_extra(monkeypatch, module, name, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf'pip install "reid-active-learning\[{extra}\]"'):
        build_backbone(name)


def test_timm_models_bring_their_size_and_normalisation():
    timm = pytest.importorskip("timm")
    model = build_backbone("timm:mobilenetv3_small_050", seed=1)
    settings = timm.models.get_pretrained_cfg("mobilenetv3_small_050")
    assert model.size == settings.input_size[1:] == (224, 224)
    assert build_backbone("timm:tf_efficientnet_lite0").normalisation == Normalisation((0.5,) * 3, (0.5,) * 3)
    with torch.inference_mode():
        assert model(torch.rand(2, 3, 64, 64)).shape == (2, model.feature_dim)
    same = build_backbone("timm:mobilenetv3_small_050", seed=1)
    assert torch.equal(model.trunk.conv_stem.weight, same.trunk.conv_stem.weight)


def test_timm_names_that_are_none_are_one_line_with_examples():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=r"timm has no such model; it has, for example, vit_\w+dinov2"):
        build_backbone("timm:megadetective")


def test_a_transformer_is_prepared_for_another_size_and_its_weights_remember_it(tmp_path):
    pytest.importorskip("timm")
    name = "timm:vit_tiny_patch16_224"
    model = build_backbone(name, seed=1)
    features = embed(model, images(), size=(64, 32))
    assert model.size == (64, 32)
    assert features.shape == (3, model.feature_dim)
    save_weights(model, tmp_path / "w.safetensors", {"size": "64x32"})
    again = start_model(None, tmp_path / "w.safetensors", None)
    assert (again.name, again.size) == (name, (64, 32))
    np.testing.assert_allclose(embed(again, images(), size=(64, 32)), features, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"--size: timm:vit_tiny_patch16_224 cannot take 8x8 \(\w"):
        model.fit_to((8, 8))


def test_a_checkpoint_of_timms_trainer_names_its_backbone(tmp_path):
    timm = pytest.importorskip("timm")
    net = timm.create_model("mobilenetv3_small_050", num_classes=7)
    content = {"arch": "mobilenetv3_small_050", "state_dict": net.state_dict(), "epoch": 3}
    torch.save(content, tmp_path / "w.pth.tar")
    assert describe_weights(tmp_path / "w.pth.tar").backbone == "timm:mobilenetv3_small_050"
    model = start_model(None, tmp_path / "w.pth.tar", None)
    report = load_weights(model, tmp_path / "w.pth.tar")
    assert report.classifier == ("classifier.weight", "classifier.bias")
    assert torch.equal(model.trunk.conv_stem.weight, net.conv_stem.weight)


@pytest.mark.slow
def test_miewid_pools_by_a_generalised_mean_and_ends_in_its_neck(tmp_path):
    timm = pytest.importorskip("timm")
    net = timm.create_model("efficientnetv2_rw_m", num_classes=0, global_pool="").eval()
    neck = nn.BatchNorm1d(net.num_features).eval()
    nn.init.normal_(neck.running_mean)
    state = {f"backbone.{k}": v for k, v in net.state_dict().items()}
    state |= {f"bn.{k}": v for k, v in neck.state_dict().items()}
    torch.save(
        {**state, "pooling.p": torch.tensor([2.5]), "final.weight": torch.zeros(9, 2152)}, tmp_path / "m.pth"
    )
    model = start_model(None, tmp_path / "m.pth", None)
    assert (model.name, model.size, model.feature_dim) == ("miewid", (440, 440), 2152)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        maps = net(x).clamp(min=1e-6)
        torch.testing.assert_close(model(x), neck((maps**2.5).mean(dim=(2, 3)) ** (1 / 2.5)))


def test_what_timm_publishes_is_announced_and_loaded(monkeypatch):
    timm = pytest.importorskip("timm")
    source = timm.create_model("mobilenetv3_small_050", num_classes=0)
    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *a, pretrained, **k: source if pretrained else create(*a, **k)
    )
    said = []
    model = build_backbone("timm:mobilenetv3_small_050")
    assert load_published_weights(model, said.append).share == 1.0
    assert said == [
        "timm:mobilenetv3_small_050: weights from timm's hub, downloaded if they are not on this machine yet"
    ]
    assert torch.equal(model.trunk.conv_stem.weight, source.conv_stem.weight)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    timm = pytest.importorskip("timm")

    def offline(*_, **__):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(timm.models, "load_model_config_from_hf", offline)
    with pytest.raises(InputError, match=r"hf-hub:BVRA/MegaDescriptor-T-224: .*no route to host") as caught:
        build_backbone("timm:hf-hub:BVRA/MegaDescriptor-T-224")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InputError, match="timm cannot fetch timm:resnet18"):
        timm_backbone_of_resnet18()


def timm_backbone_of_resnet18():
    from reid_al_agents.vision.timm_backbone import published_weights

    published_weights("timm:resnet18")


class Session:
    """What onnxruntime's session looks like: the mean of each channel, times two."""

    def __init__(self, shape, batches):
        self._input = SimpleNamespace(name="input", shape=shape)
        self._batches = batches

    def get_inputs(self):
        return [self._input]

    def run(self, outputs, feed):
        assert outputs is None
        x = feed["input"]
        self._batches.append(len(x))
        return [2 * x.mean(axis=(2, 3), dtype=np.float64)]


@pytest.mark.parametrize(
    ("shape", "size", "batches"),
    [
        pytest.param(["batch", 3, "h", "w"], (256, 128), [3], id="any"),
        pytest.param([2, 3, 40, 24], (40, 24), [2, 2], id="two-of-one-size"),
        pytest.param([1, 3, 40, 24], (40, 24), [1, 1, 1], id="one-of-one-size"),
    ],
)
def test_an_onnx_file_gives_features_in_batches_of_its_size(monkeypatch, tmp_path, shape, size, batches):
    (tmp_path / "net.onnx").write_bytes(b"x")
    seen = []
    runtime = SimpleNamespace(InferenceSession=lambda file, providers: Session(shape, seen))
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    model = build_backbone(f"onnx:{tmp_path}/net.onnx")
    assert (model.size, model.feature_dim, model.trainable) == (size, 3, False)
    seen.clear()
    features = embed(model, images(), size=(40, 24))
    assert features.dtype == np.float32
    expected = 2 * normalise(to_pixels(images().read([0, 1, 2], (40, 24)))).mean(dim=(2, 3))
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-5)
    assert seen[-len(batches) :] == batches
    with pytest.raises(InputError, match="gives features and cannot learn from answers; use --refresh none"):
        model.train()
    assert not model.training
    save_weights(model, tmp_path / "w.safetensors", {})
    assert load_weights(model, tmp_path / "w.safetensors").fits
    if size == (40, 24):
        with pytest.raises(InputError, match="takes images of 40x24 only"):
            embed(model, images(), size=(64, 32))


def test_an_onnx_file_that_does_not_fit_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"x")
    for shape in ([1, 1, 40, 24], [1, 3]):
        runtime = SimpleNamespace(InferenceSession=lambda file, providers, shape=shape: Session(shape, []))
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        with pytest.raises(InputError, match=r"expected one \(B, 3, H, W\)"):
            find_backbone(f"onnx:{tmp_path}/net.onnx")
    with pytest.raises(InputError, match="no such file"):
        find_backbone(f"onnx:{tmp_path}/none.onnx")
    with pytest.raises(InputError, match="holds its own weights; leave --weights out"):
        start_model(f"onnx:{tmp_path}/net.onnx", tmp_path / "w.pth", None)


def test_an_exported_network_gives_the_same_features(tmp_path):
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library)
    model = build_backbone("small_cnn", seed=1)
    file = tmp_path / "small.onnx"
    torch.onnx.export(model.trunk, (torch.zeros(2, 3, 40, 24),), file, dynamo=True, verbose=False)
    exported = build_backbone(f"onnx:{file}")
    assert (exported.size, exported.feature_dim) == ((40, 24), 128)
    ours, theirs = (embed(net, images(), size=(40, 24)) for net in (model, exported))
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)
    file.write_bytes(b"damaged")
    with pytest.raises(InputError, match="is not a readable ONNX file"):
        build_backbone(f"onnx:{file}")
