"""Files from elsewhere: what their headers claim is checked before memory is taken for it."""

import json
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
import torch
from gymnasium import spaces
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.data import ImageSet
from reid_al_agents.data.decoding import find_damage, image_size, open_image
from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.policy_file import load_policy
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_agents.dqn.selector import DQNSelector
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.files import read_arrays, read_tensors, write_tensors
from reid_al_agents.vision import build_backbone, load_weights, save_weights
from reid_al_agents.vision.own_features import read_features
from reid_al_env import FeatureSet, InputError, array_files
from reid_al_env.render.canvas import read_crop

HEADER = {
    "format": "reid-al-policy",
    "version": "1",
    "policy": "graph",
    "network": json.dumps({"hidden": 8, "rounds": 1}),
    "seen": json.dumps({"pool_size": 12}),
}
LITTLE = 50 << 20  # bytes


def refused(call, *expected):
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as error:
            call()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < LITTLE
    message = str(error.value)
    assert "\n" not in message
    for part in expected:
        assert part in message
    return message


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "p.safetensors"
    DQNSelector(12, DQNSettings(hidden=8, rounds=1), seed=0).save(path)
    return path


@pytest.mark.parametrize(
    ("network", "seen", "expected"),
    [
        (
            {"hidden": 1_000_000_000, "rounds": 1},
            {},
            "hidden: 1000000000 is out of range; expected 1 to 4096",
        ),
        ({"hidden": 8, "rounds": 10_000_000}, {}, "rounds: 10000000 is out of range; expected 1 to 64"),
        ({"hidden": 4096, "rounds": 64}, {}, "do not fit the network of its header"),
        ({"hidden": 0, "rounds": 1}, {}, "out of range"),
        ({"hidden": 8, "rounds": -1}, {}, "out of range"),
        ({"hidden": 8, "rounds": float("inf")}, {}, "is no policy file"),
        ({"hidden": 8, "rounds": float("nan")}, {}, "is no policy file"),
        ({"hidden": 8, "rounds": None}, {}, "is no policy file"),
        ({"hidden": 8}, {}, "describes no graph network"),
        ({"hidden": 8, "rounds": 1, "depth": 3}, {}, "describes no graph network"),
        ({"hidden": 8, "rounds": 1}, {"pool_size": 10**9}, "pool_size 1000000000; expected 1 to 2000"),
        ({"hidden": 8, "rounds": 1}, {"pool_size": 0}, "expected 1 to 2000"),
        ([1], {}, "is no policy file"),
    ],
    ids=str,
)
def test_a_policys_numbers_are_checked_before_a_network_is_made(policy, tmp_path, network, seen, expected):
    path = tmp_path / "p.safetensors"
    said = {"network": json.dumps(network), "seen": json.dumps({"pool_size": 12, **seen})}
    write_tensors(path, load_file(policy), {**HEADER, **said})
    refused(lambda: load_policy(path), str(path), expected)


def test_an_mlp_that_claims_a_large_pool(policy, tmp_path):
    path = tmp_path / "p.safetensors"
    said = {"policy": "mlp", "network": "{}", "seen": json.dumps({"pool_size": 1500})}
    write_tensors(path, load_file(policy), {**HEADER, **said})
    refused(lambda: load_policy(path), "do not fit the network of its header")


@pytest.mark.parametrize("nested", ["network", "seen"])
def test_a_policy_whose_header_is_nested_deeply(policy, tmp_path, nested):
    path = tmp_path / "p.safetensors"
    write_tensors(path, load_file(policy), {**HEADER, nested: "[" * 100_000})
    refused(lambda: load_policy(path), "is no policy file")


@pytest.mark.parametrize("kind", ["nan", "infinite", "double", "complex", "whole"])
def test_a_policy_with_other_values_than_finite_floats(policy, tmp_path, kind):
    tensors = load_file(policy)
    name = sorted(tensors)[0]
    changed = {
        "nan": tensors[name] * torch.nan,
        "infinite": tensors[name] + torch.inf,
        "double": tensors[name].double(),
        "complex": tensors[name].to(torch.complex64),
        "whole": tensors[name].to(torch.int32),
    }
    write_tensors(tmp_path / "p.safetensors", {**tensors, name: changed[kind]}, HEADER)
    refused(lambda: load_policy(tmp_path / "p.safetensors"), f"'{name}' holds other values")


