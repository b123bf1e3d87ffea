"""The pocket CLIP and the pocket LLaVA: small models trained from scratch on our own rendered pictures, and how."""

from __future__ import annotations

from pathlib import Path

#: What open_clip's ``local-dir:`` schema opens: configuration, weights, and beside them the vocabulary and the card.
CLIP_FOLDER = Path(__file__).resolve().parent / "clip"

#: What transformers' Auto classes open: a real ``LlavaForConditionalGeneration`` with its processor, and its card.
LLAVA_FOLDER = Path(__file__).resolve().parent / "llava"

#: Name to what encoder `transformers` opens as `pocket:NAME`.
TRANSFORMERS_FOLDERS = {name: Path(__file__).resolve().parent / name for name in ("ast", "scene_clip", "vilt")}
