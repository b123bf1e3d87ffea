"""Components, the catalogue, and plugins that break: each costs one line and harms no other."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest

from graftwork.registry.catalogue import Catalogue, DuplicateComponent, Plugin, UnknownComponent
from graftwork.registry.component import Component
from graftwork.registry.discovery import discover, doctor_checks, load_plugin
from graftwork.registry.errors import counted
from graftwork.registry.spec import Spec

from ..support.plugin_folder import DECLARE, GIVE, HEAD, PluginFolder, fine, plugin_folder


class ShinySpec(Spec):
    type: Literal["shiny"] = "shiny"


class OtherSpec(Spec):
    type: Literal["other"] = "other"


class OldShinySpec(Spec):
    type: Literal["old_shiny"] = "old_shiny"


class NewShinySpec(Spec):
    type: Literal["new_shiny"] = "new_shiny"


class NamelessSpec(Spec):
    width: int = 3


class OptionalTypeSpec(Spec):
    type: Literal["shiny"] | None = "shiny"


class UndefaultedSpec(Spec):
    type: Literal["shiny"]


SHINY = Component("adapter", "shiny", ShinySpec, "json:loads", "a component for tests")
OTHER = Component("adapter", "other", OtherSpec, "json:loads", "another")
ACME = Plugin("acme", "acme-adapters", "1.2", components=(SHINY,))


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginFolder:
    return plugin_folder(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("kind", "type_", "spec", "build", "complaint"),
    [
        ("Adapter", "shiny", ShinySpec, "json:loads", "lower_snake_case"),
        ("adapter", "shiny-one", ShinySpec, "json:loads", "lower_snake_case"),
        ("adapter", "shiny\n", ShinySpec, "json:loads", "lower_snake_case"),
        ("adapter", "", ShinySpec, "json:loads", "lower_snake_case"),
        ("adapter", "shiny", ShinySpec, "json.loads", "'package.module:attribute'"),
        ("adapter", "shiny", ShinySpec, "json:loads()", "'package.module:attribute'"),
        ("adapter", "shiny", dict, "json:loads", "subclass of graftwork.registry.spec.Spec"),
        ("adapter", "shiny", ShinySpec(), "json:loads", "subclass of graftwork.registry.spec.Spec"),
        ("adapter", "shiny", OtherSpec, "json:loads", 'OtherSpec must declare type: Literal["shiny"] = "shiny"'),
        ("adapter", "shiny", NamelessSpec, "json:loads", "NamelessSpec must declare type"),
        ("adapter", "shiny", OptionalTypeSpec, "json:loads", "OptionalTypeSpec must declare type"),
        ("adapter", "shiny", UndefaultedSpec, "json:loads", "UndefaultedSpec must declare type"),
    ],
)
def test_component_refuses_what_contradicts_itself(kind, type_, spec, build, complaint):
    """A wrong declaration fails where it is written, with the reason."""
    with pytest.raises(ValueError, match=r"^component ") as error:
        Component(kind, type_, spec, build, "a component for tests")
    assert complaint in str(error.value)


def test_component_loads_what_build_names():
    """``load`` imports the module and returns the attribute."""
    import json

    assert SHINY.load() is json.loads


def test_component_is_named_by_kind_and_type():
    """The name is what the exported schema uses."""
    assert SHINY.name == "adapter.shiny"


def test_catalogue_finds_by_kind_and_type_and_knows_the_owner():
    """A look-up gives the component itself, and the plugin that declared it."""
    catalogue = Catalogue([ACME])
    assert catalogue.find("adapter", "shiny") is SHINY
    assert catalogue.owner(SHINY) is ACME
    assert catalogue.component_of(ShinySpec()) is SHINY


def test_catalogue_lists_types_sorted_and_kinds_in_order():
    """Lists are stable: types by name, kinds as declared."""
    catalogue = Catalogue([Plugin("a", "a", "1", components=(SHINY, OTHER))])
    assert (catalogue.kinds(), catalogue.types("adapter"), catalogue.types("nothing")) == (
        ("adapter",),
        ("other", "shiny"),
        (),
    )


def test_unknown_type_is_answered_with_the_nearest_name():
    """A misspelt type gets "did you mean"."""
    with pytest.raises(UnknownComponent) as error:
        Catalogue([ACME]).find("adapter", "shinny")
    assert (error.value.reason, error.value.hint) == ("unknown adapter type `shinny`", "did you mean `shiny`?")


def test_type_of_another_kind_is_answered_with_its_kind():
    """A type that stands in the wrong section is said to be of its own kind."""
    with pytest.raises(UnknownComponent) as error:
        Catalogue([ACME]).find("encoder", "shiny")
    assert error.value.hint == "`shiny` is of kind adapter"


def test_a_word_of_several_types_is_answered_with_all_of_them():
    """Which of them is meant depends on the data, and no order of the alphabet knows it."""
    own = (Component("adapter", "old_shiny", OldShinySpec, "json:loads", "a component for tests"),)
    own += (Component("adapter", "new_shiny", NewShinySpec, "json:loads", "a component for tests"),)
    with pytest.raises(UnknownComponent) as error:
        Catalogue([Plugin("a", "a", "1", components=own)]).find("adapter", "shiny")
    assert error.value.hint == "did you mean `new_shiny` or `old_shiny`?"


def test_unknown_type_far_from_all_lists_the_installed_and_the_broken():
    """Where no name is near, the installed types and the plugins that could not be loaded are named."""
    broken = Plugin("lora", "acme-lora", "0.3", failure="ImportError: No module named 'tensorflow'")
    with pytest.raises(UnknownComponent) as error:
        Catalogue([ACME, broken]).find("adapter", "qqqq")
    assert error.value.hint == (
        "installed: shiny; plugin acme-lora 0.3 could not be loaded: ImportError: No module named 'tensorflow'"
    )


def test_one_type_from_two_plugins_names_both_distributions():
    """Which of two declarations wins is never left to chance."""
    with pytest.raises(DuplicateComponent, match=r"by both acme-adapters 1\.2 and shiny-things 2\.0; uninstall one"):
        Catalogue([ACME, Plugin("b", "shiny-things", "2.0", components=(SHINY,))])


def test_of_two_plugins_of_one_name_one_is_left_out_by_distribution():
    """Their name would block both."""
    with pytest.raises(DuplicateComponent, match=r"leave one out with --plugins-block shiny-things$"):
        Catalogue([ACME, Plugin(ACME.name, "shiny-things", "2.0", components=(SHINY,))])


def test_one_spec_class_for_two_components_is_refused():
    """A Python spec object must say by its class which component it is."""
    again = Component("head", "shiny", ShinySpec, "json:loads", "the same class as a head")
    with pytest.raises(DuplicateComponent, match=r"ShinySpec is that of both adapter\.shiny .* and head\.shiny"):
        Catalogue([Plugin("a", "a", "1", components=(SHINY, again))])


def test_spec_of_no_component_is_unknown():
    """A spec class that nobody declared has no component."""
    with pytest.raises(UnknownComponent, match="OtherSpec belongs to no installed component"):
        Catalogue([ACME]).component_of(OtherSpec())


BROKEN = {
    "import error": ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named"),
    "syntax error": ("def oops(:\n", "SyntaxError: "),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "many lines": ("raise RuntimeError('first line\\n\\n   second line')", "RuntimeError: first line second line"),
    "no version": ("x = 1", "declares GRAFTWORK_API = None; this Graftwork speaks 1"),
    "wrong version": ("GRAFTWORK_API = 2", "declares GRAFTWORK_API = 2; this Graftwork speaks 1"),
    "misspelt hook": (
        HEAD + "@hookimpl\ndef graftwork_component():\n    return []\n",
        "implements unknown hook `graftwork_component`; did you mean `graftwork_components`?",
    ),
    "undecorated hook": (
        HEAD + "def graftwork_components():\n    return []\n",
        "defines hook `graftwork_components` without the decorator @hookimpl",
    ),
    "unknown argument": (
        HEAD + "@hookimpl\ndef graftwork_components(catalog):\n    return []\n",
        "PluginValidationError: ",
    ),
    "raises half-way": (
        fine("half") + "    raise KeyError('the second one')\n",
        "KeyError: 'the second one'",
    ),
    "not a component": (
        fine("half") + "    yield {'kind': 'adapter'}\n",
        "graftwork_components gave a dict, not a Component",
    ),
    "not iterable": (
        HEAD + "@hookimpl\ndef graftwork_components():\n    return 3\n",
        "graftwork_components gave one int, not several: yield it, or return a list",
    ),
    "returned alone": (
        fine("alone").replace("yield alone", "return alone"),
        "graftwork_components gave one Component, not several: yield it, or return a list",
    ),
    "contradiction": (
        HEAD + "Component('adapter', 'x', Spec, 'json:loads', '')\n",
        "ValueError: component adapter.x: Spec must declare type",
    ),
    "twice the same": (fine("half") + "    yield half\n", "adapter type `half` is declared twice by "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_plugin_ends_in_its_failure_and_the_others_load(plugins, case):
    """Whatever a plugin does at import or in its hook is one line of ``failure``; it brings nothing, others work."""
    source, reason = BROKEN[case]
    entries = [plugins.install(source, "bad-plugin"), plugins.install(fine("sound"), "good-plugin", "0.9")]
    catalogue = discover(entries)
    bad, good = (next(p for p in catalogue.plugins if p.distribution == name) for name in ("bad-plugin", "good-plugin"))
    assert reason in bad.failure
    assert "\n" not in bad.failure
    assert bad.components == ()
    assert (good.failure, good.version, catalogue.types("adapter")) == (None, "0.9", ("sound",))


def test_plugin_without_hooks_brings_nothing(plugins):
    """A plugin that only looks (or is yet empty) is fine."""
    plugin = load_plugin(plugins.install("GRAFTWORK_API = 1"))
    assert (plugin.failure, plugin.components) == (None, ())


def test_entry_point_without_a_distribution_is_of_an_unknown_one():
    """An entry point made by hand still loads."""
    plugin = load_plugin(EntryPoint("builtin", "graftwork.plugins", "graftwork.plugins"))
    assert (plugin.distribution, plugin.failure) == ("unknown", None)


def test_two_installed_plugins_with_one_type_name_both_distributions(plugins):
    """Discovery reports a clash with the names that pip knows."""
    entries = [plugins.install(fine("same"), "first-one"), plugins.install(fine("same"), "second-one", "3.0")]
    with pytest.raises(DuplicateComponent, match=r"by both first-one 1\.2 and second-one 3\.0"):
        discover(entries)


def test_builtins_come_in_by_the_public_door():
    """The built-in plugin is discovered by its entry point, loads, and is owned by this distribution."""
    catalogue = discover()
    builtin = next(plugin for plugin in catalogue.plugins if plugin.name == "builtin")
    assert (builtin.distribution, builtin.failure) == ("graftwork", None)
    assert catalogue.owner(catalogue.find("adapter", "ga_net")) is builtin


def test_every_builtin_component_can_be_imported():
    """What ``build`` names is there."""
    assert all(callable(component.load()) for component in discover())


def test_doctor_hook_that_raises_becomes_a_failed_check(plugins):
    """A plugin's doctor cannot end the doctor of the others."""
    plugins.install(HEAD + "@hookimpl\ndef graftwork_doctor():\n    raise OSError('no such device')\n", "bad-doctor")
    plugins.install(
        HEAD + "@hookimpl\ndef graftwork_doctor():\n    yield Check('blood pressure', True, '120/80')\n", "good-doctor"
    )
    checks = {check.detail: check for check in doctor_checks(discover().plugins)}
    assert not checks["its doctor hook failed: no such device"].ok
    assert checks["120/80"].ok


