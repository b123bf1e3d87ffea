"""Images by one encoder, texts by another: each stored for itself, and compared only where they can be."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from graftwork import Pipeline, SpecError
from graftwork.core.data.items import Media
from graftwork.core.roles import Encoder
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.core.stages.composed_encoder import build_encoder
from graftwork.core.stages.encode import EncoderStage
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.encoders import DualSpec, OpenClipSpec, TransformersSpec
from graftwork.plugins.encoders.open_clip.encoder import OpenClip
from graftwork.plugins.encoders.transformers.encoder import Transformers
from graftwork.registry.build import BuildError, build
from graftwork.registry.discovery import default_catalogue

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_pipeline import catalogue, pipeline
from ...support.store_writer import digest_of

CPU = torch.device("cpu")
PROMPTS = [Media.of_text("a cat"), Media.of_text("a dog")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An image model and two text models, all 32 wide, and a CLIP."""
    root = tmp_path_factory.mktemp("towers")
    seeds = {"dinov2": 0, "bert": 0, "clip": 0}
    made = {family: str(save_tiny_encoder(family, root / family, seed)) for family, seed in seeds.items()}
    return made | {"other": str(save_tiny_encoder("bert", root / "other", seed=9))}


def of(folder: str, **more: Any) -> dict[str, Any]:
    return {"type": "transformers", "model": folder, **more}


def both(image: dict[str, Any], text: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "dual", "image": image, "text": text, **more}


def pictures(count: int = 3) -> list[Media]:
    def media(level: int) -> Media:
        return Media(digest_of(f"grey {level}"), f"grey {level}", lambda: Image.new("L", (20, 20), level))

    return [media(40 * level) for level in range(count)]


def stage(root: Path, spec: dict[str, Any]) -> EncoderStage:
    return EncoderStage(DualSpec(**spec), default_catalogue(), root, lambda: CPU)


def test_each_modality_is_what_its_own_encoder_gives(tmp_path: Path, folders) -> None:
    """Vectors and tokens of two libraries, of their own widths; only the model that is needed is loaded."""
    one = stage(tmp_path, both({"type": "open_clip"}, of(folders["bert"])))
    text = one.encode("text", PROMPTS)
    assert (one.tower("text").loaded, one.tower("image").loaded) == (True, False)
    image = one.encode("image", pictures())
    assert (image.shape[1], text.shape[1]) == (one.spec.width("image"), one.spec.width("text")) == (128, 32)
    clip, bert = OpenClip(OpenClipSpec(), CPU), Transformers(TransformersSpec(model=folders["bert"]), CPU)
    np.testing.assert_allclose(image, clip.encode("image", [media.read() for media in pictures()]), atol=1e-6)
    np.testing.assert_allclose(text, bert.encode("text", ["a cat", "a dog"]), atol=1e-6)
    tokens = one.encode_tokens("text", PROMPTS)
    torch.testing.assert_close(tokens.values, torch.cat(bert.encode_tokens("text", ["a cat", "a dog"])))
    assert set(one.used()) == {"image", "text"}


def test_another_text_encoder_leaves_images_stored_and_the_other_way_round(tmp_path: Path, folders) -> None:
    """Vectors belong to their tower, not to the pair."""
    first = stage(tmp_path, both(of(folders["dinov2"]), of(folders["bert"])))
    first.encode("image", pictures())
    first.encode("text", PROMPTS)
    text_changed = stage(tmp_path, both(of(folders["dinov2"]), of(folders["other"])))
    assert text_changed.missing("image", pictures()) == []
    assert text_changed.missing("text", PROMPTS) == PROMPTS
    image_changed = stage(tmp_path, both({"type": "open_clip"}, of(folders["bert"])))
    assert image_changed.missing("text", PROMPTS) == []
    assert len(image_changed.missing("image", pictures())) == 3


def test_a_model_shares_its_store_with_itself_alone(tmp_path: Path, folders) -> None:
    """What a text encoder gave as a part it gives by itself too."""
    stage(tmp_path, both(of(folders["dinov2"]), of(folders["bert"]))).encode("text", PROMPTS)
    alone = EncoderStage(TransformersSpec(model=folders["bert"]), default_catalogue(), tmp_path, lambda: CPU)
    assert alone.missing("text", PROMPTS) == []


