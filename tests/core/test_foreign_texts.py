"""Every place that shows a foreign text passes it through `quote`: this searches the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "otlp2parquet_ext"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}

OURS = {
    node.name
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef) and node.name.endswith(("Error", "NotTried"))
}
"""Exceptions whose messages we compose, and quote foreign texts in."""

QUOTING = {"quote", "clean", "shown", "without_secrets", "explained", "error_text", "_extra_for"}
"""Functions that mask and cut; `shown` shows URLs, `clean` is for terminals and masks nothing."""

ANSWERS = {"answer", "response"}
FOREIGN = {"body", "headers", "error_message"}
"""The fields with the text of an answer, and of a partial success."""

NOT_SHOWN = {
    # Where a text is cut, or an error formatted, and neither is foreign; with the reason.
    "records/otlp/encodings.py": "what zlib and zstandard say of a request; quoted in `refusals`",
    "records/otlp/json_pieces.py": "what msgspec and `json` say of a request; quoted in `refusals`",
    "records/otlp/json_request.py": "what msgspec says of a request; quoted in `refusals`",
    "records/otlp/requests.py": "what protobuf says of a request; quoted in `refusals`",
    "records/otlp/wire.py": "what protobuf says of a request; quoted in `refusals`",
    "records/telemetry/redact.py": "what `re` says of a setting",
    "lake/http/errors.py": "text to look for codes in; `error_of` quotes what is shown",
    "tools/query.py": "`query._said`, through which all of them go, is quoted",
}


def names_of(handler: ast.ExceptHandler) -> set[str]:
    """Return the names of the exceptions that a handler catches."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(type_).rpartition(".")[2] for type_ in types if type_ is not None}


def foreign_errors(tree: ast.AST) -> set[int]:
    """Return the ids of the nodes that name an exception that is not one of ours."""
    found = set()
    for handler in ast.walk(tree):
        if isinstance(handler, ast.ExceptHandler) and handler.name and names_of(handler) - OURS:
            found |= {
                id(node)
                for node in ast.walk(handler)
                if isinstance(node, ast.Name) and node.id == handler.name
            }
    return found


def is_answers(node: ast.AST) -> bool:
    """Tell whether an expression is the text of a server's answer."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr in FOREIGN
        and (
            node.attr == "error_message"
            or ast.unparse(node.value).rpartition(".")[2].lstrip("_") in ANSWERS
        )
    )


def unquoted(tree: ast.AST) -> set[str]:
    """Return the texts that are cut, or put into a message, without `quote`."""
    errors = foreign_errors(tree)
    found: set[str] = set()

    def look(node: ast.AST, *, shown: bool) -> None:
        if isinstance(node, ast.Compare):
            return
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in QUOTING or name in {"type", "isinstance", "len"}:
                return
            shown = shown or name in {"str", "repr"}
            if isinstance(node.func, ast.Attribute) and name == "decode":
                look(node.func.value, shown=True)
        shown = shown or isinstance(node, ast.FormattedValue)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            shown = shown or any(is_answers(one) for one in ast.walk(node.value))
        bare = isinstance(node, ast.Name) and id(node) in errors
        if shown and (bare or is_answers(node)):
            found.add(f"{ast.unparse(node)} in line {getattr(node, 'lineno', 0)}")
        attributes = isinstance(node, ast.Attribute) and not is_answers(node)
        for child in ast.iter_child_nodes(node):
            # `error.strerror` and `error.code` are the system's own words.
            if not (attributes and isinstance(child, ast.Name)):
                look(child, shown=shown)

    look(tree, shown=False)
    return found


def test_a_foreign_text_is_shown_through_quote() -> None:
    """A text that is cut before masking shows half a token. An unmasked one shows all of it."""
    wrong = []
    for path, tree in TREES.items():
        name = str(path.relative_to(PACKAGE))
        found = unquoted(tree)
        if name in NOT_SHOWN:
            wrong += [] if found else [f"{name} needs no exception any more"]
        elif not name.startswith("tools/local/"):  # shows what its user's own programs write
            wrong += [f"{name}: {what}" for what in sorted(found)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "say('error', f'HTTP {answer.status} {answer.body[:200].decode()}')",
        "said = response.body[:200]",
        "text = str(self._answer.body)",
        "raise CommitError(f'a {response.headers}')",
        "try: f()\nexcept Exception as error: say('error', f'x: {error!r}')",
        "try: f()\nexcept (OSError, WebError) as error: raise WebError(str(error))",
        "told = str(partial.error_message)",
    ],
)
def test_the_check_finds_what_is_not_quoted(source: str) -> None:
    """If the check itself were broken, it would find nothing."""
    assert unquoted(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "say('error', f'HTTP {answer.status} {quote(answer.body)}')",
        "try: f()\nexcept WebError as error: say('error', f'x: {error}')",
        "try: f()\nexcept OSError as error: say('error', f'x: {error.strerror}')",
        "try: f()\nexcept Exception as error: say('error', f'{type(error).__name__}')",
    ],
)
def test_the_check_leaves_alone_what_is_quoted(source: str) -> None:
    """Our own messages quote their foreign parts where they are composed."""
    assert unquoted(ast.parse(source)) == set()


def test_nothing_is_written_to_a_terminal_but_through_the_one_way_out() -> None:
    """A log line or an answer could move the cursor, colour the screen, or forge a line."""
    found = set()
    for path, tree in TREES.items():
        name = str(path.relative_to(PACKAGE))
        for node in ast.walk(tree):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called == "print" or called in {"sys.stdout.write", "sys.stderr.write"}:
                found.add(name)
    assert found == {
        "tools/commands/completion.py",  # words of our own, to be evaluated by a shell
        "tools/local/sample/app.py",  # a function may print anything
        "tools/terminal.py",
    }
