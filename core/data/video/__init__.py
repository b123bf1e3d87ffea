"""Clips: frames and sound by time, with seeking; never a whole clip in memory. By PyAV, the extra ``video``."""

from __future__ import annotations

from .backend import SUFFIXES, require_video
from .clip import Clip, file_clip
from .facts import ClipFacts, clip_facts
from .frames import VideoFrames, evenly
from .media import MOST_FRAMES, Absent, Beyond, clip_media, frame_media, sound_media

__all__ = [
    "MOST_FRAMES",
    "SUFFIXES",
    "Absent",
    "Beyond",
    "Clip",
    "ClipFacts",
    "VideoFrames",
    "clip_facts",
    "clip_media",
    "evenly",
    "file_clip",
    "frame_media",
    "require_video",
    "sound_media",
]