def test_one_model_as_both_towers_is_loaded_once_and_joint(tmp_path: Path, folders) -> None:
    """The same object encodes both, and its parameters count once."""
    spec = DualSpec(**both(of(folders["clip"]), of(folders["clip"])))
    assert spec.shares_space() is True
    assert spec.frozen_parameters() == TransformersSpec(model=folders["clip"]).frozen_parameters()
    one = build_encoder(default_catalogue(), spec, CPU)
    assert one.tower("image") is one.tower("text")
    assert one.facts() == one.tower("image").facts()


def test_built_directly_it_is_one_encoder(folders) -> None:
    """As any component is built; its facts are those of both."""
    spec = DualSpec(**both(of(folders["dinov2"]), of(folders["bert"])))
    one = build_encoder(default_catalogue(), spec, CPU)
    picture = pictures(1)[0].read()
    assert one.encode("image", [one.preprocess("image", picture)]).shape == (1, 32)
    assert one.facts().parameters == spec.frozen_parameters()
    assert one.facts().weights not in {one.tower(kind).facts().weights for kind in ("image", "text")}
    assert one.truncated(["a photo " * 30, "a"]) == [True, False]


def test_its_parts_come_from_the_catalogue_of_whoever_builds_it(folders) -> None:
    """A part that is not installed, known to the run's catalogue alone."""
    known = catalogue()
    parts = both({"type": "pixels"}, of(folders["bert"]))
    spec = DualSpec.model_validate(parts, context={"catalogue": known})
    one = build(Encoder, known, spec, CPU, partial(build, Encoder, known))
    assert one.encode("image", [pictures(1)[0].read()]).shape == (1, 64)
    with pytest.raises(BuildError, match=r"encoder `dual` of graftwork .* cannot be made"):
        build(Encoder, known, spec, CPU)


# -- validation --------------------------------------------------------------------------------------------------------

APART = "the encoder's image and text vectors lie in different spaces, whatever their widths"


def problems(encoder: dict[str, Any], **sections: Any) -> list[str]:
    """What is wrong with a pipeline around that encoder."""
    spec = {"dataset": {"type": "digits"}, "adapter": {"type": "none"}, "encoder": encoder, **sections}
    try:
        spec_from_dict(spec)
    except SpecError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("head", [{"type": "cosine"}, {"type": "linear", "init": "prompts"}])
def test_prompts_of_another_space_are_refused_even_of_equal_width(head: dict[str, Any], folders) -> None:
    """Image nodes of one model and prompts of another have a cosine, and it means nothing."""
    encoder = both(of(folders["dinov2"]), of(folders["bert"]))
    (problem,) = problems(encoder, task={"type": "classification", "head": head})
    assert problem.startswith(f"$.task.head: {APART}: image nodes cannot be compared with prompts (take head")
    concatenated = {"type": "similarity", "threshold": 0.8, "nodes": "fused", "fusion": "concat"}
    (problem,) = problems(encoder, task={"type": "classification", "head": head}, graph=concatenated)
    assert "image and text nodes cannot be compared with prompts" in problem


def test_prompts_are_right_for_text_nodes_and_in_a_joint_space(folders) -> None:
    """Texts are compared with prompts of their own encoder; one CLIP as both, or a space that is declared joint."""
    encoder, texts = both(of(folders["dinov2"]), of(folders["bert"])), {"type": "similarity", "threshold": 0.8}
    assert problems(encoder, graph={**texts, "nodes": "text"}) == []
    assert problems(encoder, task={"type": "classification", "head": {"type": "linear"}}) == []
    assert problems(both(of(folders["clip"]), of(folders["clip"], batch_size=8))) == []
    assert problems({**encoder, "joint_space": True}) == []


