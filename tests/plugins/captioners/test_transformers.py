"""The ``transformers`` captioner on real, tiny models of five families: what it says, its key, its failures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from graftwork.core.roles import CaptionerError
from graftwork.plugins.captioners import TransformersCaptionerSpec
from graftwork.plugins.captioners.transformers import TransformersCaptioner
from graftwork.plugins.encoders import TransformersSpec

from ...support.local_hub import COMMIT, cached
from ...support.models.tiny_vlms import FAMILIES, save_blip

WEIGHTS = "model.safetensors"
PROMPT = "describe the picture."


def spec_of(folder: Path | str, **more: Any) -> TransformersCaptionerSpec:
    return TransformersCaptionerSpec(model=str(folder), **{"prompt": PROMPT, "max_new_tokens": 8, **more})


def build(folder: Path | str, **more: Any) -> TransformersCaptioner:
    return TransformersCaptioner(spec_of(folder, **more), torch.device("cpu"))


def pictures(number: int) -> list[Image.Image]:
    """Noise of two sizes, so that models of dynamic resolution must pad."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (16 + 8 * (i % 2), 20, 3), np.uint8)) for i in range(number)]


@pytest.fixture(scope="module", params=[*FAMILIES, "blip"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of each family."""
    save = {**FAMILIES, "blip": save_blip}[request.param]
    return save(tmp_path_factory.mktemp(request.param))


def by_hand(folder: Path, picture: Image.Image) -> str:
    """What transformers' own documentation would have one write for a single picture."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    text = PROMPT
    if processor.chat_template:
        asked = [{"type": "image"}, {"type": "text", "text": PROMPT}]
        text = processor.apply_chat_template([{"role": "user", "content": asked}], add_generation_prompt=True)
    inputs = processor(images=picture, text=text, return_tensors="pt")
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    whole, asked_ = (processor.batch_decode(one, skip_special_tokens=True)[0] for one in (output, inputs["input_ids"]))
    assert whole.startswith(asked_)
    return whole.removeprefix(asked_).strip()


def test_descriptions_are_those_of_transformers_itself(family: Path) -> None:
    """With and without a chat template, in a batch of unlike sizes: the new words, and not the prompt."""
    images = pictures(3)
    said = build(family).describe(images)
    assert said == [by_hand(family, image) for image in images]
    assert len(set(said)) > 1


def test_a_description_does_not_depend_on_its_batch(family: Path) -> None:
    """Alone or among others: decoder-only models are padded on the left."""
    captioner, images = build(family), pictures(5)
    assert captioner.describe(images) == [captioner.describe([image])[0] for image in images]


def test_beams_and_length_follow_the_spec(tiny_llava: Path) -> None:
    """Two words at the most, and a beam search that finds other ones."""
    images = pictures(4)
    short = build(tiny_llava, max_new_tokens=2).describe(images)
    assert all(len(text.split()) <= 2 for text in short)
    assert build(tiny_llava, num_beams=3).describe(images) != build(tiny_llava).describe(images)


def test_the_models_own_habits_do_not_leak_in(tiny_llava: Path, tmp_path: Path) -> None:
    """A model that samples by default is greedy here unless the spec says otherwise."""
    copy = Path(shutil.copytree(tiny_llava, tmp_path / "copy"))
    file = copy / "generation_config.json"
    habits = {"do_sample": True, "temperature": 5.0, "top_k": 50, "max_length": 500, "num_beams": 2}
    file.write_text(json.dumps({**json.loads(file.read_text()), **habits}))
    assert build(copy).describe(pictures(4)) == build(tiny_llava).describe(pictures(4))


def test_draws_follow_the_seed_and_leave_global_randomness_alone(tiny_llava: Path) -> None:
    """The same seed says the same; another one something else."""
    images = pictures(6)
    before = torch.random.get_rng_state()
    drawn = [build(tiny_llava, do_sample=True, temperature=3.0, seed=seed).describe(images) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("fields", [{"dtype": "bf16"}, {"device_map": "auto"}], ids=["dtype", "device_map"])
def test_dtype_and_device_map_reach_the_model(tiny_llava: Path, fields: dict[str, Any]) -> None:
    """Weights in the arithmetic asked for; accelerate's placement works where it is installed."""
    if "device_map" in fields:
        pytest.importorskip("accelerate")
    captioner = build(tiny_llava, **fields)
    assert captioner._model.dtype == (torch.bfloat16 if "dtype" in fields else torch.float32)
    assert len(captioner.describe(pictures(2))) == 2


def test_a_system_message_changes_what_is_said(tiny_llava: Path) -> None:
    """It stands before the question."""
    assert build(tiny_llava, system="red blue dark").describe(pictures(4)) != build(tiny_llava).describe(pictures(4))


def test_a_system_message_without_a_template_is_refused(tmp_path: Path) -> None:
    """There is no place for it."""
    with pytest.raises(CaptionerError, match=r"captioner\.system: .*no chat template"):
        build(FAMILIES["blip2"](tmp_path), system="be brief")


@pytest.mark.parametrize("key", ["prompt", "system"])
def test_words_that_stand_for_a_picture_are_refused(tiny_llava: Path, key: str) -> None:
    """The template puts one in for each picture; with one more a picture lacks. Other words in < > are words."""
    with pytest.raises(CaptionerError, match=rf"captioner\.{key}: `<image>` is where .* leave it out"):
        build(tiny_llava, **{key: "what is in <image> here?"})
    assert len(build(tiny_llava, **{key: "what is in <picture> here?"}).describe(pictures(2))) == 2


@pytest.mark.parametrize(("temperature", "taken"), [(1e-300, False), (0.0009, False), (0.001, True), (1e300, True)])
def test_temperatures_that_take_logits_beyond_all_numbers_are_refused(
    tiny_llava: Path, temperature: float, taken: bool
) -> None:
    """From a thousandth on every one draws."""
    if taken:
        assert len(build(tiny_llava, do_sample=True, temperature=temperature).describe(pictures(2))) == 2
    else:
        with pytest.raises(ValidationError, match=r"greater than or equal to 0\.001"):
            build(tiny_llava, do_sample=True, temperature=temperature)


def limited(captioner: TransformersCaptioner, most: int) -> list[int]:
    """Let the model's tower run out of memory, for real, above ``most`` pictures; returns the sizes it saw."""
    sizes: list[int] = []

    def allocate(module: Any, arguments: Any, keywords: Any) -> None:
        pixels = keywords.get("pixel_values", arguments[0] if arguments else None)
        sizes.append(len(pixels))
        if len(pixels) > most:
            torch.empty(1 << 55)

    captioner._model.model.vision_tower.register_forward_pre_hook(allocate, with_kwargs=True)
    return sizes


def test_the_batch_is_halved_when_memory_runs_out(tiny_llava: Path) -> None:
    """8, 4, 2: every picture is described as before, it is said, and the next batch starts at 2."""
    expected = build(tiny_llava).describe(pictures(8))
    captioner = build(tiny_llava, batch_size=8)
    sizes = limited(captioner, 2)
    assert captioner.describe(pictures(8)) == expected
    assert sizes[:3] == [8, 4, 2]
    notes = captioner.notes()
    assert notes[-1] == "memory ran out with 4 pictures at once; going on with 2"
    assert captioner.notes() == []
    captioner.describe(pictures(8))
    assert sizes[-4:] == [2, 2, 2, 2]


def test_one_picture_too_much_is_an_error_with_remedies(tiny_llava: Path) -> None:
    """Nothing is left to halve."""
    captioner = build(tiny_llava)
    limited(captioner, 0)
    with pytest.raises(CaptionerError, match="memory runs out with a single picture"):
        captioner.describe(pictures(1))


def test_another_failure_is_not_taken_for_memory(tiny_llava: Path) -> None:
    """It comes through as it is."""
    captioner = build(tiny_llava)

    def fail(*arguments: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    captioner._model.model.vision_tower.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="mat1"):
        captioner.describe(pictures(2))


# What cannot be loaded


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_pickled_weights_are_refused_with_the_reason(tiny_llava: Path, tmp_path: Path) -> None:
    """Before anything is opened; plan would say it too."""
    copy = copy_of(tiny_llava, tmp_path)
    torch.save(load_file(copy / WEIGHTS), copy / "pytorch_model.bin")
    (copy / WEIGHTS).unlink()
    with pytest.raises(CaptionerError, match=r"pickles \(pytorch_model\.bin\), which can run code.*only safetensors"):
        build(copy)
    assert "pickles" in str(spec_of(copy).missing_files())


def test_a_model_that_does_not_answer_about_pictures_is_refused(tmp_path: Path) -> None:
    """Named by what it is."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(**sizes, vocab_size=50)).save_pretrained(tmp_path)
    with pytest.raises(CaptionerError, match="is a `bert`, which is no image-text-to-text model"):
        build(tmp_path)


def test_code_that_a_model_brings_is_never_run(tiny_llava: Path, tmp_path: Path) -> None:
    """Remote code is off, and the message says so."""
    copy = copy_of(tiny_llava, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "mine", "auto_map": {"AutoConfig": "m.C"}}))
    (copy / "m.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\n")
    with pytest.raises(CaptionerError, match="brings code of its own, which is never run"):
        build(copy)
    assert not (tmp_path / "ran").exists()


def test_weights_that_lack_tensors_are_refused(tiny_llava: Path, tmp_path: Path) -> None:
    """transformers would describe with random numbers in their place."""
    copy = copy_of(tiny_llava, tmp_path)
    tensors = load_file(copy / WEIGHTS)
    del tensors[next(name for name in tensors if "multi_modal_projector.linear_1.bias" in name)]
    save_file(tensors, copy / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CaptionerError, match=r"multi_modal_projector\.linear_1\.bias is absent"):
        build(copy)


def test_weights_of_another_size_are_refused_with_both_sizes(tiny_llava: Path, tmp_path: Path) -> None:
    """Configuration and weights do not belong together."""
    copy = copy_of(tiny_llava, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 48
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CaptionerError, match=r"is \(32, 64\), not \(32, 48\).*and \d+ more"):
        build(copy)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({WEIGHTS: None}, f"lacks {WEIGHTS}; complete the folder"),
        ({WEIGHTS: b"\x08"}, "cannot be loaded: .*header"),
        ({"config.json": None}, r"holds no config\.json"),
        ({"config.json": b"{"}, "cannot be loaded: .*JSON"),
        ({"processor_config.json": None}, "cannot be loaded: .*image processor"),
    ],
    ids=["no weights", "truncated", "no config", "no json", "no processor"],
)
def test_damaged_folders_are_refused(
    tiny_llava: Path, tmp_path: Path, damage: dict[str, bytes | None], says: str
) -> None:
    """What is missing or broken is named, without a traceback from the depths."""
    copy = copy_of(tiny_llava, tmp_path)
    for name, content in damage.items():
        (copy / name).unlink() if content is None else (copy / name).write_bytes(content)
    with pytest.raises(CaptionerError, match=f"captioner.model: .*{says}"):
        build(copy)


def test_a_hub_model_that_is_not_here_says_how_to_get_it() -> None:
    """With the revision; nothing is asked of the network."""
    with pytest.raises(CaptionerError, match=r"`hf download nobody/nothing --revision v2` gets it \(size and licence"):
        build("nobody/nothing", revision="v2", local_files_only=True)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By its whole path."""
    with pytest.raises(CaptionerError, match=f"{tmp_path}/nowhere does not exist"):
        build(tmp_path / "nowhere")


def test_the_same_words_name_the_same_model_as_for_encoders() -> None:
    """`pocket` is the LLaVA and `pocket:ast` the AST wherever they stand; what cannot be done with one is said."""
    with pytest.raises(CaptionerError, match="`audio-spectrogram-transformer`, which is no image-text-to-text model"):
        build("pocket:ast")
    with pytest.raises(ValidationError, match="`sene_clip`; did you mean `pocket:scene_clip`"):
        spec_of("pocket:sene_clip")
    with pytest.raises(ValidationError, match="`pocket` is a `llava` model, which encodes nothing here"):
        TransformersSpec(model="pocket")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model": "llava"}, "neither `pocket`, nor a folder here, nor a hub id"),
        ({"temperature": 0.5, "top_p": 0.5}, "temperature and top_p only matter with"),
        ({"revision": "v1"}, "`revision` is for hub models"),
        ({"max_new_tokens": 0}, "greater than or equal to 1"),
    ],
    ids=["model", "drawing", "revision", "length"],
)
def test_a_spec_without_sense_is_refused(fields: dict[str, Any], says: str) -> None:
    """Before anything is looked for."""
    with pytest.raises(ValidationError, match=says):
        TransformersCaptionerSpec(**fields)


# The hub's cache on this machine

IN_THE_CACHE = """
import json, sys, torch
from graftwork.plugins.captioners import TransformersCaptionerSpec
spec = TransformersCaptionerSpec(model="acme/tiny", max_new_tokens=3)
from graftwork.plugins.captioners.transformers import TransformersCaptioner
missing = spec.missing_files()
weights = TransformersCaptioner(spec, torch.device("cpu")).weights()
print(json.dumps({"missing": missing, "weights": weights, "identity": spec.identity()["model"]}))
"""


def test_a_model_in_the_hubs_cache_is_found_and_its_commit_is_noted(tiny_llava: Path, tmp_path: Path) -> None:
    """Offline; the key holds id and revision, and the commit says which weights these were."""
    cached(tmp_path, "acme/tiny", tiny_llava)
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_CACHE], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "missing": None,
        "weights": COMMIT,
        "identity": {"id": "acme/tiny", "revision": None},
    }


