"""The ``transformers`` captioner: any image-text-to-text model, from a folder or the hub, through its Auto classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image

from ...core.roles import Captioner, CaptionerError
from ...registry.errors import memory_ran_out
from ..checkpoints.locate import commit_of, is_path
from .generation import new_tokens, settings
from .load_model import complete_folder, load
from .specs import TransformersCaptionerSpec


class TransformersCaptioner(Captioner):
    """Asks the model the spec's prompt about each picture. Raises ``CaptionerError`` where it cannot be loaded."""

    def __init__(self, spec: TransformersCaptionerSpec, device: torch.device) -> None:
        self._spec = spec
        folder = complete_folder(spec)
        self._commit = None if is_path(spec.model) else commit_of(folder)
        self._model, self._processor = load(spec, folder, device)
        for module in self._model.modules():  # BLIP-2 generates with that of its language model, others with their own
            if getattr(module, "generation_config", None) is not None:
                module.generation_config = settings(spec, module.generation_config)
        self._templated = getattr(self._processor, "chat_template", None) is not None
        if spec.system is not None and not self._templated:
            raise CaptionerError(
                f"captioner.system: {spec.model} has no chat template, so no system message; put it in `prompt`"
            )
        if self._templated:
            self._require_words()
        self._at_once = spec.batch_size
        self._notes: list[str] = []

    def weights(self) -> str | None:
        """The commit of a hub model; ``None`` for local files, which the spec's identity knows by content."""
        return self._commit

    def notes(self) -> list[str]:
        """Whether the batch was halved."""
        notes, self._notes = self._notes, []
        return notes

    def describe(self, images: Sequence[Image]) -> list[str]:
        """What the model says of each picture, stripped. Raises ``CaptionerError`` if even one alone is too much."""
        texts: list[str] = []
        while len(texts) < len(images):
            batch = images[len(texts) : len(texts) + self._at_once]
            try:
                texts += self._generate([one if one.mode == "RGB" else one.convert("RGB") for one in batch])
            except (RuntimeError, MemoryError) as error:
                if not memory_ran_out(error):
                    raise
                self._halve(len(batch))
        return texts

    def _require_words(self) -> None:
        """What stands for a picture is put in by the template, once: in the spec's words it is one too many."""
        tokens = [getattr(self._processor, f"{kind}_token", None) for kind in ("image", "video", "audio")]
        for key, words in (("prompt", self._spec.prompt), ("system", self._spec.system or "")):
            for token in tokens:
                if isinstance(token, str) and token in words:
                    raise CaptionerError(
                        f"captioner.{key}: `{token}` is where {self._spec.model} puts a picture, which is done for "
                        "you; leave it out"
                    )

    def _halve(self, failed: int) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if failed == 1:
            raise CaptionerError(
                "captioner: memory runs out with a single picture; take a smaller model, `dtype` bf16, or `device_map`"
            )
        self._at_once = failed // 2
        self._notes.append(f"memory ran out with {failed} pictures at once; going on with {self._at_once}")

    @torch.inference_mode()
    def _generate(self, pictures: list[Image]) -> list[str]:
        inputs = self._inputs(pictures)
        with torch.random.fork_rng(enabled=self._spec.do_sample):
            if self._spec.do_sample:
                torch.manual_seed(_seed(self._spec.seed, pictures))
            output = self._model.generate(**inputs)
        tokens = new_tokens(inputs["input_ids"], output)
        return [text.strip() for text in self._processor.batch_decode(tokens, skip_special_tokens=True)]

    def _inputs(self, pictures: list[Image]) -> dict[str, Any]:
        padded = {"padding": True, "return_tensors": "pt"}
        if self._templated:
            conversations = [self._conversation(picture) for picture in pictures]
            inputs = self._processor.apply_chat_template(
                conversations, add_generation_prompt=True, tokenize=True, return_dict=True, processor_kwargs=padded
            )
        else:
            inputs = self._processor(images=pictures, text=[self._spec.prompt] * len(pictures), **padded)
        return {name: self._placed(value) for name, value in inputs.items()}

    def _conversation(self, picture: Image) -> list[dict[str, Any]]:
        """The pixels and the spec's own words: nothing else is ever said to the model."""
        asked = [{"type": "image", "image": picture}, {"type": "text", "text": self._spec.prompt}]
        system = [{"role": "system", "content": [{"type": "text", "text": self._spec.system}]}]
        return [*(system if self._spec.system is not None else []), {"role": "user", "content": asked}]

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(self._model.device, self._model.dtype if value.is_floating_point() else None)


def _seed(seed: int, pictures: Sequence[Image]) -> int:
    """The same draws for the same pictures, wherever in a run their batch comes."""
    digest = hashlib.sha256(str(seed).encode())
    for picture in pictures:
        digest.update(picture.tobytes())
    return int.from_bytes(digest.digest()[:7])
