"""The layering law: who may import whom, no cycles, a light `import convscope`, one table of public names.

The law is read from the imports in the source. A checker that cannot fail proves nothing, so each
is also shown a planted violation.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import convscope

PACKAGE = Path(convscope.__file__).parent
ROOT = PACKAGE.parent.parent

# Room -> the rooms it may import besides itself. `errors`, `show` and `version` are everyone's.
# "public" is the package itself: ``import convscope as cs``.
EVERYONES = {"errors", "show", "version"}
LAW: dict[str, set[str]] = {
    "core": set(),
    "rules": {"core"},
    "worked": {"core", "rules"},
    # A bank of kernels may be a file of weights, and what a kernel goes over a file of pixels.
    "interpret": {"core", "rules", "engine", "importers.weights", "importers.picture"},
    "engine": {"core"},
    "teach": {"core", "rules", "worked"},
    "rewrite": {"core", "rules", "worked"},
    # A model that is run is left as it was, for whatever reason it is run.
    "probing": {
        "core",
        "rules",
        "worked",
        "rewrite",
        "importers.picture",
        "importers.torch_parts",
        "importers.torch_untouched",
    },
    "importers": {"core", "rules"},
    "render": {"core"},
    # What documents are made of, besides the public names.
    "problems": {
        "public",
        "core.document",
        "core.expression",
        "core.number",
        "core.kernel_picture",
        "core.plot",
    },
    # A file larger than memory is streamed by a function that is not among the public names.
    "cli": {"public", "render", "engine.streaming"},
    "lab": {"public", "render"},
    "errors": set(),
    "version": set(),
    "show": {"core", "render"},
    "public": set(),  # its lazy table names modules as text; its own imports are EVERYONES and typing's
    "__main__": {"cli"},
}
# The only libraries a room may use, where the law is narrow.
LIBRARIES: dict[str, set[str]] = {
    "core": {"numpy"},
    "rules": {"numpy"},
    "worked": {"numpy", "sympy", "mpmath"},
    "engine": {
        "numpy",
        "numba",
        "llvmlite",
        "scipy",
        "dask",
        "distributed",
        "zarr",
        "tifffile",
        "PIL",
    },
    # google: protobuf, which onnx brings
    "importers": {"numpy", "onnx", "google", "torch", "keras", "PIL", "h5py", "safetensors"},
    "interpret": {"numpy", "PIL"},
    "rewrite": {"numpy", "scipy"},
    "probing": {"numpy", "torch", "sklearn", "PIL"},
    "problems": {"numpy", "yaml"},
    "cli": {"click", "rich", "numpy", "PIL"},
    "errors": set(),
    "show": set(),
    "version": set(),
    "public": set(),
    "__main__": set(),
}
HEAVY = (
    "numba", "sympy", "mpmath", "torch", "onnx", "pandas", "matplotlib",
    "rich", "click", "PIL", "yaml", "typst", "scipy", "llvmlite", "dask", "zarr", "tifffile",
    "sklearn", "h5py", "safetensors",
)  # fmt: skip


def modules(package: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name inside it; the package itself is ``public``."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name or "public"] = path
    return found


@dataclass(frozen=True)
class Import:
    """An absolute module that a file imports: for type checkers only, or late, when a function is called."""

    name: str
    typing_only: bool
    late: bool


def imports(path: Path) -> tuple[Import, ...]:
    """Every import of a file."""
    found = imports_in(path.read_text(encoding="utf-8"))
    assert not any(one.name.startswith(".") for one in found), (
        f"{path}: relative imports hide who is imported"
    )
    return found


@cache  # planted violations change one file of a copy; the others are read once
def imports_in(source: str) -> tuple[Import, ...]:
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    typing_only = within(
        node for node in nodes if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )
    late = within(node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return tuple(
        Import(name, id(node) in typing_only, id(node) in late)
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported_by(node)
    )


def within(nodes: Iterable[ast.AST]) -> set[int]:
    return {id(inner) for node in nodes for inner in ast.walk(node)}


def imported_by(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names]


def inside(name: str, known: dict[str, Path]) -> str | None:
    """The module of the package that an imported name lives in; None for another library's."""
    top, _, rest = name.partition(".")
    if top != "convscope":
        return None
    while rest and rest not in known:
        rest = rest.rpartition(".")[0]
    return rest or "public"


def room(module: str) -> str:
    return module.partition(".")[0]


