"""The model cards that are shipped with the pocket towers."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from .measure import Figures
from .recipes import TowerRecipe

FILE_NAME = "README.md"


@dataclass(frozen=True)
class Effort:
    """What a training took."""

    wall_seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class _Words:
    """What a card says of its own tower."""

    title: str
    tag: str
    what: str
    use: str
    measured: str
    learned: str
    knows: str


_SCENES = """
Scenes of the pocket world (`world/scene.py`): one to five objects in the cells of a 3x3 grid, each with a shape,
a colour, a texture, a size, a place; painted by `world/picture.py`, in the words of `world/captions.py`."""
_PROBES = """
Attributes are read from one of the four patch tokens of an object's cell by a logistic regression, fitted on the
objects of 600 scenes and asked of those of 400 others; in brackets the number of values."""
_NEVER = """
It never saw a question, an answer, a statement about two pictures, or a sound with a picture: nothing of any task that
Graftwork's examples set. Its scenes come from seeds of their own."""

_CARDS = {
    "ast": _Words(
        title="Pocket AST",
        tag="feature-extraction",
        what="""
A real `ASTModel` in a tiny configuration: 0.64 seconds at 16 kHz, 64 frames of 32 mel bins, 32 patch tokens.""",
        use="""from transformers import AutoFeatureExtractor, AutoModel

extractor = AutoFeatureExtractor.from_pretrained("plugins/pocket/towers/weights/ast")
model = AutoModel.from_pretrained("plugins/pocket/towers/weights/ast").eval()
states = model(**extractor(wave, sampling_rate=16_000, return_tensors="pt")).last_hidden_state""",
        measured="""
Fresh sounds: logistic regressions fitted on 2,000 and asked of 1,000; in brackets the number of values.""",
        learned="""
Single sounds (`sounds.py`), nothing else: linear heads on every token and on the pooled vector tell tone, timbre and
rhythm. The heads are dropped.""",
        knows="""
Which of two tones, five timbres and four rhythms a sound has. No speech, no music, no noise of the street. It never
saw a picture.""",
    ),
    "scene_clip": _Words(
        title="Pocket scene CLIP",
        tag="zero-shot-image-classification",
        what="""
A real `CLIPModel` in a tiny configuration, both towers transformers: pictures of 48 x 48 in 36 patches, and captions of
up to 64 tokens, with a vocabulary of whole words.""",
        use="""from transformers import AutoModel, AutoProcessor

processor = AutoProcessor.from_pretrained("plugins/pocket/towers/weights/scene_clip")
model = AutoModel.from_pretrained("plugins/pocket/towers/weights/scene_clip").eval()
inputs = processor(images=[picture], text=["a red circle", "a blue star"], padding=True, return_tensors="pt")
similarity = model(**inputs).logits_per_image""",
        measured=f"""
Fresh scenes. Retrieval: the first place among 200, with captions that speak of every object. {_PROBES}""",
        learned=f"""
{_SCENES} First the image tower alone: linear heads on patches tell shape, colour, texture and size of what lies under
them. Then both towers: CLIP's loss on scenes and captions, where each scene has a neighbour that differs in one
attribute; the heads on patches; and heads on words, which tell what their phrase has said so far. Captions describe, or
(one batch in seven) count. The heads are dropped.""",
        knows=f"""
What the table says, of its own small world; any picture that is not of it is foreign to it. {_NEVER}""",
    ),
    "vilt": _Words(
        title="Pocket ViLT",
        tag="feature-extraction",
        what="""
A real `ViltModel` in a tiny configuration: one transformer over up to 64 tokens of text, a class token and 36 patches
of a picture of 48 x 48; a vocabulary of whole words.""",
        use="""from transformers import AutoModel, AutoProcessor

processor = AutoProcessor.from_pretrained("plugins/pocket/towers/weights/vilt")
model = AutoModel.from_pretrained("plugins/pocket/towers/weights/vilt").eval()
out = model(
    **processor(images=[picture], text=["there is a red circle"], return_tensors="pt")
)""",
        measured=f"""
Fresh scenes. A true caption is told from one of the scene with an attribute changed by a logistic regression on the
pooled vector. {_PROBES} The text beside them is "this picture".""",
        learned=f"""
{_SCENES} First without words: linear heads on patches tell shape, colour, texture and size of what lies under them.
Then with captions of one to three of the objects, or (one batch in seven) counting all. Each of the last blocks has its
lesson. Behind the second one patches tell what lies under them, and words in which row and column their object lies.
Behind the third one words tell what is true in the picture of the object that their phrase speaks of, whether what the
word says of it is true, and of how many objects of the picture it is. Behind the last one the pooled vector tells
whether the caption is the picture's own, a neighbour's that differs in one attribute, or a stranger's; words tell the
hidden ones, and patches once more what lies under them. The heads are dropped.""",
        knows=f"""
What the table says, of its own small world. transformers' `ViltModel` hands on the patches of a picture in a random
order, a new one at each call: states of the text and the pooled vector differ in their last bits alone, but the n-th
patch token is not the n-th patch. `vilt_tower.embed_patches` keeps the order. {_NEVER}""",
    ),
}