def test_doctor_hook_that_gives_no_checks_becomes_a_failed_check(plugins):
    """Anything but a ``Check`` is named, and printed by nobody."""
    plugins.install(HEAD + "@hookimpl\ndef graftwork_doctor():\n    return ['fine']\n")
    assert any("it gave a str, not a Check" in check.detail for check in doctor_checks(discover().plugins))


def test_plugin_that_cannot_load_is_a_failed_check_with_a_remedy(plugins):
    """``doctor`` says which distribution to repair."""
    plugins.install("raise RuntimeError('no licence')", "bad-plugin")
    check = next(check for check in doctor_checks(discover().plugins) if "no licence" in check.detail)
    assert (check.ok, check.remedy) == (False, "repair or uninstall bad-plugin")


def test_importing_the_registry_imports_only_pluggy_and_pydantic():
    """The ground stays light: no numpy, click, rich or torch."""
    code = (
        "import sys; import graftwork.registry.slot, graftwork.registry.schema; "
        "print([m for m in ('torch', 'numpy', 'click', 'rich', 'open_clip', 'sklearn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_components_declared_before_a_failure_are_not_kept(plugins):
    """All or none: a type that was yielded before the hook raised cannot be found."""
    entry = plugins.install(
        HEAD + DECLARE.format(type_="early") + GIVE.format(type_="early") + "    raise ValueError('late')"
    )
    with pytest.raises(UnknownComponent, match=r"acme-adapters 1\.2 could not be loaded: ValueError: late"):
        discover([entry]).find("adapter", "early")


@pytest.mark.parametrize(
    ("count", "noun", "verb", "said"),
    [
        (1, "items", "", "1 item"),
        (0, "items", "are", "0 items are"),
        (1200, "classes", "have", "1,200 classes have"),
        (1, "classes", "have", "1 class has"),
        (1, "contents", "stand", "1 content stands"),
        (1, "pictures", "lie", "1 picture lies"),
    ],
)
def test_counted_nouns(count: int, noun: str, verb: str, said: str) -> None:
    assert counted(count, noun, verb) == said
