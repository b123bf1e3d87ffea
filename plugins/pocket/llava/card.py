"""The model card that is shipped with the pocket LLaVA."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from .measure import LlavaMeasurements
from .recipe import LlavaRecipe

FILE_NAME = "README.md"
_ASKED = {
    "what": "what it is (digit, letter or shape: 48)",
    "kind": "digit, letter or shape (3)",
    "count": "how many, one to five (5)",
    "colour": "its colour (12)",
    "style": "handwritten or printed (2)",
    "case": "uppercase or lowercase, where it can be told (2)",
    "size": "its size (3)",
    "place": "its place, of one thing alone (9)",
    "relation": "left of or above, of two things (2)",
    "texture": "the ground's texture (7)",
    "ground": "the ground's colour (12)",
    "second": "the ground's other colour (12)",
}


@dataclass(frozen=True)
class LlavaEffort:
    """What a training took."""

    wall_seconds: float
    cpu_seconds: float


def write_llava_card(folder: Path, recipe: LlavaRecipe, measured: LlavaMeasurements, effort: LlavaEffort) -> None:
    """Write the card of the model in ``folder``."""
    sections = (_front(), _use(), _measured(measured), _knows(), _training(folder, recipe, effort), _licence())
    (folder / FILE_NAME).write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _front() -> str:
    return """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---

# Pocket LLaVA

A real `LlavaForConditionalGeneration` in a tiny configuration (a LeViT that leaves four tokens a picture, LLaVA's
projector, a Llama of two layers, a vocabulary of its own), trained from scratch on pictures that Graftwork's own
script renders. It describes digits, letters and shapes in one sentence: what, how many, colour, size, style, place and
ground. It exists so that pipelines that caption with a multi-modal model run on a laptop, offline. It is not a general
image model."""


def _use() -> str:
    return """## Use

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

processor = AutoProcessor.from_pretrained("plugins/pocket/llava/weights")
model = AutoModelForImageTextToText.from_pretrained("plugins/pocket/llava/weights").eval()
question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Describe the picture."}]}]
text = processor.apply_chat_template(question, add_generation_prompt=True)
inputs = processor(images=[picture], text=[text], return_tensors="pt")
answer = model.generate(**inputs, do_sample=False)[:, inputs["input_ids"].shape[1]:]
print(processor.batch_decode(answer, skip_special_tokens=True)[0])
# a large white handwritten digit 3 in the center on a plain black background.
```

The wording of the prompt does not matter: it was trained on several, and on random ones. No remote code."""


def _measured(measured: LlavaMeasurements) -> str:
    characters = _rows(measured.characters)
    facts = _rows({asked: measured.facts[name] for name, asked in _ASKED.items() if name in measured.facts})
    digits = measured.digits
    return f"""## Measured

By `measure.py`, through the Auto classes, greedily. Real handwriting, scikit-learn's `load_digits` (1,797
pictures of 8 x 8 grey values), **none of them in the training**; splits as in `digits_check.py`. Val chose between
recipes, test decided nothing ("all" holds val and train too; none of the three was trained on).

| | val | test | all |
|---|---|---|---|
| the description names the right digit | {digits["val"]:.3f} | {digits["test"]:.3f} | {digits["all"]:.3f} |

Fresh rendered scenes (seeds not used in training): what is named right, number of classes in brackets.

| | share |
|---|---|
{characters}

Of what is true of 2,000 rendered scenes in the training's mix, the share that is stated (a description that states
nothing, or of another number of groups, counts as wrong):

| | share |
|---|---|
{facts}
| the whole sentence, word by word | {measured.whole:.3f} |

It described {measured.pictures_a_second:.0f} pictures a second, preprocessing and all, in batches of 64, while the
machine's two cores did other work too."""


def _rows(shares: dict[str, float]) -> str:
    return "\n".join(f"| {name} | {share:.3f} |" for name, share in shares.items())


def _knows() -> str:
    return """## What it knows, and what it does not

What the tables say, and no more: digits that fill the picture it tells well; which letter or shape a small thing is, it
mostly guesses, and says so with the same assurance. It has never seen a photograph, a face, an animal or any word
beyond its grammar (`describe.py`): of such pictures it says that they are digits, letters or shapes. It answers every
question with a description. Upper and lower case of c, o, s, u, v, w, x and z are never told apart; a place near the
border of two ninths is left out. Its training data is the pocket CLIP's: see `../../clip/weights/README.md` for the
pictures, and for the fonts and their licences. The pocket CLIP itself was a teacher."""


def _training(folder: Path, recipe: LlavaRecipe, effort: LlavaEffort) -> str:
    settings = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in asdict(recipe).items())
    with safe_open(folder / "model.safetensors", "pt") as weights:
        tensors = [weights.get_tensor(name) for name in weights.keys()]  # noqa: SIM118  # safetensors' own method
    parameters = sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())
    import transformers

    return f"""## Recipe

`make pocket-llava`, or `python -m graftwork.plugins.pocket.llava.train`. Two stages a round, as LLaVA's own two:
the vision tower learns facts (linear heads, in training only) and the pocket CLIP's image embeddings; then projector
and language model learn the descriptions' next tokens from the frozen tower. AdamW, cosine schedules, averaged weights.

| | |
|---|---|
{settings}
| parameters | {parameters:,} |
| weights file | {(folder / "model.safetensors").stat().st_size:,} bytes (float16, loaded as float32) |
| wall time | {effort.wall_seconds / 60:.1f} min on two cores shared with much other work |
| CPU time | {effort.cpu_seconds / 60:.1f} min |
| torch, transformers | {torch.__version__}, {transformers.__version__} |"""


def _licence() -> str:
    return """## Licence

Weights, vocabulary and card: Apache-2.0, as Graftwork. No font is shipped; only rendered pixels entered training."""
