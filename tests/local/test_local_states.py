"""The order of calls is a table: what has no row is refused."""

from __future__ import annotations

import pytest

from otlp2parquet_ext.tools.local.states import (
    EXTENSION,
    RUNTIME,
    ExtensionCall,
    ExtensionState,
    IllegalStateError,
    RuntimeCall,
    RuntimeState,
    extension_after,
    runtime_after,
)


def test_an_extension_lives_from_register_to_next_to_event() -> None:
    """The life every extension leads."""
    state = ExtensionState.STARTED
    for call in (ExtensionCall.REGISTER, ExtensionCall.NEXT, ExtensionCall.EVENT):
        state = extension_after(state, call)
    assert state is ExtensionState.RUNNING


@pytest.mark.parametrize(
    ("state", "call"),
    [
        (ExtensionState.REGISTERED, ExtensionCall.REGISTER),
        (ExtensionState.READY, ExtensionCall.INIT_ERROR),
        (ExtensionState.INIT_ERROR, ExtensionCall.NEXT),
        (ExtensionState.EXIT_ERROR, ExtensionCall.NEXT),
        (ExtensionState.STARTED, ExtensionCall.NEXT),
    ],
)
def test_an_extension_out_of_order_is_refused(state: ExtensionState, call: ExtensionCall) -> None:
    """Registering twice, an init error after init, anything after an error."""
    with pytest.raises(IllegalStateError, match=r"state transition from \w+ by .* failed"):
        extension_after(state, call)


@pytest.mark.parametrize(
    ("state", "call"),
    [
        (RuntimeState.BUSY, RuntimeCall.NEXT),
        (RuntimeState.READY, RuntimeCall.RESPONSE),
        (RuntimeState.DONE, RuntimeCall.RESPONSE),
        (RuntimeState.READY, RuntimeCall.INIT_ERROR),
    ],
)
def test_a_runtime_out_of_order_is_refused(state: RuntimeState, call: RuntimeCall) -> None:
    """Next before the response, two responses, an init error after init."""
    with pytest.raises(IllegalStateError):
        runtime_after(state, call)


def test_every_living_state_knows_the_end_of_its_process() -> None:
    """A process may die at any time; no state may be without a row for it."""
    assert {state for state, call in EXTENSION if call is ExtensionCall.EXIT} == set(
        ExtensionState
    ) - {ExtensionState.EXITED}
    assert {state for state, call in RUNTIME if call is RuntimeCall.EXIT} == set(RuntimeState) - {
        RuntimeState.EXITED
    }