def _kinds(tensor):
    return {
        "sparse": tensor.to_sparse(),
        "sparse and huge": torch.sparse_coo_tensor(
            torch.zeros(2, 1, dtype=torch.int64), [1.0], (10**9, 10**9)
        ),
        "meta": torch.empty(10**9, 10**3, device="meta"),
        "complex": tensor.to(torch.complex64),
        "quantised": torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        "whole": tensor.to(torch.int8),
        "nan": tensor * torch.nan,
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", list(_kinds(torch.zeros(1))))
def test_weights_that_are_no_plain_numbers_are_refused(tmp_path, kind):
    model = build_backbone("small_cnn", seed=0)
    state = model.trunk.state_dict()
    first = next(name for name, value in state.items() if value.is_floating_point() and value.ndim > 1)
    torch.save({**state, first: _kinds(state[first])[kind]}, tmp_path / "w.pth")
    before = {name: value.clone() for name, value in state.items()}
    refused(lambda: load_weights(model, tmp_path / "w.pth"), "w.pth")
    assert all(torch.equal(before[name], value) for name, value in model.trunk.state_dict().items())


def test_a_tensor_that_claims_a_huge_shape_takes_no_memory(tmp_path):
    model = build_backbone("small_cnn", seed=0)
    state = model.trunk.state_dict()
    first = next(name for name, value in state.items() if value.is_floating_point() and value.ndim > 1)
    torch.save({**state, first: torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "w.pth")
    (said,) = load_weights(model, tmp_path / "w.pth").misshapen
    assert "(1000000, 1000000)" in said


def test_every_byte_of_our_weights_counts(tmp_path):
    path = tmp_path / "w.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "c": torch.zeros(0)}
    write_tensors(path, tensors, {"size": "32x16"})
    good = path.read_bytes()
    for place in range(len(good)):
        flipped = good[place] ^ (0x01 if place % 2 else 0x80)
        path.write_bytes(good[:place] + bytes([flipped]) + good[place + 1 :])
        try:
            found, header = read_tensors(path)
        except (ValueError, OSError):
            continue
        assert header.get("size") == "32x16"
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_weights_of_other_programs_need_no_digest(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors", metadata={"format": "pt"})
    found, header = read_tensors(tmp_path / "other.safetensors")
    assert header == {}
    assert found["a"].tolist() == [1.0, 1.0]


def test_flipped_weights_are_refused(tmp_path):
    model = build_backbone("small_cnn", seed=0)
    path = tmp_path / "w.safetensors"
    save_weights(model, path, {"size": "32x16"})
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    refused(lambda: load_weights(model, path), str(path), "sha256 does not fit")
    with safe_open(path, framework="pt") as file:
        assert file.keys()


def _png(width, height):
    """A PNG that claims a size and holds nothing of it."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _pictures(*paths):
    names = [path.name for path in paths]
    images = ImageSet(names, [-1] * len(names), source="test", paths=[str(path) for path in paths])
    return Pictures(images, (16, 8))


def test_decompression_bombs_are_refused_everywhere(tmp_path):
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(_png(60_000, 60_000))
    refused(lambda: open_image(bomb), str(bomb))
    refused(lambda: image_size(bomb), str(bomb))
    assert "exceeds limit" in str(find_damage(bomb))
    for reduction in (None, "small"):
        refused(lambda reduction=reduction: _pictures(bomb).encoded(0, reduction), str(bomb))
    refused(lambda: _pictures(bomb).size(0), str(bomb))
    assert read_crop(str(bomb)) is None


def test_formats_that_are_not_read_are_refused_everywhere(tmp_path):
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 8)).save(picture, "EPS")
    refused(lambda: open_image(picture), str(picture))
    for reduction in (None, "small"):
        refused(lambda reduction=reduction: _pictures(picture).encoded(0, reduction), str(picture))
    assert read_crop(str(picture)) is None


@pytest.mark.parametrize(
    "header", ["(" * 5000, "{'descr': '<f4', 'shape': (1000000000, 1000000)}", "\0", "{[}"]
)
def test_a_feature_file_with_a_hostile_header(tmp_path, header):
    text = header.encode()[:60_000]
    path = tmp_path / "f.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + np.zeros(8).tobytes())
    refused(lambda: FeatureSet.load(path), str(path))


def _npy(shape, content=b"", kind="<f4"):
    """An ``.npy`` that claims a shape, whatever its content."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (118 - len(text) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def _npz(path, member, claimed=None):
    """An archive of one array whose directory claims a size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", member)
        info = archive.getinfo("features.npy")
        if claimed is not None:  # the directory is written when the archive is closed
            info.file_size = claimed
    return path


def _replay(path):
    space = spaces.Dict({"obs": spaces.Box(0, 1, (2,))})
    buffer = NStepDictReplay(16, space, spaces.Discrete(2), device="cpu")
    model = MaskedDQN.__new__(MaskedDQN)  # no network is needed to see the file
    model.replay_buffer = buffer
    model.load_replay_buffer(path)


NPZ_READERS = {
    "FeatureSet": FeatureSet.load,
    "own features": lambda path: read_features(path, ["a", "b"]),
    "read_arrays": read_arrays,
    "replay buffer": _replay,
}


@pytest.mark.parametrize("reader", NPZ_READERS)
@pytest.mark.parametrize(
    ("shape", "claimed", "expected"),
    [
        ((1_000_000_000,), 4_000_000_128, "would inflate to 4,000,000,128"),  # 4 GB from 20 KB
        ((10_000_000_000, 512), None, "claims 20,480,000,000,000 bytes"),
        ((10_000_000_000, 512), 4_000_000_128, "would inflate to 4,000,000,128"),
        ((10,), None, "claims 40 bytes"),
        ((-1, 512), None, "claims -2,048 bytes"),
    ],
    ids=["bomb", "header", "both", "too much", "negative"],
)
def test_archives_that_inflate_or_claim_too_much_take_no_memory(tmp_path, reader, shape, claimed, expected):
    path = _npz(tmp_path / "f.npz", _npy(shape, b"\0" * (1 << 22)), claimed)
    refused(lambda: NPZ_READERS[reader](path), str(path), expected)


def test_an_archive_is_bounded_by_the_memory_of_the_machine(tmp_path, monkeypatch):
    path = tmp_path / "f.npz"
    np.savez(path, features=np.ones((1000, 8), np.float32))
    monkeypatch.setattr(array_files, "_memory", lambda: 10_000)
    refused(lambda: read_arrays(path), str(path), "more than this machine's memory")


def test_what_compresses_well_and_is_small_is_read(tmp_path):
    path = tmp_path / "f.npz"
    zeros = np.zeros((1 << 20, 8), np.float32)
    np.savez_compressed(path, features=zeros, names=np.array(["a", "b"]), order=np.asfortranarray(zeros[:9]))
    assert zeros.nbytes > 500 * path.stat().st_size
    found = read_arrays(path)
    assert np.array_equal(found["features"], zeros)
    assert found["names"].tolist() == ["a", "b"]
    assert np.array_equal(found["order"], zeros[:9])


@pytest.mark.parametrize("reader", ["features", "beside"])
def test_an_npy_that_claims_more_than_it_holds(tmp_path, reader):
    path = tmp_path / "f.npy"
    if reader == "features":
        path.write_bytes(_npy((10_000_000_000, 512), b"\0" * 64))
        refused(lambda: read_features(path, ["a", "b"]), str(path), "claims 20,480,000,000,000 bytes")
    else:
        np.save(path, np.ones((2, 3), np.float32))
        (tmp_path / "f.identities.npy").write_bytes(_npy((10_000_000_000,), b"\0" * 64, "<i8"))
    refused(lambda: FeatureSet.load(path), str(path))