def test_a_blend_across_spaces_is_refused_and_by_the_text_half_is_not(folders) -> None:
    """By the nodes: an image vector among them. By text: where the nodes have one."""
    encoder, linear = both(of(folders["dinov2"]), of(folders["bert"])), {"type": "linear"}
    fused = {"type": "similarity", "threshold": 0.8, "nodes": "fused", "fusion": "concat"}

    def said(blend: Any, graph: dict[str, Any] = fused, **more: Any) -> list[str]:
        return problems(encoder, graph=graph, task={"type": "classification", "head": linear, "blend": blend}, **more)

    (problem,) = said(0.5)
    assert problem.startswith(f"$.task.blend: {APART}: image and text nodes cannot be compared with prompts")
    assert problem.endswith('(take {"value": 0.5, "by": "text"}, the text half of the nodes)')
    assert said({"value": 0.5, "by": "nodes"}) == [problem]
    assert said({"value": 0.5, "by": "text"}) == []
    (alone,) = said({"value": 0.5, "by": "text"}, fused | {"nodes": "image"})
    assert alone == (
        "$.task.blend.by: the blend asks of the text of the items, and the nodes are made of image alone (take "
        '"nodes": "fused" or "text" in `graph`)'
    )


@pytest.mark.parametrize(
    ("blend", "said"),
    [
        (-1, "$.task.blend: input should be greater than or equal to 0, not -1"),
        ({"value": -1}, "$.task.blend.value: input should be greater than or equal to 0, not -1"),
        ({"value": 0.1, "by": "txt"}, "$.task.blend.by: input should be 'nodes' or 'text', not \"txt\""),
        ({"valu": 1}, "$.task.blend.valu: unknown key `valu` (did you mean `value`?)"),
    ],
)
def test_a_mistaken_blend_is_told_in_its_own_form(blend: Any, said: str) -> None:
    """A number's of a number, an object's at its key."""
    task = {"type": "classification", "head": {"type": "linear"}, "blend": blend}
    assert said in problems({"type": "open_clip"}, task=task)[-1]


def test_a_search_across_spaces_is_refused_once(folders) -> None:
    """Values that make the same contradiction in one line; none for what the spec says without the search."""
    encoder = both(of(folders["dinov2"]), of(folders["bert"]))
    task = {"type": "classification", "head": {"type": "linear"}}
    heads = [{"type": "cosine"}, {"type": "linear"}, {"type": "linear", "init": "prompts"}]
    search = {"task.blend": [0, 0.1, 0.3, 1], "task.head": heads}
    blend, head = problems(encoder, task=task, search=search)
    assert blend.startswith(f'$.search["task.blend"][1]: with task.blend = 0.1, 0.3 or 1: $.task.blend: {APART}')
    assert head.startswith('$.search["task.head"][0]: with task.head = {"type": "cosine"} or {"type": "linear", "init"')
    graph = {"type": "similarity", "threshold": 0.8, "nodes": "fused", "fusion": "mean"}
    found = problems(encoder, task=task, graph=graph, search={"graph.threshold": [0.5, 0.6, 0.7]})
    assert found == [f'$.graph: {APART}: they have no mean (set "fusion": "concat")']


def test_mean_of_two_spaces_is_refused(folders) -> None:
    """Whatever the head."""
    graph = {"type": "similarity", "threshold": 0.8, "nodes": "fused", "fusion": "mean"}
    linear = {"type": "classification", "head": {"type": "linear"}}
    encoder = both(of(folders["dinov2"]), of(folders["bert"]))
    assert problems(encoder, graph=graph, task=linear) == [
        f'$.graph: {APART}: they have no mean (set "fusion": "concat")'
    ]
    assert problems(encoder, graph={**graph, "fusion": "concat"}, task=linear) == []


def test_unprojected_towers_of_a_clip_are_apart(folders) -> None:
    """Its space is that of the projection."""
    (problem,) = problems(of(folders["clip"], pooling="pooler"))
    assert problem.startswith(f"$.task.head: {APART}")


def test_a_tower_that_is_not_there_is_missed_at_validation(folders) -> None:
    """Prompts for a vision model, images for a text model: said before anything runs."""
    (problem,) = problems(of(folders["dinov2"]))
    assert problem.startswith(
        "$.encoder: the encoder has no text tower, and head `cosine` compares with class prompts (take"
    )
    (problem,) = problems(of(folders["bert"]), task={"type": "classification", "head": {"type": "linear"}})
    assert problem.startswith("$.encoder: the encoder has no image tower, and the nodes are made of image")
    assert problems(of(folders["dinov2"]), task={"type": "classification", "head": {"type": "linear"}}) == []


