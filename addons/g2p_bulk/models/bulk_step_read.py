import os
from contextlib import contextmanager

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..core import commit
from ..tools.table_file import REPORT_ROWS, FileError, Table

WORKBOOK_BYTES = 8  # a workbook is packed: so many bytes of text for one
ROW_BYTES = 80  # of a usual row, for the bar
BAR_KEYS = 100_000


class ReadStep(models.AbstractModel):
    """Reads a file that somebody brought into a table of rows: whole, in one chunk, for it can't be read from the middle, and in
    the background where the rows that it may have are more than are worked on at once. Another step works on what was read.

    While a process of its own turns a workbook into rows, no transaction is open; it is killed when it takes too long.
    """

    _name = "g2p.bulk.step.read"
    _inherit = "g2p.bulk.step"
    _description = "Reading of a File"

    _fetches = True
    #: the step that goes on with what was read, by itself
    _follows = None

    # What an heir says

    @api.model
    def _open(self, record, operation):
        """The file, open for reading bytes."""
        raise NotImplementedError

    @api.model
    def _file_name(self, record, operation):
        """The name that says what kind of file it is."""
        raise NotImplementedError

    @api.model
    def _stage(self, record, operation, table, report):
        """Put the rows where they belong, in place of those of an earlier reading.

        :param table: the file, as a :class:`tools.table_file.Table`
        :param report: called with the number of rows read so far; nothing may be read from the database while COPY runs
        :return: how many rows there are
        """
        raise NotImplementedError

    # What it says

    def _label(self):
        return self.env._("Read the file")

    def _outcomes(self):
        return {**super()._outcomes(), "read": (self.env._("Read"), "done")}

    # What it does

    @api.model
    def _start_on(self, record, params=None):
        """Start reading. A small file has been read when this comes back, and what follows has been done; one that can't be read
        is refused. COMMITS.

        :return: the operation that was started last
        """
        operation = record._bulk_start(self._step, params, chunk_size=1 << 30)
        if operation.mode == "inline" and operation.state == "failed":
            why = operation.last_error
            operation.action_cancel()
            raise UserError(why)
        if not self._follows:
            return operation
        # sudo: the operation that this one has started
        later = (
            self.env["g2p.bulk.operation"]
            .sudo()
            .search(
                [
                    ("res_model", "=", record._name),
                    ("res_id", "=", record.id),
                    ("step", "=", self._follows),
                    ("id", ">", operation.id),
                ],
                order="id",
                limit=1,
            )
        )
        return later.with_env(self.env) or operation

    def _source(self, record, operation):
        """The bar goes by what the file may have of rows, until it is read: not more keys than a bar needs."""
        return SQL("SELECT generate_series(1, %s) AS key", self._keys(record, operation))

    @contextmanager
    def _fetch(self, record, operation):
        with self._open(record, operation) as stream:
            name = self._file_name(record, operation)
            report = self._reporter(record, operation, 0.5)
            commit(self.env)
            try:
                table = Table(stream, name, report)
            except FileError as error:
                raise error.for_user(self.env) from error
            with table:
                yield table

    def _chunk(self, record, operation, low, high):
        table = operation.env.context["g2p_fetched"]
        begun, share = (0.5, 0.5) if table.is_workbook else (0, 1)
        count = self._stage(record, operation, table, self._reporter(record, operation, share, begun))
        # what was planned was an estimate
        operation.chunk_ids.filtered(lambda chunk: chunk.low == low).planned = count
        return {"read": count}

    def _then(self, record, operation):
        if self._follows:
            record._bulk_start(self._follows)

    # Helpers

    def _estimated_rows(self, record, operation):
        with self._open(record, operation) as stream:
            size = stream.seek(0, os.SEEK_END)
        if self._file_name(record, operation).lower().endswith(".xlsx"):
            size *= WORKBOOK_BYTES
        return max(size // ROW_BYTES, 1)

    def _keys(self, record, operation):
        most = max(BAR_KEYS, record._bulk_parameter("inline_threshold", 20_000))
        return min(self._estimated_rows(record, operation), most)

    def _reporter(self, record, operation, share, begun=0):
        """A function that moves the bar to the place of a number of rows, of which there are ``share`` of the whole bar, after
        ``begun`` of it."""
        estimated, keys = self._estimated_rows(record, operation), self._keys(record, operation)
        return lambda rows: operation._report(int(keys * (begun + share * min(rows / estimated, 1))))

    @api.model
    def _reported(self, rows, report):
        """The same rows; every now and then it is told how many they were."""
        for number, row in enumerate(rows, 1):
            yield row
            if number % REPORT_ROWS == 0:
                report(number)
