"""Checks that a regular expression is fast on any text, because a running one cannot be stopped.

    expression --re's own parser--> tree --refuse_slow()--> nothing, or SlowError

While it runs, `next` is not requested, and an attacker of the function may have written the text.
An unbounded repeat is safe at the end of an alternative, where it is not retried from every
character. Elsewhere a repeat must be bounded, and the ways of bounded repeats multiply.
"""

from __future__ import annotations

from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Node = tuple[Any, Any]

LONGEST_REPEAT = 10_000
MOST_WAYS = 2**17
"""Most ways in which an expression may match at one place; `(?:[0-9][ -]?){13,16}` has 122 880."""

_REPEATS = frozenset({sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT})
_SOLID_CLASSES = frozenset({sre.CATEGORY_DIGIT, sre.CATEGORY_WORD, sre.CATEGORY_NOT_SPACE})


class SlowError(ValueError):
    """The expression could take minutes; the message names the alternative."""


def refuse_slow(text: str) -> None:
    """Refuse an expression that can take more than time proportional to the text.

    Raises:
        SlowError: the expression is slow.
        re.error: it is no valid expression.
    """
    if _ways(list(parser.parse(text)), last=True) > MOST_WAYS:
        raise SlowError(
            "its repeats can match in too many ways; bound them more tightly, for example {1,16}"
        )


def _ways(nodes: Sequence[Node], *, last: bool) -> int:
    """Count the ways in which a sequence can match at one place, up to `MOST_WAYS` + 1.

    Args:
        nodes: nodes of the parsed sequence.
        last: the sequence is at the end of its alternative.
    """
    ways, solid = 1, False
    for number, (op, argument) in enumerate(nodes):
        is_last = last and number == len(nodes) - 1
        if op in _REPEATS:
            low, high, repeated = argument
            endless = high is sre.MAXREPEAT or high > LONGEST_REPEAT
            inner = _ways(list(repeated), last=False)
            space_only = solid and _is_space(repeated)
            if endless and not (inner == 1 and (is_last or space_only)):
                raise SlowError(
                    "a repeat without end (* or +) may stand at the end of an alternative, or "
                    "repeat white space; bound any other, for example {1,64}"
                )
            ways *= 1 if endless else _sum(inner, low, high)
            solid = (low > 0 and _is_solid((op, argument))) or (solid and not endless)
        else:
            parts = _parts(op, argument)
            if parts:
                zero_width = op in {sre.ASSERT, sre.ASSERT_NOT}
                ways *= sum(_ways(part, last=is_last and not zero_width) for part in parts)
            solid = solid or _is_solid((op, argument))
        ways = min(ways, MOST_WAYS + 1)
    return ways


def _sum(inner: int, low: int, high: int) -> int:
    """Return the ways of a repeat: `inner` to the power of each count."""
    if inner == 1:
        return high - low + 1
    ways = 0
    for count in range(low, min(high, low + MOST_WAYS.bit_length()) + 1):
        ways += inner ** min(count, MOST_WAYS.bit_length())
    return min(ways, MOST_WAYS + 1)


def _parts(op: Any, argument: Any) -> list[list[Node]]:
    """Return the alternatives inside a node that is no repeat; [] for a single character."""
    if op is sre.BRANCH:
        return [list(part) for part in argument[1]]
    if op is sre.SUBPATTERN:
        return [list(argument[3])]
    if op is sre.ATOMIC_GROUP:
        return [list(argument)]
    if op in {sre.ASSERT, sre.ASSERT_NOT}:
        return [list(argument[1])]
    if op is sre.GROUPREF_EXISTS:
        return [list(part) for part in argument[1:] if part is not None]
    return []


def _is_space(nodes: Sequence[Node]) -> bool:
    """Tell whether the repeated part is one character of white space."""
    if len(nodes) != 1:
        return False
    op, argument = nodes[0]
    items = argument if op is sre.IN else [(op, argument)]
    return all(
        item == (sre.CATEGORY, sre.CATEGORY_SPACE) or (kind is sre.LITERAL and chr(value).isspace())
        for item in items
        for kind, value in [item]
    )


def _is_solid(node: Node) -> bool:
    """Tell whether a node matches at least one character other than white space."""
    op, argument = node
    if op is sre.LITERAL:
        return not chr(argument).isspace()
    if op is sre.IN:
        return all(
            (kind is sre.LITERAL and not chr(value).isspace())
            or (kind is sre.RANGE and ord(" ") < value[0] and value[1] < 0x7F)
            or (kind is sre.CATEGORY and value in _SOLID_CLASSES)
            for kind, value in argument
        )
    if op in _REPEATS:
        return any(_is_solid(inner) for inner in argument[2])
    parts = [] if op in {sre.ASSERT, sre.ASSERT_NOT} else _parts(op, argument)
    return bool(parts) and all(any(_is_solid(inner) for inner in part) for part in parts)
