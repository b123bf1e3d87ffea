"""The pocket models: small ones trained from scratch on pictures and sounds that our own scripts make, and how."""

from __future__ import annotations

from pathlib import Path

#: What open_clip's ``local-dir:`` schema opens: configuration, weights, and beside them the vocabulary and the card.
CLIP_FOLDER = Path(__file__).resolve().parent / "clip" / "weights"

#: What transformers' Auto classes open: a real ``LlavaForConditionalGeneration`` with its processor, and its card.
LLAVA_FOLDER = Path(__file__).resolve().parent / "llava" / "weights"

#: A real ``ASTModel`` with its feature extractor, of the pocket world's sounds.
AST_FOLDER = Path(__file__).resolve().parent / "towers" / "weights" / "ast"

#: A real ``CLIPModel``, both towers transformers, with its processor, of the pocket world's pictures and captions.
SCENE_CLIP_FOLDER = Path(__file__).resolve().parent / "towers" / "weights" / "scene_clip"

#: A real ``ViltModel`` with its processor, of the same pictures and captions.
VILT_FOLDER = Path(__file__).resolve().parent / "towers" / "weights" / "vilt"

#: Name to what encoder `transformers` opens as `pocket:NAME`.
TRANSFORMERS_FOLDERS = {"ast": AST_FOLDER, "scene_clip": SCENE_CLIP_FOLDER, "vilt": VILT_FOLDER}