def test_parts_that_cannot_are_refused(folders) -> None:
    """Each mistake in words, at the encoder."""
    bert, dino = of(folders["bert"]), of(folders["dinov2"])
    cases = {
        "$.encoder: `image`: transformers": both(bert, bert),
        "$.encoder: `text`: transformers": both(dino, dino),
        "$.encoder: `text.templates` is not used": both(dino, {**bert, "templates": ["{}"]}),
        "$.encoder: set `batch_size` inside": both(dino, bert, batch_size=8),
        "$.encoder: vectors of widths 128 and 32": both({"type": "open_clip"}, bert, joint_space=True),
        "$.encoder.text.type: unknown encoder type `transformer` (did you mean `transformers`?)": both(
            dino, {**bert, "type": "transformer"}
        ),
        "$.encoder.image.poling: unknown key `poling` (did you mean `pooling`?)": both({**dino, "poling": "cls"}, bert),
    }
    for said, encoder in cases.items():
        (problem,) = problems(encoder, task={"type": "classification", "head": {"type": "linear"}})
        assert problem.startswith(said)


def test_what_is_missing_of_either_part_is_told(tmp_path: Path, folders) -> None:
    """For ``plan``."""
    spec = DualSpec(**both(of(str(tmp_path / "a")), of(str(tmp_path / "b"))))
    assert spec.missing_files() == f"{tmp_path}/a does not exist; {tmp_path}/b does not exist"
    assert DualSpec(**both(of(folders["dinov2"]), of(folders["bert"]))).missing_files() is None


# -- a whole run -------------------------------------------------------------------------------------------------------


def test_run_and_prediction_with_two_libraries(tmp_path: Path, folders) -> None:
    """Images by open_clip, descriptions and prompts by a text model: concatenated nodes, a linear head; then text
    nodes against prompts. The result names both towers, and the saved run predicts by itself."""
    encoder = both({"type": "open_clip"}, of(folders["bert"]), templates=["a picture of {}"])
    fused = pipeline(encoder=encoder, captioner={"type": "brightness"}, graph__nodes="fused", graph__fusion="concat")
    run = fused.run(tmp_path / "fused")
    towers = run.result["encoder"]
    assert towers["image"]["identity"]["component"] == "encoder.open_clip"
    assert towers["text"]["identity"]["component"] == "encoder.transformers"
    assert run.result["parameters"]["frozen"] == DualSpec(**encoder).frozen_parameters()
    picture = Image.new("L", (8, 8), 90)
    assert len(run.load().predict([picture])) == 1

    head = {"type": "classification", "head": {"type": "cosine"}}
    texts = {"captioner": {"type": "brightness"}, "graph__nodes": "text", "task": head}
    run = pipeline(encoder=encoder, adapter={"type": "none"}, **texts).run(tmp_path / "text")
    assert run.result["prompts"] == ["a picture of {}"]
    assert set(run.result["encoder"]) == {"text"}
    assert len(run.load().predict([picture])) == 1
    config = json.loads((run.folder / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == folders["bert"]


def test_prediction_with_other_weights_is_refused(tmp_path: Path) -> None:
    """Of the tower that the nodes come from."""
    folder = save_tiny_encoder("bert", tmp_path / "bert")
    encoder = both({"type": "open_clip"}, of(str(folder)))
    run = pipeline(encoder=encoder, captioner={"type": "brightness"}, graph__nodes="text").run(tmp_path / "run")
    save_tiny_encoder("bert", folder, seed=5)
    with pytest.raises(RunFolderError, match="its weights have changed"):
        run.load()


def test_plan_names_each_tower(folders) -> None:
    """By its type, without loading it."""
    encoder = both({"type": "open_clip"}, of(folders["bert"]))
    spec = pipeline(encoder=encoder, captioner={"type": "brightness"}, graph__nodes="fused", graph__fusion="concat")
    details = {stage.stage: stage.detail for stage in spec.plan().stages}
    assert (details["encode image"], details["encode text"]) == ("open_clip", "transformers")
    assert isinstance(spec, Pipeline)
    assert catalogue().find("encoder", "dual").spec is DualSpec