def write_tower_card(folder: Path, name: str, recipe: TowerRecipe, figures: Figures, effort: Effort) -> None:
    """Write the card of the tower called ``name`` in ``folder``, whose files are all there."""
    words = _CARDS[name]
    sections = (_front(words), _measured(words, figures), _learned(words, name, folder, recipe, effort), _files(folder))
    (folder / FILE_NAME).write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def file_hashes(folder: Path) -> dict[str, str]:
    """Name to sha256 (hex) of every file but the card."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != FILE_NAME
    }


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 115, break_long_words=False, break_on_hyphens=False)


def _front(words: _Words) -> str:
    made = (
        "Trained from scratch on what Graftwork's own script makes, so that pipelines, tests and examples run offline."
    )
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: {words.tag}
---

# {words.title}

{_paragraph(f"{words.what} {made} It is not a general model.")}

## Use

```python
{words.use}
```

No remote code. The weights are stored as float16 (norms and biases as float32) and loaded as float32."""


def _measured(words: _Words, figures: Figures) -> str:
    rows = "\n".join(f"| {what} | {figure:.3f} |" for what, figure in figures.items())
    how = "By `towers/measure.py`, on the stored weights, through the Auto classes."
    return f"""## Measured

{_paragraph(f"{how} {words.measured}")}

| | share |
|---|---|
{rows}"""


def _learned(words: _Words, name: str, folder: Path, recipe: TowerRecipe, effort: Effort) -> str:
    import transformers

    settings = "\n".join(f"| {key.replace('_', ' ')} | {value} |" for key, value in _settings(recipe).items())
    command = f"`make pocket-towers`, or `python -m graftwork.plugins.pocket.towers.train {name}`."
    how = "AdamW, warm-up and cosine, averaged weights, one thread."
    return f"""## Recipe

{_paragraph(f"{command} {words.learned} {how}")}

| | |
|---|---|
{settings}
| parameters | {_parameters(folder):,} |
| wall time | {effort.wall_seconds / 60:.1f} min on a machine of two cores shared with other work |
| CPU time | {effort.cpu_seconds / 60:.1f} min |
| torch, transformers | {torch.__version__}, {transformers.__version__} |

## What it knows

{_paragraph(words.knows)}"""


def _settings(recipe: TowerRecipe) -> Mapping[str, object]:
    return {name: json.dumps(value) for name, value in asdict(recipe).items()}


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as stored:
        return sum(stored.get_tensor(name).numel() for name in stored.keys())  # noqa: SIM118 (it is no mapping)


def _files(folder: Path) -> str:
    rows = "\n".join(
        f"| {name} | {(folder / name).stat().st_size:,} | `{digest}` |" for name, digest in file_hashes(folder).items()
    )
    return f"""## Files

| | bytes | sha256 |
|---|---|---|
{rows}

Licence of weights, vocabulary and card: Apache-2.0, as Graftwork."""
