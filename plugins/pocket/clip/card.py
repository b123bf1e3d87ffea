"""The model card that is shipped with the pocket CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..scenes.fonts import FONT_PACKAGES
from .digits_check import PROMPTS
from .measure import Measurements
from .recipe import Recipe

FILE_NAME = "README.md"


@dataclass(frozen=True)
class Effort:
    """What a training took."""

    steps: int
    pictures: int
    wall_seconds: float
    cpu_seconds: float
    parameters: int
    weight_bytes: int
    torch: str
    open_clip: str


def write_card(folder: Path, recipe: Recipe, measured: Measurements, effort: Effort) -> None:
    """Write the card of the checkpoint in ``folder``."""
    sections = (_front(), _use(), _measured(measured), _knows(), _data(), _training(recipe, effort), _licences())
    (folder / FILE_NAME).write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _front() -> str:
    return """---
license: apache-2.0
library_name: open_clip
pipeline_tag: zero-shot-image-classification
---

# Pocket CLIP

A very small CLIP (image side 32, embeddings of 128), trained from scratch on pictures that Graftwork's own script
renders. It exists so that every pipeline, test and example runs on a laptop, offline, on real handwriting. It is
not a general image model."""


def _use() -> str:
    return """## Use

```python
import open_clip
from open_clip.tokenizer import SimpleTokenizer

model, _, preprocess = open_clip.create_model_and_transforms("local-dir:plugins/pocket/clip/weights")
vocabulary = "plugins/pocket/clip/weights/bpe_vocabulary.txt.gz"
tokenizer = SimpleTokenizer(bpe_path=vocabulary, context_length=model.context_length)
```

The vocabulary is our own: `open_clip.get_tokenizer` would take OpenAI's and give wrong tokens. Text is lower-cased, so
"A" and "a" are one token: say "uppercase letter a"."""


def _measured(measured: Measurements) -> str:
    prompts = "\n".join(f"| `{prompt}` | {accuracy:.3f} |" for prompt, accuracy in measured.prompts.items())
    rows = "\n".join(f"| {name} | {accuracy:.3f} |" for name, accuracy in measured.questions.items())
    zero, probe = measured.zero_shot, measured.probe
    return f"""## Measured

Real handwriting, scikit-learn's `load_digits` (1,797 pictures of 8 x 8 grey values), **none of them in the training**.
Split by class in the order of a hash (see `digits_check.py`): half train, a fifth val, the rest test. The recipe was
chosen on val and on rendered pictures: pictures of val were looked at when the handwritten skeletons were extended and
the pens' widths set. Test decided nothing ("all" holds val and train too; none of the three was trained on).

| | val | test | all |
|---|---|---|---|
| zero-shot, all {len(PROMPTS)} prompts | {zero["val"]:.3f} | {zero["test"]:.3f} | {zero["all"]:.3f} |
| linear probe, 16 shots a class, mean of 3 draws | {probe["val"]:.3f} | {probe["test"]:.3f} | |

One prompt alone, val:

| prompt | top-1 |
|---|---|
{prompts}

Fresh rendered scenes (seeds not used in training, 500 a row), zero-shot, number of classes in brackets:

| | top-1 |
|---|---|
{rows}"""


def _knows() -> str:
    return """## What it knows, and what it does not

Best it tells digits, then textures and letters that fill the picture; colours, shapes, sizes, places (a ninth of the
picture) and counts up to five as well as the table says. Relations of two things (left of, above) are in its captions
but were not measured.
It has never seen a photograph, a face, an animal or a sentence beyond its captions' grammar; of such pictures it says
nothing of worth. Upper and lower case of c, o, s, u, v, w, x and z are never told apart. Small letters at low
resolution are guesses."""


def _data() -> str:
    packages = ", ".join(f"`{package.name}` ({package.licence})" for package in FONT_PACKAGES)
    return f"""## Training data

Rendered anew for every batch, with captions and exact facts, by `compose.py`, `render.py`, `look.py` and `captions.py`:
characters as handwritten strokes (skeletons written by hand in `allographs.py`, shaken), as glyphs of free fonts, and
shapes; affine and elastic warps, pen widths, colours, grounds, resolutions from 8 to 32 pixels, blur, contrast, noise.
No downstream picture is among them, and no file was downloaded but the fonts.

Debian packages of the fonts, with their licences: {packages}."""


def _training(recipe: Recipe, effort: Effort) -> str:
    settings = "\n".join(f"| {name} | {value} |" for name, value in _settings(recipe).items())
    return f"""## Recipe

`make pocket`, or `python -m graftwork.plugins.pocket.clip.train`. Loss: CLIP's, symmetric, every caption that is
true of a picture being a positive, plus linear heads on the facts (in training only). AdamW, cosine schedule,
averaged weights.

| | |
|---|---|
{settings}
| pictures seen | {effort.pictures:,} |
| parameters | {effort.parameters:,} |
| weights file | {effort.weight_bytes:,} bytes |
| wall time | {effort.wall_seconds / 60:.1f} min on two cores shared with other work |
| CPU time | {effort.cpu_seconds / 60:.1f} min |
| torch, open_clip | {effort.torch}, {effort.open_clip} |"""


def _settings(recipe: Recipe) -> Mapping[str, object]:
    return {name.replace("_", " "): value for name, value in asdict(recipe).items()}


def _licences() -> str:
    return """## Licence

Weights, vocabulary and card: Apache-2.0, as Graftwork. No font is shipped; only rendered pixels entered training."""
