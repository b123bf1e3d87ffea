"""Code that a stranger's model or data folder brings is not run, by whatever road a library would reach it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork.core.data.items import DataError
from graftwork.core.roles import Captioner, CaptionerError, Encoder, EncoderError
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.plugins.captioners.specs import TransformersCaptionerSpec
from graftwork.plugins.datasets import HuggingFaceSpec
from graftwork.plugins.encoders.open_clip.spec import OpenClipSpec
from graftwork.plugins.encoders.transformers.spec import TransformersSpec
from graftwork.registry.build import build
from graftwork.registry.discovery import default_catalogue

from ...support.strangers import model_folders as strangers

NEVER = "code of its own, which is never run"


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that code of a stranger would write; whoever is asked whether to run it hears `y`."""
    monkeypatch.setattr(sys, "stdin", StringIO("y\n" * 20))
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    return tmp_path / "ran"


def encoder(spec: OpenClipSpec | TransformersSpec) -> Encoder:
    return build(Encoder, default_catalogue(), spec, torch.device("cpu"))


def test_the_folders_would_run_their_code(tmp_path: Path, marker: Path) -> None:
    """Where it is allowed: otherwise the tests below could not fail."""
    from graftwork.plugins.checkpoints.libraries import transformers

    folder = strangers.pocket_folder("ast", tmp_path)
    strangers.write_code(folder, marker)
    strangers.changed_json(folder / "config.json", auto_map=strangers.auto_map(), model_type="mine")
    with pytest.raises(Exception, match=r".*"):
        transformers().AutoConfig.from_pretrained(folder, trust_remote_code=True)
    assert marker.exists()


@pytest.mark.parametrize("name", strangers.KIND)
@pytest.mark.parametrize("known", [True, False], ids=["known model", "unknown model"])
def test_auto_map_is_not_followed(name: str, known: bool, tmp_path: Path, marker: Path) -> None:
    """In any file of the folder: a model that transformers knows is loaded by its own code, any other refused."""
    folder = strangers.pocket_folder(name, tmp_path)
    strangers.write_code(folder, marker)
    for file in strangers.CONFIGS:
        if (folder / file).exists():
            strangers.changed_json(folder / file, auto_map=strangers.auto_map())
    if not known:
        strangers.changed_json(folder / "config.json", model_type="mine", architectures=["Mine"])
    make: Callable[[], Any] = (
        (lambda: encoder(TransformersSpec(model=str(folder))))
        if strangers.KIND[name] == "encoder"
        else lambda: build(
            Captioner,
            default_catalogue(),
            TransformersCaptionerSpec(model=str(folder)),
            torch.device("cpu"),
        )
    )
    if known:
        make()
    else:
        with pytest.raises((EncoderError, CaptionerError, ValueError), match=rf"{NEVER}|encodes nothing"):
            make()
    assert not marker.exists()


def test_a_tokenizer_that_only_the_folder_has_is_not_run(tmp_path: Path, marker: Path) -> None:
    """transformers may read its vocabulary by a class of its own; what it says of a switch is not handed on."""
    folder = strangers.pocket_folder("scene_clip", tmp_path)
    strangers.write_code(folder, marker)
    strangers.changed_json(folder / "tokenizer_config.json", auto_map=strangers.auto_map(), tokenizer_class="Mine")
    strangers.changed_json(folder / "processor_config.json", auto_map=strangers.auto_map(), processor_class="Mine")
    encoder(TransformersSpec(model=str(folder)))
    assert not marker.exists()


@pytest.mark.parametrize("kwargs", [{"trust_remote_code": True}, {"revision": "x"}, {"clean": "lower", "use_fast": 1}])
def test_tokenizer_kwargs_of_an_open_clip_folder_are_refused(
    kwargs: dict[str, Any], tiny_clip: Path, tmp_path: Path, marker: Path
) -> None:
    """All but those that say how texts are cleaned."""
    folder = strangers.with_hub_tokenizer(shutil.copytree(tiny_clip, tmp_path / "clip"), tokenizer_kwargs=kwargs)
    strangers.write_code(folder, marker)
    with pytest.raises(EncoderError, match=rf"`tokenizer_kwargs` .* asks for {list(kwargs)[-1]}: only clean, "):
        encoder(OpenClipSpec(model=f"local-dir:{folder}"))
    assert not marker.exists()


@pytest.mark.parametrize("kwargs", [{}, {"clean": "lower"}])
def test_a_tokenizer_of_an_open_clip_folder_brings_no_code(
    kwargs: dict[str, Any], tiny_clip: Path, tmp_path: Path, marker: Path
) -> None:
    """transformers would ask, and hear `y`."""
    folder = strangers.with_hub_tokenizer(shutil.copytree(tiny_clip, tmp_path / "clip"), tokenizer_kwargs=kwargs)
    strangers.write_code(folder, marker)
    with pytest.raises(EncoderError, match=NEVER):
        encoder(OpenClipSpec(model=f"local-dir:{folder}"))
    assert not marker.exists()


