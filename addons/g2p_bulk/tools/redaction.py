"""Keeps names, phones, IDs and accounts out of the server's log, whoever writes there.

The database tells which values broke a constraint, Odoo logs a refused statement with its values and every refusal's text, and
tracebacks repeat them all. What an operator needs is kept: which error, of which constraint and table, raised where.

`install` puts a factory of log records in the place of the one before: each record of each logger passes it once, before any
handler sees it.
"""

import logging
import re
import traceback

from psycopg2 import Error as PostgresError
from psycopg2 import errorcodes

from odoo.exceptions import UserError
from odoo.http import SessionExpiredException

HIDDEN = "…"
MAX_QUERY = 2000
# Literals of SQL: with escapes, plain, dollar-quoted; then numbers that may be IDs, phones or amounts.
LITERAL = re.compile(r"E'(?:[^'\\]|''|\\.)*'?|'(?:[^']|'')*'?|\$(\w*)\$.*?(?:\$\1\$|\Z)|\b\d[\d.]{3,}\b", re.DOTALL)
TRACEBACK = "Traceback (most recent call last)"
EXCEPTION_LINE = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Warning|Violation|Expired|Exit|Interrupt)\w*): ")
DETAILS = re.compile(r"^\s*(DETAIL|CONTEXT|HINT|LINE \d+|QUERY|WHERE):.*", re.MULTILINE | re.DOTALL)
OF_THE_DATABASE = re.compile(r"invalid input|violates|out of range|duplicate key|value too long|invalid literal")
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|“[^”]*”|«[^»]*»")
NAME_IN_CODE = re.compile(r"['\"][a-z_][a-z0-9_.]{0,80}['\"]")
LONG_NUMBER = re.compile(r"\+?\d[\d \-]{4,}\d|\d{5,}")
ADDRESS = re.compile(r"(/web/(?:content|image)/[^ ?]*/)[^/ ?]+(?=[ ?]|$)|(\?)[^ \"]*")


def query_shape(query):
    """A statement without the values in it.

    >>> query_shape("SELECT 1 FROM t WHERE a = 'Kamala' AND b IN (E'x\\\\'y', '0712 345') AND id = 42")
    'SELECT 1 FROM t WHERE a = … AND b IN (…, …) AND id = 42'
    """
    if isinstance(query, bytes):
        query = query.decode("utf-8", "replace")
    return LITERAL.sub(HIDDEN, str(query))[:MAX_QUERY]


def scrub(text):
    """Words without what is quoted in them, and without long numbers; names of the code stay.

    >>> scrub("invalid literal for int() with base 10: '+254712345678'")
    'invalid literal for int() with base 10: …'
    >>> scrub("object has no attribute 'action_check'"), scrub("No. 9912345678 of Kamala")
    ("object has no attribute 'action_check'", 'No. … of Kamala')
    """
    text = QUOTED.sub(lambda found: found[0] if NAME_IN_CODE.fullmatch(found[0]) else HIDDEN, text)
    return LONG_NUMBER.sub(HIDDEN, text)


def raised_at(error):
    """Where an error was raised, as `file:line in function`."""
    trace = error.__traceback__
    if not trace:
        return ""
    while trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}"


def describe(error):
    """One line of what happened, without data of people.

    >>> describe(UserError("Kamala Rana has an application already."))
    'UserError (its text is told to the user only)'
    >>> describe(ValueError("+254712345678 is no number"))
    'ValueError: … is no number'
    """
    kind = type(error).__name__
    if isinstance(error, PostgresError):
        diag = error.diag
        about = [diag.constraint_name, diag.table_name, diag.column_name]
        state = f" {error.pgcode} {errorcodes.lookup(error.pgcode).lower()}" if error.pgcode else ""
        about = ", ".join(filter(None, about))
        return f"psycopg2 {kind}{state}" + (f" ({about})" if about else "")
    if isinstance(error, SessionExpiredException):
        return str(error)
    if isinstance(error, UserError):
        where = raised_at(error)
        return f"{kind} (its text is told to the user only)" + (f" at {where}" if where else "")
    first_line = next(iter(str(error).strip().splitlines()), "")
    return f"{kind}: {scrub(first_line)}" if first_line else kind


