"""Compiles a list of files in place; the layer's interpreter runs this script.

    python compiler.py ROOT LIST     each line of LIST is a .py file relative to ROOT (our /opt)

Docstrings are replaced by one character, because they are not read in the layer and take a sixth of
the byte-code. They are not removed, because `dataclasses` would generate longer ones. Assertions
stay. The result is an unchecked-hash .pyc in the source's place, which works without a source.
"""

import ast
import importlib.util
import marshal
import sys
from pathlib import Path

UNCHECKED_HASH = (0b01).to_bytes(4, "little")  # PEP 552: the source is never checked
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def with_short_docstrings(tree: ast.Module) -> ast.Module:
    """Replace the docstrings of a module and of its classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0].value.value = "-"  # type: ignore[attr-defined]
    return tree


def compile_file(root: Path, name: str) -> None:
    """Write foo.pyc and remove foo.py."""
    path = root / name
    source = path.read_bytes()
    tree = with_short_docstrings(ast.parse(source, name))
    code = compile(tree, f"/opt/{name}", "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    path.with_suffix(".pyc").write_bytes(header + marshal.dumps(code))
    path.unlink()


if __name__ == "__main__":
    for line in Path(sys.argv[2]).read_text().splitlines():
        compile_file(Path(sys.argv[1]), line)