def violations(package: Path) -> list[str]:
    """Every import that the law forbids, as a sentence."""
    known = modules(package)
    told = []
    for module, path in known.items():
        here = room(module)
        if here not in LAW:
            told.append(f"{module}: the law knows no room '{here}'")
            continue
        for one in imports(path):
            target = inside(one.name, known)
            if target is None:
                library = one.name.partition(".")[0]
                narrow = LIBRARIES.get(here)
                if narrow is not None and library not in narrow | set(sys.stdlib_module_names):
                    told.append(f"{module} uses the library {library}")
            elif room(target) not in EVERYONES | {here} and not (module == "public" and one.typing_only):
                allowed = LAW[here]
                if room(target) not in allowed and target not in allowed:
                    told.append(f"{module} imports {target}")
    return told


def cycle(package: Path) -> list[str]:
    """Modules that import each other in a circle, when the program runs; empty when none do."""
    known = modules(package)
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        found = imports(path)
        names = {one.name for one in found if not one.late} - {one.name for one in found if one.typing_only}
        targets = {inside(name, known) for name in names}
        graph[module] = {target for target in targets if target not in (None, module, "public")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_import_obeys_the_law():
    assert violations(PACKAGE) == []


def test_no_modules_import_each_other_in_a_circle():
    assert cycle(PACKAGE) == []


@pytest.mark.parametrize(
    ("module", "line", "told"),
    [
        (
            "core/kernel.py",
            "from convscope.rules.shape import output_size",
            "core.kernel imports rules.shape",
        ),
        ("core/kernel.py", "import sympy", "core.kernel uses the library sympy"),
        ("render/plain.py", "from convscope.worked import solution", "render.plain imports worked.solution"),
        ("problems/prose.py", "from convscope.cli import main", "problems.prose imports cli"),
        ("problems/prose.py", "from convscope.core.layer import Layer", "problems.prose imports core.layer"),
        ("cli/net.py", "import convscope.problems.problem", "cli.net imports problems.problem"),
        ("cli/net.py", "def f():\n    from convscope.core import layer", "cli.net imports core.layer"),
        ("cli/net.py", "from convscope.engine.plan import Plan", "cli.net imports engine.plan"),
        (
            "engine/plan.py",
            "from convscope.rules.shape import output_size",
            "engine.plan imports rules.shape",
        ),
        (
            "engine/plan.py",
            "from convscope.render.plain import plain_text",
            "engine.plan imports render.plain",
        ),
        ("engine/plan.py", "import convscope as cs", "engine.plan imports public"),
        ("engine/plan.py", "def f():\n    import torch", "engine.plan uses the library torch"),
        ("core/kernel.py", "import numba", "core.kernel uses the library numba"),
        ("worked/views.py", "import convscope", "worked.views imports public"),
        ("errors.py", "from convscope.core.number import Exact", "errors imports core.number"),
        ("attic/old.py", "", "attic.old: the law knows no room 'attic'"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, module, line, told):
    copy = tmp_path / "convscope"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    assert violations(copy) == [told]


def test_a_planted_relative_import_is_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("from . import other\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="relative imports hide who is imported"):
        imports(path)


def test_a_planted_circle_is_found(tmp_path):
    copy = tmp_path / "convscope"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "core" / "expression.py").open("a", encoding="utf-8") as file:
        file.write("\nfrom convscope.core.document import Text\n")
    assert {"core.expression", "core.document"} <= set(cycle(copy))


# --- what importing costs ---------------------------------------------------------------------


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "also_light"),
    [
        ("import convscope", ["numpy"]),
        ("import convscope as cs; cs.matrix('1 2'); cs.Conv('1'); cs.output_size(5, kernel=3)", []),
        ("import convscope as cs; cs.network('input 3x5x5\\nconv 3x3, 4\\n')", []),
        ("import convscope as cs; cs.apply; cs.plan", []),
        ("import convscope as cs; cs.solve('1 2', cs.Conv('1')).value", []),
    ],
)
def test_importing_loads_nothing_heavy(statement, also_light):
    loaded = loaded_after(statement)
    allowed = {"mpmath"} if "solve" in statement else set()
    assert loaded & ({*HEAVY, *also_light} - allowed) == set()


def test_the_heavy_list_would_be_seen():
    assert "yaml" in loaded_after("import yaml")


# --- the public names -------------------------------------------------------------------------


def typed_names(source: str) -> dict[str, str]:
    """Public name -> module, as the block for type checkers says it."""
    tree = ast.parse(source)
    (block,) = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.asname or alias.name: str(node.module).removeprefix("convscope.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_and_the_lazy_table_say_the_same():
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert typed_names(source) == convscope._HOME_OF


def test_every_public_name_is_there_and_documented():
    for name in convscope.__all__:
        value = getattr(convscope, name)
        assert name == "__version__" or value.__doc__, f"{name} has no docstring"
    assert set(convscope.__all__) <= set(dir(convscope))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'convscope' has no attribute 'sovle'"):
        _ = convscope.sovle


# --- small is good ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_files_and_functions_stay_small(path):
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 500
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 60, f"{node.name} has more than 60 lines"