def traceback_text(error):
    """The traceback of an error and of what led to it: places and kinds, no texts of theirs."""
    parts, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines = traceback.format_tb(error.__traceback__) if error.__traceback__ else []
        parts.append(f"{TRACEBACK}:\n{''.join(lines)}{describe(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nDuring handling of the above exception, another exception occurred:\n\n".join(reversed(parts))


def clean_text(text):
    """Text that may hold a traceback or an error of the database, as other programs hand it on.

    >>> clean_text('duplicate key value\\nDETAIL:  Key (value)=(9912) already exists.')
    'duplicate key value'
    >>> clean_text('invalid input syntax for type integer: "Kamala"')
    'invalid input syntax for type integer: …'
    >>> print(clean_text("Job failed\\nTraceback (most recent call last):\\n  File a\\nodoo.exceptions.UserError: Kamala\\nRana"))
    Job failed
    Traceback (most recent call last):
      File a
    odoo.exceptions.UserError: …
    """
    if TRACEBACK in text:
        lines, inside, hidden = [], False, False
        for line in text.splitlines():
            if TRACEBACK in line:
                inside, hidden = True, False
            elif inside and (found := EXCEPTION_LINE.match(line)):
                lines.append(f"{found[1]}: {HIDDEN}")
                hidden = True
                continue
            elif hidden and not line.startswith(("During handling", "The above exception")):
                continue  # the rest of the error's text
            lines.append(line)
        text = "\n".join(lines)
    if any(mark in text for mark in ("DETAIL:", "CONTEXT:", "LINE ")):
        text = DETAILS.sub("", text).rstrip()
    return scrub(text) if OF_THE_DATABASE.search(text) else text


def _argument(value):
    if isinstance(value, BaseException):
        return describe(value)
    if isinstance(value, list | tuple | dict | set) and QUOTED.search(repr(value)):
        return scrub(repr(value))  # a domain, values of a record: words of people
    return clean_text(value) if isinstance(value, str) else value


def _address(value):
    return ADDRESS.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", value) if isinstance(value, str) else value


def redact(record):
    """Take the data of people out of a log record, in place."""
    if isinstance(record.msg, BaseException):
        record.msg, record.args = describe(record.msg), ()
    elif record.name == "odoo.sql_db" and str(record.msg).startswith("bad query"):
        query, error = (*record.args, None, None)[:2]
        record.msg, record.args = "bad query: %s\nERROR: %s", (query_shape(query), _argument(error))
    else:
        if isinstance(record.msg, str) and (cleaned := clean_text(record.msg)) != record.msg:
            # what its arguments would fill in may be gone
            record.msg, record.args = (clean_text(record.getMessage()), ()) if record.args else (cleaned, ())
        if isinstance(record.args, tuple):
            record.args = tuple(map(_argument, record.args))
        elif isinstance(record.args, dict):
            record.args = {name: _argument(value) for name, value in record.args.items()}
        if record.name == "werkzeug" and isinstance(record.args, tuple):
            record.args = tuple(map(_address, record.args))
    if record.exc_info and record.exc_info is not True and record.exc_info[1] is not None:
        # what formatters take instead of the exception
        record.exc_text = traceback_text(record.exc_info[1])
    return record


def install():
    """Let every record that is made from now on pass `redact`; once, however often it is called."""
    make = logging.getLogRecordFactory()
    if getattr(make, "g2p_redacts", False):
        return

    def redacting(*args, **kwargs):
        record = make(*args, **kwargs)
        try:
            return redact(record)
        except Exception as error:  # a log that fails would stop what is logged
            record.msg, record.args = f"a message that could not be redacted ({type(error).__name__})", ()
            record.exc_info = record.exc_text = None
            return record

    redacting.g2p_redacts = True
    logging.setLogRecordFactory(redacting)
