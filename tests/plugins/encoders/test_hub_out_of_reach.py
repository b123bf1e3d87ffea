"""Where the hub cannot be reached nobody waits for it."""

from __future__ import annotations

import logging

import pytest
import torch
from huggingface_hub import constants

from graftwork.core.roles.encoder import EncoderError
from graftwork.plugins.checkpoints.fetch import asking_once
from graftwork.plugins.encoders.open_clip.encoder import OpenClip
from graftwork.plugins.encoders.open_clip.spec import OpenClipSpec


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that refuses at once."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_it_is_asked_once_and_then_taken_for_offline(no_hub: None) -> None:
    """For as long as the block lasts."""
    with asking_once():
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_open_clip_says_at_once_what_is_missing(no_hub: None, caplog: pytest.LogCaptureFixture) -> None:
    """With the command that gets it, and no try after the first."""
    spec = OpenClipSpec(type="open_clip", model="RN50", pretrained="yfcc15m")
    with caplog.at_level(logging.WARNING), pytest.raises(EncoderError, match=r"not on this machine; .*`hf download"):
        OpenClip(spec, torch.device("cpu"))
    assert "Retrying" not in caplog.text