# The cache key


def identity(folder: Path | str, **more: Any) -> str:
    return json.dumps(spec_of(folder, **more).identity(), sort_keys=True)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "what is it?"},
        {"system": "be brief"},
        {"max_new_tokens": 9},
        {"num_beams": 2},
        {"do_sample": True},
        {"dtype": "bf16"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_identity_follows_what_changes_descriptions(tiny_llava: Path, change: dict[str, Any]) -> None:
    """Prompts, generation, arithmetic."""
    assert identity(tiny_llava, **change) != identity(tiny_llava)


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 3}, {"device_map": "auto"}, {"local_files_only": True}, {"seed": 7}],
    ids=lambda change: next(iter(change)),
)
def test_the_identity_ignores_what_does_not(tiny_llava: Path, change: dict[str, Any]) -> None:
    """Batch size, placement, the network, and the seed of draws that are not made."""
    assert identity(tiny_llava, **change) == identity(tiny_llava)


def test_the_seed_of_draws_is_part_of_the_identity(tiny_llava: Path) -> None:
    """Once they are made."""
    assert identity(tiny_llava, do_sample=True, seed=1) != identity(tiny_llava, do_sample=True, seed=2)


@pytest.mark.parametrize("file", [WEIGHTS, "config.json", "tokenizer.json", "chat_template.jinja"])
def test_the_identity_follows_files_by_content(tiny_llava: Path, tmp_path: Path, file: str) -> None:
    """The same files elsewhere share a key; any one of them altered is another model; a README is none."""
    copy = copy_of(tiny_llava, tmp_path)
    (copy / "README.md").write_text("a card")
    assert identity(copy) == identity(tiny_llava)
    (copy / file).write_bytes((copy / file).read_bytes() + b" ")
    assert identity(copy) != identity(tiny_llava)


def test_a_spec_tells_all_this_without_torch(tiny_llava: Path) -> None:
    """identity and missing_files import neither torch nor transformers."""
    script = f"""
import sys
from graftwork.plugins.captioners import TransformersCaptionerSpec
spec = TransformersCaptionerSpec(model={str(tiny_llava)!r})
assert spec.identity() and spec.missing_files() is None
assert TransformersCaptionerSpec(model="nobody/nothing").missing_files()
print(sorted({{"torch", "transformers", "open_clip"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
