"""Adapters inside towers by their hub id: from the hub's cache, without a network, and put there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graftwork.core.graft import GraftedTowers, HubError, Tower, builder, load_adapter, push_to_hub, save_pretrained
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.adapters.hmmoe import HMMoESpec

from ...support.local_hub import COMMIT, cache_of, cached
from ...support.models.tower_models import model

TAGGED = "89abcdef0123456789abcdef0123456789abcdef"


def towers() -> GraftedTowers:
    return GraftedTowers([Tower.of("text", model("Bert", 2))])


def grafted_of(seed: int = 0) -> GraftedTowers:
    grafted = towers()
    torch.manual_seed(seed)
    grafted.add_adapter("mine", HMMoESpec.model_validate({"rank": 2, "experts": [{"type": "unimodal"}]}), builder())
    return grafted


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, no network even where there is one, and nobody logged in."""
    return cache_of(tmp_path / "hub", monkeypatch)


def saved(hub: Path, grafted: GraftedTowers) -> Path:
    return save_pretrained(grafted, hub.parent / f"saved-{id(grafted)}")


def same(one: GraftedTowers, name: str, other: GraftedTowers) -> bool:
    found, expected = one.adapters[name].state_dict(), other.adapters["mine"].state_dict()
    return found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


def test_an_adapter_is_loaded_by_its_hub_id(hub: Path) -> None:
    """The main branch, or the revision that is named; tensors are those that were saved."""
    main, tagged = grafted_of(1), grafted_of(2)
    cached(hub, "owner/adapter", saved(hub, main))
    cached(hub, "owner/adapter", saved(hub, tagged), "v1", TAGGED)
    fresh = towers()
    load_adapter(fresh, "owner/adapter")
    load_adapter(fresh, "owner/adapter", name="tagged", revision="v1")
    load_adapter(fresh, "owner/adapter", name="commit", revision=TAGGED)
    assert fresh.active == "commit"
    assert same(fresh, "mine", main)
    assert same(fresh, "tagged", tagged)
    assert same(fresh, "commit", tagged)
    assert not same(fresh, "tagged", main)


def test_an_altered_file_of_the_cache_is_refused(hub: Path) -> None:
    """The manifest is checked here as for any folder."""
    cached(hub, "owner/adapter", saved(hub, grafted_of()))
    config = hub / "models--owner--adapter" / "snapshots" / COMMIT / "adapter_config.json"
    config.resolve().write_text("{}")
    fresh = towers()
    with pytest.raises(RunFolderError, match="was altered"):
        load_adapter(fresh, "owner/adapter")
    assert not fresh.adapters


def test_what_is_not_here_says_how_to_fetch_it(hub: Path) -> None:
    """The exact command: three files, no pickle; the revision too."""
    command = "hf download owner/adapter adapter_config.json adapter_model.safetensors manifest.json --revision v1"
    with pytest.raises(HubError) as error:
        load_adapter(towers(), "owner/adapter", revision="v1")
    assert str(error.value) == (
        "`owner/adapter` is neither a folder here nor in the hub's cache, and the hub cannot be reached; where it can: "
        + command
    )


def test_a_folder_comes_before_the_hub(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path may look like a hub id; a folder has no revision; what is neither is said to be no folder."""
    monkeypatch.chdir(tmp_path)
    mine = grafted_of(3)
    save_pretrained(mine, "owner/adapter")
    assert same(load_adapter(towers(), "owner/adapter"), "mine", mine)
    with pytest.raises(HubError, match="owner/adapter is a folder and has no revision"):
        load_adapter(towers(), "owner/adapter", revision="v1")
    for path in ("nowhere", "./owner/nothing", Path("owner/nothing")):
        with pytest.raises(RunFolderError, match="is no folder"):
            load_adapter(towers(), path)


def test_pushing_needs_a_token_a_name_and_a_network(hub: Path) -> None:
    """Each is said in turn; nothing leaves this machine, and nothing stays behind."""
    with pytest.raises(HubError, match="`adapter` is no hub id; write OWNER/NAME"):
        push_to_hub(grafted_of(), "adapter")
    with pytest.raises(HubError, match="no token for the hub to write `owner/adapter`: run `hf auth login`"):
        push_to_hub(grafted_of(), "owner/adapter")
    with pytest.raises(HubError, match="the hub cannot be reached and nothing was uploaded"):
        push_to_hub(grafted_of(), "owner/adapter", token="hf_none", private=True)


def test_pushing_uploads_what_save_pretrained_writes(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client is asked for the repository and given the folder; what it was given loads again."""
    from huggingface_hub import CommitInfo, HfApi

    asked, fresh, mine = [], towers(), grafted_of(4)

    def create_repo(self: HfApi, repo_id: str, **more: object) -> None:
        asked.append((repo_id, more))

    def upload_folder(self: HfApi, *, repo_id: str, folder_path: Path, allow_patterns: list[str], revision: str | None):
        assert sorted(allow_patterns) == sorted(path.name for path in folder_path.iterdir())
        load_adapter(fresh, folder_path)
        return CommitInfo(f"https://huggingface.co/{repo_id}/commit/{COMMIT}", "", "", COMMIT)

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    address = push_to_hub(mine, "owner/adapter", token="hf_none", private=True)
    assert address == f"https://huggingface.co/owner/adapter/commit/{COMMIT}"
    assert asked == [("owner/adapter", {"private": True, "exist_ok": True})]
    assert same(fresh, "mine", mine)
