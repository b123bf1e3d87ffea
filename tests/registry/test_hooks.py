"""Hooks: each called where its specification says, each with its built-in user, no plugin able to harm another."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pluggy
import pytest

from graftwork import Pipeline
from graftwork.core.cli.plugins.hook_page import LABELS, hook_page, parts_of
from graftwork.core.events import Note
from graftwork.core.run.meter import Meter
from graftwork.registry import hookspecs, loading
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.discovery import default_catalogue, load_plugin
from graftwork.registry.errors import UserError
from graftwork.registry.hooks import HookError, Hooks
from graftwork.registry.hookspecs import API_VERSION, HOOKS, StageContext, hookimpl

from ..support.paths import ROOT
from ..support.plugin_folder import HEAD, plugin_folder
from ..support.small_pipeline import COMPONENTS, SMALL, Hearing, notes_heard

CONTEXT = StageContext("test", {}, "cpu")
#: sha256 of each API version's frozen plugin. Nobody edits these files: a change is a new version.
FROZEN = {1: "e39173fa0b0fc6d79bfbfb346c4aa7daebc720da724345089ca86609a50bacc1"}


def plugin(name: str, **functions: Any) -> Plugin:
    """A loaded plugin with those hooks."""
    return Plugin(name, f"acme-{name}", "1", module=SimpleNamespace(__name__=name, **functions))


def with_plugins(*plugins: Plugin) -> Catalogue:
    tests = Plugin("tests", "graftwork-tests", "1", components=COMPONENTS)
    return Catalogue([tests, *default_catalogue().plugins, *plugins])


def observer(said: list[str], word: str, **options: bool) -> Any:
    @hookimpl(**options)
    def graftwork_run_event(event):
        said.append(word)

    return graftwork_run_event


def wrapper(said: list[str], word: str, **options: bool) -> Any:
    @hookimpl(wrapper=True, **options)
    def graftwork_stage(stage):
        said.append(f">{word}")
        try:
            return (yield)
        finally:
            said.append(f"<{word}")

    return graftwork_stage


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_in_full(hook):
    """What it is for, when it is called, its built-in user, order, wrappers, what happens if it raises."""
    parts = parts_of(HOOKS[hook])
    assert set(parts) == {"", *LABELS}
    assert all(parts.values())
    assert f"def {hook}{inspect.signature(HOOKS[hook])}".replace("'", "") in hook_page()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_the_built_in_user_that_its_page_names(hook):
    """The object named there exists and is an implementation of that hook."""
    target = parts_of(HOOKS[hook])["Built in"].split()[0]
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert found.__name__ == hook
    assert isinstance(found.graftwork_impl, dict)


def test_every_specification_is_a_hook_and_nothing_else():
    """``HOOKS`` is what pluggy takes for the specifications."""
    manager = pluggy.PluginManager("graftwork")
    manager.add_hookspecs(hookspecs)
    assert set(HOOKS) == {name for name in vars(manager.hook) if not name.startswith("_")}


def test_the_page_is_the_one_in_the_documentation():
    """`make hooks` was run."""
    assert (ROOT / "docs" / "hooks.md").read_text("utf-8") == hook_page()


def test_observers_are_called_by_name_unless_they_ask_otherwise():
    """Plugins by name; ``tryfirst`` and ``trylast`` move one."""
    said: list[str] = []
    plugins = [
        plugin("a", graftwork_run_event=observer(said, "a", trylast=True)),
        plugin("b", graftwork_run_event=observer(said, "b")),
        plugin("c", graftwork_run_event=observer(said, "c")),
        plugin("d", graftwork_run_event=observer(said, "d", tryfirst=True)),
    ]
    Hooks(plugins).run_event(Note("now"))
    assert said == ["d", "b", "c", "a"]


def test_wrappers_nest_and_the_meter_is_innermost():
    """The first by name is outermost; what plugins do around a stage is not counted as the stage's time."""
    said: list[str] = []
    hooks = Hooks(plugin(name, graftwork_stage=wrapper(said, name)) for name in "ab")
    meter = Meter()
    hooks.add(meter, "meter")
    with hooks.stage("train", CONTEXT):
        said.append("train")
    assert said == [">a", ">b", "train", "<b", "<a"]
    calls = [one.plugin_name for one in hooks._calls("graftwork_stage")]
    assert (calls[-1], list(meter.stages)) == ("meter", ["train"])


