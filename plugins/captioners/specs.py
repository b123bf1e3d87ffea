"""The specs of the captioners, readable without loading a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ...core.roles import CaptionerSpec
from ...core.storage.files import remembered_sha256
from ...registry.spec import ActsWith, LocalPath
from ..checkpoints.locate import is_path, named
from ..checkpoints.versions import library_versions
from . import model_files


class TransformersCaptionerSpec(CaptionerSpec):
    """Any image-text-to-text model of transformers (LLaVA, Qwen-VL, SmolVLM, BLIP-2 ...), frozen."""

    type: Literal["transformers"] = "transformers"
    model: str = "pocket"
    """`pocket` (ships with Graftwork), a folder, or `OWNER/NAME` on the Hugging Face hub."""
    revision: str | None = None
    """Of a hub model: branch, tag or commit. A commit is the only one that never moves."""
    prompt: str = "Describe the image."
    """What the model is asked. Without a chat template it is the beginning of what the model continues."""
    system: str | None = None
    """The system message, for models with a chat template that knows one."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    """A description ends here at the latest."""
    num_beams: Annotated[int, Field(ge=1)] = 1
    """Beams of the beam search; 1 is greedy."""
    do_sample: bool = False
    """Draw the tokens instead of taking the likeliest. A picture is still described once, and stored."""
    temperature: Annotated[float, Field(ge=0.001)] | None = None
    """With `do_sample`: divides the logits, so that one near 0 takes them beyond all numbers. Default 1."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """With `do_sample`: draw from the likeliest tokens that hold this share. Default 1: from all."""
    seed: Annotated[int, Field(ge=0, lt=2**31), ActsWith(do_sample=True)] = 0
    """With `do_sample`: the seed of the draws, together with the pictures of a batch."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Pictures a generation; halved when memory runs out. Not part of the cache key."""
    dtype: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """Arithmetic of the model; `auto` is that of its weights."""
    device_map: Literal["auto", "balanced", "sequential"] | None = None
    """Spread the model over several devices (needs the package accelerate). Default: all on the pipeline's device."""
    local_files_only: bool = False
    """Never ask the hub, even where there is a network."""

    @field_validator("model")
    @classmethod
    def _folder_or_hub_id(cls, model: str) -> str:
        place = named(model)
        if not is_path(place) and "/" not in place:  # no such model of the hub lacks an owner: a slip of the pen
            raise ValueError(f"`{model}` is neither `pocket`, nor a folder here, nor a hub id `OWNER/NAME`")
        return place

    @model_validator(mode="after")
    def _fields_that_have_no_effect(self) -> Self:
        drawn = [name for name in ("temperature", "top_p") if getattr(self, name) is not None]
        if drawn and not self.do_sample:
            raise ValueError(f'{" and ".join(drawn)} only matter with "do_sample": true')
        if self.revision is not None and is_path(self.model):
            raise ValueError(f"`revision` is for hub models; {self.model} is on this machine as it is")
        return self

    def identity(self) -> Mapping[str, Any]:
        """The model (its files by content, or hub id and revision), prompts, generation, dtype, library versions."""
        own = {"type", "model", "revision", "batch_size", "device_map", "local_files_only"}
        drawing = {"temperature", "top_p", "seed"} if not self.do_sample else set()
        return {
            **self.model_dump(mode="json", exclude=own | drawing),
            "model": model_files.identity(self.model, self.revision),
            "libraries": library_versions("transformers", "tokenizers", "torchvision", "pillow"),
        }

    def pictures_at_once(self) -> int:
        """``batch_size``."""
        return self.batch_size

    def missing_files(self) -> str | None:
        """Looks in the folder, or in the hub's cache on this machine."""
        return model_files.missing(self.model, self.revision)


class CaptionsFileSpec(CaptionerSpec):
    """Descriptions that you bring: one an item, in JSON lines or CSV."""

    type: Literal["captions_file"] = "captions_file"
    file: LocalPath
    """`*.jsonl` (an object a line) or `*.csv` (a header, then a line an item): the key and a `text`."""
    key: Literal["id", "file_name", "sha256"] | None = None
    """The column that says which item is meant: its `id`, its `file_name` (path, or name where it is the only one), or
    the `sha256` of the picture. Default: the one of these that the file has."""

    written: ClassVar[bool] = True

    def identity(self) -> Mapping[str, Any]:
        """The file by content, and the key."""
        file = Path(self.file)
        return {"key": self.key, "file": remembered_sha256(file) if file.is_file() else None}

    def missing_files(self) -> str | None:
        """Whether the file is there."""
        return None if Path(self.file).is_file() else f"captioner.file: {self.file} does not exist"
