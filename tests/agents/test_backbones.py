"""Backbones: shapes, names, seeds, and re-derivations of OSNet, IBN, generalised mean and Lite0's padding."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reid_al_agents.vision import build_backbone, find_backbone, normalise, resolve_size
from reid_al_agents.vision.efficientnet_lite import SamePaddingConv
from reid_al_agents.vision.normalisation import IMAGENET, Normalisation
from reid_al_agents.vision.osnet import AggregationGate, LightConv, OmniScaleBlock, OSNet
from reid_al_agents.vision.reid_resnet import GeneralisedMean, InstanceBatchNorm
from reid_al_env.errors import InputError

SMALL = ("small_cnn", "osnet_x0_25", "osnet_x0_5", "osnet_ain_x0_25", "resnet18", "mobilenet_v3_small")


@pytest.mark.parametrize("name", SMALL)
def test_features_have_the_stated_length(name):
    model = build_backbone(name)
    with torch.inference_mode():
        features = model(torch.rand(2, 3, 64, 32))
    assert features.shape == (2, model.feature_dim)
    assert torch.isfinite(features).all()
    assert not model.training


@pytest.mark.parametrize(
    "name",
    [
        *("osnet_ibn_x1_0", "osnet_ain_x1_0", "bot_resnet50_ibn", "fastreid_resnet50", "resnet50_fc512"),
        *("resnet50_ibn", "efficientnet_lite0", "resnet101", "mobilenet_v2", "efficientnet_b0"),
        *("densenet121", "convnext_tiny", "swin_t", "vit_b_16"),
    ],
)
def test_each_family_gives_the_stated_feature_length_at_its_default_size(name):
    with torch.device("meta"):  # shapes only
        model = build_backbone(name)
        assert model.size == find_backbone(name).default_size
        assert model(torch.rand(1, 3, *model.size)).shape == (1, model.feature_dim)


def test_unknown_name_is_an_input_error_that_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'vgg' is not known.*osnet_x0_25.*timm:NAME or onnx:FILE"):
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
    ("name", "size"),
    [
        ("osnet_x0_25", (256, 128)),
        ("bot_resnet50", (256, 128)),
        ("efficientnet_lite0", (224, 224)),
        ("resnet50", (224, 224)),
        ("small_cnn", (64, 32)),
    ],
)
def test_default_size_is_the_one_that_a_backbone_was_made_for(name, size):
    assert resolve_size(name, None) == size
    assert resolve_size(name, (96, 48)) == (96, 48)


def test_a_network_of_one_size_refuses_others_and_convolutional_ones_take_any():
    with torch.device("meta"):
        transformer, osnet = build_backbone("vit_b_16"), build_backbone("osnet_x0_25")
    transformer.fit_to((224, 224))
    with pytest.raises(InputError, match=r"--size: vit_b_16 takes images of 224x224 only, not 256x128"):
        transformer.fit_to((256, 128))
    osnet.fit_to((96, 48))
    assert osnet.size == (96, 48)
    with pytest.raises(InputError, match=r"--size: mobilenet_v2 cannot take 0x0 \(\w"):
        build_backbone("mobilenet_v2").fit_to((0, 0))
    assert osnet.size == (96, 48)


def test_a_network_converts_its_input_to_the_statistics_it_was_trained_with():
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    model = build_backbone("small_cnn")
    model.trunk, model.normalisation = nn.Identity(), Normalisation((127 / 255,) * 3, (128 / 255,) * 3)
    torch.testing.assert_close(model(normalise(pixels)), (pixels.float() - 127) / 128)
    model.normalisation = IMAGENET
    assert torch.equal(model(normalise(pixels)), normalise(pixels))


def test_normalisation_reads_what_it_writes_and_refuses_other_text():
    ours = Normalisation((127 / 255, 0.1, 0.2), (1 / 3, 0.5, 0.25))
    assert Normalisation.parse(str(ours)) == ours
    for text in ("", "mean=1,2,3", "mean=1,2 std=1,2", "mean=1,2,3 std=1,0,1", "mean=a,b,c std=1,1,1"):
        with pytest.raises(InputError, match="is not mean=R,G,B"):
            Normalisation.parse(text)


@pytest.mark.parametrize(
    ("width", "millions"),
    # Table 1 of the paper gives 2.2 M parameters at width 1.0, Table 6 the others.
    [(1.0, 2.2), (0.75, 1.3), (0.5, 0.6), (0.25, 0.2)],
)
def test_osnet_has_the_papers_number_of_parameters(width, millions):
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in OSNet(width).parameters())
    assert round(count / 1e6, 1) == millions


def shapes_of(name):
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in build_backbone(name).trunk.state_dict().items()}


def test_published_names_and_shapes_of_osnet_x0_25():
    shapes = shapes_of("osnet_x0_25")
    assert len(shapes) == 565  # the checkpoint's 567 without the classifier's two
    assert shapes["conv1.conv.weight"] == (16, 3, 7, 7)
    assert shapes["conv2.0.conv2b.1.conv2.weight"] == (16, 1, 3, 3)
    assert shapes["conv2.2.0.conv.weight"] == (64, 64, 1, 1)
    assert shapes["conv3.0.gate.fc1.weight"] == (1, 24, 1, 1)
    assert shapes["conv4.0.downsample.bn.running_var"] == (128,)
    assert shapes["fc.1.running_mean"] == (512,)


def test_instance_normalisation_is_where_the_variants_have_it():
    ibn, ain = (
        {key.removesuffix(".weight") for key in shapes_of(name) if ".IN." in key and "weight" in key}
        for name in ("osnet_ibn_x1_0", "osnet_ain_x1_0")
    )
    assert ibn == {"conv2.0.IN", "conv2.1.IN"}
    assert ain == {"conv2.0.IN", "conv2.1.IN", "conv3.1.IN", "conv4.0.IN"}
    for name in ("osnet_ibn_x1_0", "osnet_ain_x1_0"):
        assert "conv1.bn.running_mean" not in shapes_of(name)
    assert "conv2.0.conv3.bn.weight" not in shapes_of("osnet_ain_x1_0")


@pytest.mark.parametrize("where", ["after", "inside"])
def test_instance_normalisation_follows_or_precedes_the_residual_sum(where):
    block = OmniScaleBlock(64, 64, where).eval()
    x = torch.randn(2, 64, 6, 4)
    reduced = block.conv1(x)
    change = block.conv3(
        sum(block.gate(s(reduced)) for s in (block.conv2a, block.conv2b, block.conv2c, block.conv2d))
    )
    summed = change + x if where == "after" else change
    centred = summed - summed.mean(dim=(2, 3), keepdim=True)
    normed = centred / (summed.var(dim=(2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(block(x), torch.relu(normed if where == "after" else normed + x))


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


def test_ibn_normalises_one_half_by_image_and_the_other_by_batch():
    layer = InstanceBatchNorm(4).eval()
    layer.BN.running_mean.copy_(torch.tensor([1.0, 2.0]))
    x = torch.randn(3, 4, 5, 6)
    y = layer(x).detach()
    torch.testing.assert_close(y[:, :2].mean(dim=(2, 3)), torch.zeros(3, 2), atol=1e-5, rtol=0)
    expected = (x[:, 2:] - torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)) / (1 + layer.BN.eps) ** 0.5
    torch.testing.assert_close(y[:, 2:], expected)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_generalised_mean_is_the_power_mean_over_the_image(power):
    x = torch.rand(2, 3, 4, 5)
    expected = [[float(np.mean(c.numpy() ** power) ** (1 / power)) for c in image] for image in x]
    assert GeneralisedMean(power)(x).flatten().tolist() == pytest.approx(np.ravel(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "stem_relu", "pooled"),
    [
        ("bot_resnet50", False, 1),
        ("bot_resnet50_ibn", True, 1),
        ("fastreid_resnet50", True, 0),
        ("fastreid_resnet50_ibn", True, 0),
    ],
)
def test_resnets_differ_as_their_trainers_do(name, stem_relu, pooled):
    with torch.device("meta"):
        model = build_backbone(name)
        body = model.trunk.body
        assert body(torch.rand(1, 3, 256, 128)).shape == (1, 2048, 16, 8)  # last stride 1
    assert isinstance(body.relu, nn.ReLU) == stem_relu
    assert (body.maxpool.padding, body.maxpool.ceil_mode) == (pooled, pooled == 0)
    ibn = [isinstance(layer[0].bn1, InstanceBatchNorm) for layer in (body.layer1, body.layer3, body.layer4)]
    assert ibn == ([True, True, False] if name.endswith("ibn") else [False] * 3)
    assert not model.trunk.neck.bias.requires_grad


@pytest.mark.parametrize(
    ("length", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (9, 5, 2), (5, 3, 1), (2, 5, 2)]
)
def test_same_padding_is_tensorflows(length, kernel, stride):
    # tf.nn: out = ceil(length / stride); the larger half of the padding comes after the image
    layer = SamePaddingConv(1, 1, kernel, stride)
    layer.weight.data.fill_(1.0)
    row = torch.arange(1.0, length + 1)
    outputs = -(-length // stride)
    before = max((outputs - 1) * stride + kernel - length, 0) // 2
    padded = np.zeros(length + 2 * kernel)
    padded[kernel : kernel + length] = row
    expected = [
        padded[start : start + kernel].sum()
        for start in (kernel - before + stride * o for o in range(outputs))
    ]
    image = row.view(1, 1, 1, length).expand(1, 1, length, length).clone()
    image[:, :, 1:] = 0  # one row, so that each output is a sum over it or nothing
    found = layer(image)[0, 0, :, :].detach()
    assert found.shape == (outputs, outputs)
    assert found[0].tolist() == pytest.approx(expected)
