"""How far an operation is, and what came of it: sums over its chunks, so that nothing of its own row is written on the way."""

from collections import defaultdict

from odoo.tools import SQL

from ..core import ACTIVE_STATES, percent, rows_per_second, seconds_left


def of_chunks(operations):
    """{operation id: (counts by outcome, rows processed in all, and since the last start, last progress)}, in one statement."""
    if not operations.ids:
        return {}
    rows = operations.env.execute_query(
        SQL(
            """
            WITH chunk AS (
                SELECT chunk.operation_id, chunk.state, chunk.planned, chunk.counts, chunk.finished_at,
                       chunk.finished_at >= operation.resumed_at AND chunk.state = 'done' AS recent
                FROM g2p_bulk_chunk AS chunk
                JOIN g2p_bulk_operation AS operation ON operation.id = chunk.operation_id
                WHERE chunk.operation_id IN %(ids)s AND chunk.state != 'pending'
            ), outcome AS (
                SELECT chunk.operation_id, count.key, SUM(count.value::bigint) AS total
                FROM chunk, jsonb_each_text(chunk.counts) AS count
                GROUP BY chunk.operation_id, count.key
            )
            SELECT operation_id,
                   (SELECT jsonb_object_agg(outcome.key, outcome.total) FROM outcome
                    WHERE outcome.operation_id = chunk.operation_id),
                   COALESCE(SUM(planned) FILTER (WHERE state != 'cancelled'), 0)::bigint,
                   COALESCE(SUM(planned) FILTER (WHERE recent), 0)::bigint,
                   MAX(finished_at)
            FROM chunk
            GROUP BY operation_id
            """,
            ids=operations._ids,
        )
    )
    return {operation_id: found for operation_id, *found in rows}


class Figures:
    """Those of one operation.

    :param found: what :func:`of_chunks` found of it, if anything
    """

    def __init__(self, operation, found, now):
        counts, self.processed, recent, last_progress = found or ({}, 0, 0, None)
        self.counts = counts or {}
        self.totals, self.lines = defaultdict(int), []
        for outcome, (label, kind) in operation._outcomes(self.counts).items():
            if count := self.counts.get(outcome):
                self.totals[kind] += count
                self.lines.append({"outcome": outcome, "label": label, "kind": kind, "count": count})
        running = operation.state in ACTIVE_STATES
        begun = operation.resumed_at or operation.started_at or now
        end = now if running else operation.finished_at or last_progress or now
        planned = operation.planned
        self.progress = percent(self.processed, planned)
        shown = min(self.processed + (operation.partial or 0), planned) if running else self.processed
        if shown > self.processed:
            # an estimate is never the end
            self.progress = min(percent(shown, planned), 99)
        self.speed = rows_per_second(recent, (end - begun).total_seconds())
        self.time_left = seconds_left(planned - self.processed, self.speed) if running else 0
        self.duration = (end - (operation.started_at or end)).total_seconds()