def test_a_stage_keeps_its_exception_whatever_a_wrapper_does():
    """Every wrapper hears of it; swallowing it, or raising another, changes nothing."""
    said: list[str] = []

    @hookimpl(wrapper=True)
    def swallows(stage):
        try:
            yield
        except ValueError:
            said.append("swallowed")

    @hookimpl(wrapper=True)
    def raises(stage):
        try:
            yield
        finally:
            raise KeyError("another")

    hooks = Hooks(
        plugin(name, graftwork_stage=one)
        for name, one in zip("abc", (wrapper(said, "a"), swallows, raises), strict=True)
    )
    with pytest.raises(ValueError, match="diverged"), hooks.stage("train", CONTEXT):
        raise ValueError("diverged")
    assert said == [">a", "swallowed", "<a"]


def _before(stage):
    raise RuntimeError("no power meter")
    yield


def _after(stage):
    yield
    raise SystemExit(3)


def _twice(stage):
    yield
    yield


def _never(stage):
    return
    yield


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (_before, "failed before stage `train`: RuntimeError: no power meter"),
        (_after, "failed after stage `train`: SystemExit: 3"),
        (_twice, "failed after stage `train`: TypeError: a wrapper yields once, and this one does again"),
        (_never, "failed before stage `train`: TypeError: a wrapper yields once, and this one does not"),
    ],
)
def test_a_wrapper_that_fails_ends_the_run_with_its_name(function, complaint):
    """The environment is at fault: exit code 1, and how to do without the plugin."""
    hooks = Hooks([plugin("a", graftwork_stage=hookimpl(wrapper=True)(function))])
    with pytest.raises(HookError) as error, hooks.stage("train", CONTEXT):
        pass
    assert str(error.value) == (
        f"plugin a of acme-a 1: its graftwork_stage {complaint}; --plugins-block a leaves the plugin out"
    )
    assert error.value.exit_code == 1


def test_a_wrapper_may_end_the_run_in_its_own_words():
    """A ``GraftworkError`` is shown as it is, with its own exit code."""

    @hookimpl(wrapper=True)
    def graftwork_stage(stage):
        raise UserError("the disk is full")
        yield

    hooks = Hooks([plugin("a", graftwork_stage=graftwork_stage)])
    with pytest.raises(UserError, match=r"^the disk is full$"), hooks.stage("train", CONTEXT):
        pass


@pytest.fixture(params=FROZEN)
def frozen(request) -> tuple[Plugin, ModuleType]:
    """The frozen plugin of an API version, loaded by its entry point."""
    path = ROOT / "tests" / "api_versions" / f"v{request.param}" / "plugin.py"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FROZEN[request.param], "an API version is never edited"
    name = f"frozen_plugin_of_api_{request.param}"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules[name])
    loaded = load_plugin(importlib.metadata.EntryPoint("frozen", name, "graftwork.plugins"))
    assert (loaded.failure, loaded.notes, loaded.api) == (None, (), request.param)
    return loaded, sys.modules[name]


def test_a_plugin_of_each_api_version_works(frozen, tmp_path):
    """Component in a run, events and stages heard, command mounted, checks made: all that its version promised."""
    loaded, module = frozen
    adapter = {"adapter": {"type": "still"}, "graph": None, "dataset.shots": 3, "trainer.epochs": 1}
    Pipeline.from_dict(SMALL, adapter, with_plugins(loaded)).run(tmp_path / "run")
    for word in ("RunStarted", "TrainingFinished", "RunFinished", "> train of small on cpu, shots 3", "< train"):
        assert word in module.HEARD
    ((_, group),) = Hooks([loaded]).commands(click.Group)
    assert list(group.commands) == ["still"]
    assert [check.name for check in Hooks([loaded]).doctor()] == ["stillness"]


def test_there_is_a_frozen_plugin_of_this_api_version():
    """Raising ``API_VERSION`` needs one more."""
    assert max(FROZEN) == API_VERSION


