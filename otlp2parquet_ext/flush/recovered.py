"""What dead processes left, taken over a part at a time: found on a thread, owned on the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import log, quote
from otlp2parquet_ext.spool.recovery import RECOVERED

if TYPE_CHECKING:
    from otlp2parquet_ext.flush.intake import Intake
    from otlp2parquet_ext.flush.queue import SegmentQueue
    from otlp2parquet_ext.flush.worker import SerialWorker
    from otlp2parquet_ext.spool import Segment, Spool


class RecoveredSegments:
    """Takes over segments and losses of dead processes.

    Args:
        spool: finds them.
        outbox: knows which segments are suspicious.
        intake: owns them from then on.
        storing: the lane on whose thread they are looked for; there a store waits for them.
    """

    def __init__(
        self, spool: Spool, outbox: SegmentQueue, intake: Intake, storing: SerialWorker
    ) -> None:
        self._spool = spool
        self._outbox = outbox
        self._intake = intake
        self._storing = storing

    def go_ahead_of(self, segment: Segment | None) -> bool:
        """Tell whether another part is taken over before a segment is stored; None: there is none.

        What is suspicious waits behind what is still to be found, too, while there are descriptors.
        """
        if not self._spool.left_more:
            return False
        if segment is None:
            return True
        suspicious = self._outbox.handling(segment).suspicious
        return suspicious and len(self._spool.sealed) < RECOVERED

    async def take_over(self) -> int:
        """Take over the next part; return how many segments, 0 when nothing is left."""
        while True:
            try:
                found = await self._storing.on_thread(self._spool.find_left)
            except Exception as error:  # noqa: BLE001 - a bug of ours may not end the loop
                log("error", f"what an earlier process left stays there: {quote(repr(error))}")
                return 0
            adopted = self._intake.adopt(found)
            if adopted or not found.more:
                return adopted
