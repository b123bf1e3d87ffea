"""Every call in the package that could load code, or run some that a file holds, says that it does not."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from ..support.paths import ROOT
from .test_packaging import modules

#: Of a call by that name (the last of dotted ones), the keyword that must stand there with that value.
SAY = {
    "from_pretrained": ("trust_remote_code", False),
    "from_config": ("trust_remote_code", False),
    "pipeline": ("trust_remote_code", False),
    "SentenceTransformer": ("trust_remote_code", False),
    "get_tokenizer": ("trust_remote_code", False),
    "create_model_and_transforms": ("weights_only", True),
    "create_model_from_pretrained": ("weights_only", True),
    "load_checkpoint": ("weights_only", True),
    "load_state_dict_from_url": ("weights_only", True),
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
#: Wherever one of these stands, it has that value.
ALWAYS = {"trust_remote_code": False, "weights_only": True, "allow_pickle": False, "use_safetensors": True}
#: Calls and imports that nothing here makes.
NEVER = {"eval", "exec", "__import__", "torch.hub.load", "torch.jit.load", "yaml.load", "runpy.run_path"}
NEVER |= {"runpy.run_module", "importlib.util.spec_from_file_location", "spec_from_file_location", "AutoPeftModel"}
NEVER_IMPORTED = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "runpy", "sentence_transformers"}
#: What may be imported of them: an error to be caught.
ERRORS = {"UnpicklingError"}
#: Calls that say nothing since they cannot: a tokenizer that is none of transformers', PEFT's of a folder just written.
UNSAID = {
    ("core/export/peft_folders.py", "PeftModel.from_pretrained(copy.deepcopy(frozen.tower.model), str(folder))"),
    ("plugins/encoders/open_clip/encoder.py", "self._library.get_tokenizer(name)"),
}
#: Modules that import by name: names of their own packages, components of installed plugins, a library.
IMPORT_BY_NAME = {
    "__init__.py",
    "benchmarks/__init__.py",
    "benchmarks/memory.py",
    "core/cli/commands.py",
    "core/cli/machine/bench.py",
    "core/export/onnx_file.py",
    "core/graft/__init__.py",
    "core/roles/__init__.py",
    "core/testing/__init__.py",
    "core/testing/case.py",
    "core/testing/check.py",
    "core/testing/checks/modules.py",
    "core/testing/told.py",
    "plugins/checkpoints/libraries.py",
    "plugins/pocket/command.py",
    "registry/build.py",
    "registry/component.py",
    "registry/errors.py",
}


def problems(text: str, name: str) -> Iterator[str]:
    """What a module's text does that it should not, or does not say."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            level = node.level if isinstance(node, ast.ImportFrom) else 0
            if isinstance(node, ast.ImportFrom) and {one.name for one in node.names} <= ERRORS:
                continue
            yield from (f"imports {one}" for one in named if not level and one.partition(".")[0] in NEVER_IMPORTED)
        if isinstance(node, ast.Call):
            yield from _call(node, ast.unparse(node.func), ast.unparse(node), name)


def _call(node: ast.Call, called: str, whole: str, name: str) -> Iterator[str]:
    said = {one.arg: one.value for one in node.keywords}
    last = called.rpartition(".")[2]
    if {called, last} & NEVER and not called.endswith(".eval"):
        yield f"calls {called}"
    if last == "import_module" and name not in IMPORT_BY_NAME:
        yield "imports a module by name"
    wanted = SAY.get(called) or SAY.get(last)
    if wanted and (name, whole) not in UNSAID and wanted[0] not in said:
        yield f"{called} does not say {wanted[0]}={wanted[1]}"
    for keyword, value in said.items():
        if keyword in ALWAYS and not (isinstance(value, ast.Constant) and value.value is ALWAYS[keyword]):
            yield f"{called} says {keyword}={ast.unparse(value)}"


@pytest.mark.parametrize(
    "text",
    [
        "AutoModel.from_pretrained(folder)",
        "library.AutoModel.from_pretrained(folder, trust_remote_code=True)",
        "AutoModel.from_pretrained(folder, trust_remote_code=allowed)",
        "AutoModel.from_pretrained(folder, trust_remote_code=False, use_safetensors=False)",
        "open_clip.get_tokenizer(name)",
        "open_clip.create_model_and_transforms(name)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "import pickle",
        "from pickle import loads",
        "import joblib.memory",
        "eval(text)",
        "torch.hub.load('a/b', 'c')",
        "import_module(name)",
        "importlib.import_module(name)",
        "datasets.load_dataset(path, trust_remote_code=True)",
    ],
)
def test_the_test_sees(text: str) -> None:
    """Each of these."""
    assert list(problems(text, "plugins/x.py"))


def test_every_call_that_could_run_strangers_code_says_that_it_does_not() -> None:
    """By its arguments; and by nothing that reads pickles or imports what a file names."""
    found = {name: told for name in modules() if (told := list(problems((ROOT / name).read_text("utf-8"), name)))}
    assert found == {}


def test_what_is_excepted_is_there() -> None:
    """An exception whose reason has gone goes, too."""
    for name, call in UNSAID:
        assert call in (ROOT / name).read_text("utf-8"), name
    for name in IMPORT_BY_NAME:
        assert "import_module(" in (ROOT / name).read_text("utf-8"), name