def test_an_observer_that_raises_becomes_one_note(tmp_path):
    """The run goes on, the plugin hears no more, the reporters and the other plugins hear everything."""
    said: list[str] = []
    calls = []

    @hookimpl
    def graftwork_run_event(event):
        calls.append(event)
        raise OSError("no network")

    plugins = [plugin("a", graftwork_run_event=graftwork_run_event)]
    plugins += [plugin("b", graftwork_run_event=observer(said, "b"))]
    reporters = {"reporters": [{"type": "hearing"}], "trainer.epochs": 1}
    run = Pipeline.from_dict(SMALL, reporters, with_plugins(*plugins)).run(tmp_path / "run")
    assert notes_heard(run) == [
        "plugin a of acme-a 1: its graftwork_run_event failed, and it hears no more of this run: OSError: no network"
    ]
    assert (len(calls), len(said)) == (1, len(Hearing.heard))
    assert (run.folder / "result.json").is_file()


def test_every_stage_of_a_run_is_measured_through_the_hook(tmp_path):
    """``result.json`` has the stages that wrappers saw."""
    said: list[str] = []

    @hookimpl(wrapper=True)
    def graftwork_stage(stage, context):
        said.append(stage)
        return (yield)

    whole = with_plugins(plugin("a", graftwork_stage=graftwork_stage))
    run = Pipeline.from_dict(SMALL, {"trainer.epochs": 1}, whole).run(tmp_path / "run")
    assert list(run.result["stages"]) == list(dict.fromkeys(said))
    assert set(said) == {"dataset", "encode", "graph", "train", "evaluate"}


def test_a_plugin_whose_commands_fail_costs_the_others_nothing():
    """The reason, in one line; the other plugin's commands are there."""

    @hookimpl
    def broken(cli):
        raise ImportError("no module named\nrich_click")

    @hookimpl
    def fine(cli):
        cli.add_command(click.Command("own"))

    found = dict(
        Hooks([plugin("a", graftwork_commands=broken), plugin("b", graftwork_commands=fine)]).commands(click.Group)
    )
    assert found["a of acme-a 1"] == "its graftwork_commands failed: ImportError: no module named rich_click"
    assert list(found["b of acme-b 1"].commands) == ["own"]


def test_a_deprecated_argument_is_said_and_still_given(tmp_path, monkeypatch):
    """pluggy's ``warn_on_impl_args`` becomes a note on the plugin, which loads."""
    specifications = ModuleType("specifications")

    @hookspecs.hookspec(warn_on_impl_args={"old": DeprecationWarning("`old` goes in API 2; use `new`")})
    def graftwork_run_event(event, old, new):
        """As ours, one argument about to go."""

    specifications.graftwork_run_event = graftwork_run_event
    specifications.graftwork_components = hookspecs.graftwork_components

    monkeypatch.setattr(loading, "hookspecs", specifications)
    plugins = plugin_folder(tmp_path, monkeypatch)
    loaded = load_plugin(plugins.install(HEAD + "@hookimpl\ndef graftwork_run_event(old):\n    pass\n"))
    assert (loaded.failure, loaded.notes) == (None, ("`old` goes in API 2; use `new`",))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "@hookimpl\ndef graftwork_stages(stage):\n    yield\n",
            "implements unknown hook `graftwork_stages`; did you mean `graftwork_stage`?",
        ),
        (
            "@hookimpl(specname='graftwork_doctr')\ndef checks():\n    return []\n",
            "implements unknown hook `graftwork_doctr`; did you mean `graftwork_doctor`?",
        ),
        (
            "@hookimpl\ndef graftwork_stage(stage):\n    pass\n",
            "implements hook `graftwork_stage` without wrapping it; write @hookimpl(wrapper=True) and one yield",
        ),
        (
            "@hookimpl(wrapper=True)\ndef graftwork_doctor():\n    return (yield)\n",
            "wraps hook `graftwork_doctor`, which takes no wrappers; write @hookimpl alone",
        ),
    ],
)
def test_a_mistaken_implementation_is_refused_with_what_to_write(tmp_path, monkeypatch, source, complaint):
    """What pluggy would never call, or call otherwise than meant."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    assert load_plugin(plugins.install(HEAD + source)).failure == complaint


def test_another_name_for_a_hook_is_fine(tmp_path, monkeypatch):
    """``specname`` says which hook a function implements."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    source = HEAD + "@hookimpl(specname='graftwork_doctor')\ndef checks():\n    return [Check('own', True, 'fine')]\n"
    loaded = load_plugin(plugins.install(source))
    assert loaded.failure is None
    assert [check.name for check in Hooks([loaded]).doctor()] == ["own"]