def test_a_text_tower_of_transformers_in_open_clip_brings_no_code(
    tiny_clip: Path, tmp_path: Path, marker: Path
) -> None:
    """open_clip loads it by a configuration that says where, and asks for nothing to be forbidden."""
    tower = strangers.pocket_folder("ast", tmp_path)
    strangers.write_code(tower, marker)
    strangers.changed_json(tower / "config.json", auto_map=strangers.auto_map(), model_type="mine")
    folder = strangers.with_hub_tokenizer(
        shutil.copytree(tiny_clip, tmp_path / "clip"), hf_model_name=str(tower), hf_proj_type="linear"
    )
    with pytest.raises(EncoderError, match=NEVER):
        encoder(OpenClipSpec(model=f"local-dir:{folder}"))
    assert not marker.exists()


def test_a_hub_model_of_open_clip_brings_no_code(tiny_clip: Path, tmp_path: Path, marker: Path) -> None:
    """`hf-hub:` names a repository, whose files lie in the hub's cache; in a process that is offline."""
    cached = tmp_path / "hub" / "models--evil--clip"
    folder = Path(shutil.copytree(tiny_clip, cached / "snapshots" / "abc"))
    asks = {"trust_remote_code": True}
    strangers.with_hub_tokenizer(folder, tokenizer_kwargs=asks, hf_tokenizer_name="evil/clip")
    strangers.write_code(folder, marker)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    code = (
        "import torch\nfrom graftwork.plugins.encoders.open_clip.encoder import OpenClip, OpenClipSpec\n"
        "OpenClip(OpenClipSpec(model='hf-hub:evil/clip'), torch.device('cpu'))\n"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cached.parent), "HF_HOME": str(tmp_path / "home")}
    environment = os.environ | offline | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, input="y\n", capture_output=True, text=True, check=False
    )
    assert "EncoderError: encoder.model: hf-hub:evil/clip: `tokenizer_kwargs`" in done.stderr
    assert not marker.exists()


@pytest.mark.parametrize("where", ["folder", "checkpoint"])
def test_a_pickle_is_not_run(where: str, tiny_clip: Path, tmp_path: Path, marker: Path) -> None:
    """As weights of a folder, and as a checkpoint."""
    strangers.write_pickle(tmp_path / "open_clip_pytorch_model.bin", marker)
    spec = OpenClipSpec(model="RN50", checkpoint=str(tmp_path / "open_clip_pytorch_model.bin"))
    if where == "folder":
        shutil.copy(tiny_clip / "open_clip_config.json", tmp_path)
        spec = OpenClipSpec(model=f"local-dir:{tmp_path}")
    with pytest.raises(EncoderError, match="open_clip cannot load"):
        encoder(spec)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ([{"type": "mine.Transformer", "path": ""}, {"type": "mine.Mine", "path": "1_Pooling"}], None),
        ([{"type": "mine.Transformer", "path": "../.."}], "lies outside of"),
        ([{"type": "mine.Transformer", "path": "/etc"}], "lies outside of"),
        ([3, "x", None], None),
    ],
)
def test_modules_of_sentence_transformers_are_not_imported(
    modules: list[Any], told: str | None, tmp_path: Path, marker: Path
) -> None:
    """By the dotted names in `modules.json`; and their folders stand inside."""
    folder = strangers.pocket_folder("scene_clip", tmp_path)
    strangers.write_code(folder, marker)
    (folder / "modules.json").write_text(json.dumps(modules))
    if told is None:
        encoder(TransformersSpec(model=str(folder)))
    else:
        with pytest.raises(EncoderError, match=told):
            encoder(TransformersSpec(model=str(folder)))
    assert not marker.exists()


def test_a_folder_with_an_adapter_of_peft_is_refused(tmp_path: Path, marker: Path) -> None:
    """transformers would load the model that the adapter names, with code of that one."""
    other = strangers.pocket_folder("ast", tmp_path)
    strangers.write_code(other, marker)
    folder = strangers.pocket_folder("scene_clip", tmp_path)
    strangers.changed_json(folder / "adapter_config.json", base_model_name_or_path=str(other), peft_type="LORA")
    with pytest.raises(EncoderError, match="holds an adapter of PEFT"):
        encoder(TransformersSpec(model=str(folder)))
    with pytest.raises(CaptionerError, match="holds an adapter of PEFT"):
        build(Captioner, default_catalogue(), TransformersCaptionerSpec(model=str(folder)), torch.device("cpu"))
    assert not marker.exists()


@pytest.mark.parametrize("name", ["../../outside.safetensors", "/etc/passwd"])
def test_weights_outside_of_a_folder_are_refused(name: str, tmp_path: Path) -> None:
    """As an index of shards may name them."""
    folder = strangers.pocket_folder("scene_clip", tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(EncoderError, match="names weights outside of its folder"):
        encoder(TransformersSpec(model=str(folder)))


def test_a_script_of_a_data_set_is_not_run(tmp_path: Path, marker: Path) -> None:
    """It has the name of its folder."""
    from graftwork.plugins.datasets.records.open_dataset import open_dataset

    folder = tmp_path / "things"
    folder.mkdir()
    strangers.write_code(folder, marker)
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(HuggingFaceSpec(path=str(folder)), may_download=False)
    assert not marker.exists()


def test_no_spec_can_ask_for_remote_code() -> None:
    """The key is known to none of them."""
    from graftwork.registry.errors import SpecError

    for section, types in (("encoder", ("open_clip", "transformers")), ("captioner", ("transformers",))):
        for type_ in types:
            with pytest.raises(SpecError, match="unknown key `trust_remote_code`"):
                spec_from_dict({"version": 1, section: {"type": type_, "trust_remote_code": True}})
