"""Backbones: shapes, names, seeds, and a re-derivation of OSNet's parts."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_al_agents.vision import backbone_names, build_backbone
from reid_al_agents.vision.osnet import AggregationGate, LightConv, OmniScaleBlock, OSNet
from reid_al_env.errors import InputError

SMALL = ("small_cnn", "osnet_x0_25", "osnet_x0_5", "resnet18", "mobilenet_v3_small")


@pytest.mark.parametrize("name", SMALL)
def test_features_have_the_stated_length(name):
    model = build_backbone(name)
    with torch.inference_mode():
        features = model(torch.rand(2, 3, 64, 32))
    assert features.shape == (2, model.feature_dim)
    assert torch.isfinite(features).all()
    assert not model.training


def test_every_listed_name_builds_with_the_stated_feature_length():
    for name in set(backbone_names()) - set(SMALL):
        with torch.device("meta"):  # shapes only
            model = build_backbone(name)
            assert model(torch.rand(1, 3, 64, 32)).shape == (1, model.feature_dim), name


def test_unknown_name_is_an_input_error_that_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'vgg' is not known.*osnet_x0_25"):
        build_backbone("vgg")


def test_seed_decides_the_weights_and_the_global_generator_is_untouched():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, same, other = (build_backbone("small_cnn", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = [model.trunk.fc.weight for model in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("width", "millions"),
    # Table 1 of the paper gives 2.2 M parameters at width 1.0, Table 6 the others.
    [(1.0, 2.2), (0.75, 1.3), (0.5, 0.6), (0.25, 0.2)],
)
def test_osnet_has_the_papers_number_of_parameters(width, millions):
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in OSNet(width).parameters())
    assert round(count / 1e6, 1) == millions


def test_published_names_and_shapes_of_osnet_x0_25():
    shapes = {
        key: tuple(value.shape) for key, value in build_backbone("osnet_x0_25").trunk.state_dict().items()
    }
    assert len(shapes) == 565  # the checkpoint's 567 without the classifier's two
    assert shapes["conv1.conv.weight"] == (16, 3, 7, 7)
    assert shapes["conv2.0.conv2b.1.conv2.weight"] == (16, 1, 3, 3)
    assert shapes["conv2.2.0.conv.weight"] == (64, 64, 1, 1)
    assert shapes["conv3.0.gate.fc1.weight"] == (1, 24, 1, 1)
    assert shapes["conv4.0.downsample.bn.running_var"] == (128,)
    assert shapes["fc.1.running_mean"] == (512,)


def test_light_convolution_is_pointwise_then_depthwise():
    layer = LightConv(4).eval()
    x = torch.randn(2, 4, 5, 3)
    pointwise = torch.einsum("oi,bihw->bohw", layer.conv1.weight[:, :, 0, 0], x)
    depthwise = torch.stack(
        [F.conv2d(pointwise[:, c : c + 1], layer.conv2.weight[c : c + 1], padding=1)[:, 0] for c in range(4)],
        dim=1,
    )
    expected = torch.relu(depthwise / (1 + layer.bn.eps) ** 0.5)
    torch.testing.assert_close(layer(x), expected)


def test_aggregation_gate_scales_each_channel_by_a_weight_between_0_and_1():
    gate = AggregationGate(32)
    x = torch.rand(2, 32, 4, 3) + 0.1
    ratio = (gate(x) / x).detach()
    assert ((ratio > 0) & (ratio < 1)).all()
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))


def test_block_sums_gated_streams_of_receptive_fields_3_5_7_9():
    block = OmniScaleBlock(64, 64).eval()
    stem = torch.zeros(1, 16, 21, 21)
    stem[:, :, 10, 10] = 1.0
    for stream, reach in ((block.conv2a, 1), (block.conv2b, 2), (block.conv2c, 3), (block.conv2d, 4)):
        for parameter in stream.parameters():
            parameter.data.abs_()  # so that the ReLUs hide nothing
        touched = torch.nonzero(stream(stem).sum(dim=1)[0])
        assert touched.min().item() == 10 - reach
        assert touched.max().item() == 10 + reach


def test_features_in_evaluation_mode_do_not_depend_on_the_rest_of_the_batch():
    model = build_backbone("osnet_x0_25", seed=1)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, 64, 32)).astype(np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=1e-4, atol=1e-5)
