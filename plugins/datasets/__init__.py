"""Data sets.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .folders.specs import AudioFolderSpec, ImageFolderSpec, VideoFolderSpec
from .json_lines.specs import JsonLinesSpec
from .multimodal.specs import AveSpec, AvsbenchSpec, MsrvttSpec, MsvdSpec, MusicAvqaSpec, Nlvr2SetSpec, Vqav2Spec
from .published.specs import Flowers102Spec, Food101Spec, OxfordPetsSpec
from .records.specs import HuggingFaceSpec, VectorsSpec, WebDatasetSpec
from .registries.specs import EmojiSpec, Mnist5kSpec, TuxpaintStampsSpec
from .specs import DigitsSpec, PocketWorldSpec

COMPONENTS = components(
    "dataset",
    __name__,
    (DigitsSpec, "digits:Digits", "1,797 real handwritten digits (8x8)"),
    (
        ImageFolderSpec,
        "folders.image_folder:ImageFolder",
        "your own pictures: class folders, metadata.jsonl or a CoOp split file",
    ),
    (AudioFolderSpec, "folders.audio_folder:AudioFolder", "your own sounds: class folders"),
    (VideoFolderSpec, "folders.video_folder:VideoFolder", "your own clips: class folders"),
    (EmojiSpec, "registries.emoji:Emoji", "emoji as three vendors draw them, with words; 29 classes"),
    (
        TuxpaintStampsSpec,
        "registries.tuxpaint_stamps:TuxpaintStamps",
        "Tux Paint's stamps: pictures with descriptions and sounds",
    ),
    (Mnist5kSpec, "registries.mnist5k:Mnist5k", "5,000 handwritten digits of MNIST (28x28)"),
    (OxfordPetsSpec, "published.oxford_pets:OxfordPets", "Oxford-IIIT Pets, official or CoOp's split"),
    (Flowers102Spec, "published.flowers102:Flowers102", "Oxford Flowers 102, official or CoOp's split"),
    (Food101Spec, "published.food101:Food101", "Food-101, official or CoOp's split"),
    (Nlvr2SetSpec, "multimodal.nlvr2:Nlvr2Set", "NLVR2: sentences about two photographs"),
    (Vqav2Spec, "multimodal.vqav2:Vqav2", "VQA v2: questions about pictures, ten answers each"),
    (AveSpec, "multimodal.ave:Ave", "AVE: events that are seen and heard, second by second"),
    (AvsbenchSpec, "multimodal.avsbench:Avsbench", "AVSBench-object: masks of what sounds, one source or several"),
    (MusicAvqaSpec, "multimodal.music_avqa:MusicAvqa", "MUSIC-AVQA: questions about clips of music"),
    (MsrvttSpec, "multimodal.msrvtt:Msrvtt", "MSR-VTT: clips with captions or questions, by protocol"),
    (MsvdSpec, "multimodal.msvd:Msvd", "MSVD: clips with captions or questions"),
    (HuggingFaceSpec, "records.huggingface:HuggingFace", "the datasets library: Hub, disk, parquet"),
    (VectorsSpec, "records.vectors:Vectors", "vectors that are ready, with labels: npy, npz, parquet"),
    (WebDatasetSpec, "records.webdataset:WebDataset", "WebDataset shards, pictures read in place"),
    (PocketWorldSpec, "pocket_world:PocketWorld", "shapes that sound: four cross-modal tasks"),
    (JsonLinesSpec, "json_lines.dataset:JsonLines", "items of any task, a JSON object a line"),
)
