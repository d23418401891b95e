"""What the columns of a file become."""

from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools import decimal_text
from odoo.addons.g2p_registry_base.models.properties import NUMBERS

from . import results, rows


def lines_of(record, header):
    """The lines of the mapping, or lines that are not stored, for a file with these columns; raises where they do not fit."""
    if not any(header):
        raise UserError(record.env._("The file is empty: its first row must hold the names of the columns."))
    if twice := {name for name in header if name and header.count(name) > 1}:
        raise UserError(record.env._("These columns stand twice in the file: %s", ", ".join(sorted(twice)[:10])))
    lines = record.mapping_id.line_ids
    if not record.mapping_id:
        lines = record.mapping_id._columns_by_name(
            header, record.env["g2p.id.type"].search([("active", "=", True)]), record.target_type, record.company_id
        )
        own = results.own_columns(record.env)
        if header[: len(own)] == own:  # corrected rows: what was wrong with them is no fact of anybody
            lines = lines.filtered(lambda line: line.target != "info" or line.column not in own)
        if record.target_type == "group" or "household" not in lines.mapped("target"):
            # nobody asked for members: such a column is a fact like any other
            lines.filtered(lambda line: line.target in ("household", "role")).target = "info"
    if missing := [line.column for line in lines if line.column.strip() not in header]:
        raise UserError(record.env._("These columns are missing in the file: %s", ", ".join(missing)))
    if not set(rows.NAME_TARGETS) & set(lines.mapped("target")):
        raise UserError(record.env._("No column of the file holds names. Choose a mapping, or name the columns."))
    return lines


def check(record, lines):
    """Refuse what does not go together."""
    targets = set(lines.mapped("target"))
    ids = lines.filtered(lambda line: line.target == "id")
    for id_type in ids.id_type_id:
        if len(ids.filtered(lambda line, id_type=id_type: line.id_type_id == id_type)) > 1:
            raise UserError(record.env._("Two columns of the file hold the ID %s.", id_type.name))
        if id_type.target_type not in ("both", record.target_type):
            raise UserError(record.env._("%s is an ID of the other kind of registrant.", id_type.name))
    for line in lines.filtered(lambda line: line.target == "id_expiry"):
        if line.id_type_id not in ids.id_type_id:
            raise UserError(
                record.env._("The expiry date of %s needs a column with the ID itself.", line.id_type_id.name)
            )
    for relation in lines.relationship_id:
        if relation.source_type not in (False, record.target_type[0]):
            raise UserError(record.env._("“%s” is a relationship of the other kind of registrant.", relation.name))
    if "group_attribute" in targets and not targets & {"household", "group_id"}:
        raise UserError(record.env._("Answers of the household need a column that names the household."))
    members = targets & {"household", "group_id", "role", "group_attribute"}
    if record.target_type == "group" and members:
        raise UserError(record.env._("Only individuals are members of a group: import them as individuals."))
    if record.target_type == "individual" and "kind" in targets:
        kind = lines.filtered(lambda line: line.target == "kind")[0]
        raise UserError(
            record.env._(
                "Column “%s” says what type of group each row is, so these are groups: choose “Imports: Groups”, or take the "
                "column out.",
                kind.column,
            )
        )
    if members == {"role"}:
        raise UserError(record.env._("A role needs a group: no column names one."))
    if {"household", "group_id"} <= targets:
        raise UserError(
            record.env._("A file names groups by a household number or by an ID of the group, not by both.")
        )
    if record.existing_policy == "update" and record.match_id_type_id not in ids.id_type_id:
        raise UserError(
            record.env._(
                "No column of the file holds the ID that tells who is updated: %s", record.match_id_type_id.name
            )
        )


def check_once(record, lines):
    """Two columns for what a registrant has once: nobody guesses which of them is meant."""
    several = ("id", "id_expiry", "phone", "account_number", "wallet_number", "info", "related_id")
    once = lines.filtered(lambda line: line.target not in several)
    for same in once.grouped(lambda line: (line.target, line.question)).values():
        if len(same) > 1:
            raise UserError(
                record.env._(
                    "Two columns may be “%(target)s”: “%(first)s” and “%(second)s”. Choose a mapping that says which it is.",
                    target=same[0]._target_label(),
                    first=same[0].column,
                    second=same[1].column,
                )
            )


def columns_of(record, header, lines):
    """What each used column of the file becomes, in the mapping's order: what is kept as the layout."""
    questions = _questions(record, lines)
    return [
        {
            **questions.get(line.column, {}),
            "values": line._values(),
            "relation": line.relationship_id.id,
            "position": header.index(line.column.strip()),
            "column": line.column,
            "target": line.target,
            "id_type": line.id_type_id.id,
            "required": line.required,
            "date_format": line.date_format or record.date_format,
        }
        for line in lines
    ]


def _questions(record, lines):
    """{column: what the layout has to know of the question that it answers}"""
    known = {}
    for line in lines.filtered("question"):
        asked = line._asked(record.target_type, record.company_id)
        found = [question for question in asked if question["name"] == line.question]
        if not found:
            raise UserError(
                record.env._(
                    "Column %s: this question is not asked of these registrants, or not any more.", line.column
                )
            )
        question = found[0]
        choices = [*(question.get("selection") or ()), *(tag[:2] for tag in question.get("tags") or ())]
        known[line.column] = {
            "question": question["name"],
            "kind": question["type"],
            "choices": {text.strip().lower(): value for value, label in choices for text in (label, value)},
        }
    return known


def is_number(column):
    return column["target"] == "income" or column.get("kind") in NUMBERS


def decimal_mark(record, column, found):
    """The decimal mark of a column: as chosen, as its values prove it, or as its meaning has it.

    :param decimal_text.Column found: the values of the column
    """
    if record.decimal_mark or not found.sample:
        return record.decimal_mark or found.mark
    if not found.is_open:
        return found.mark
    if (
        column["target"] == "income" or column.get("kind") == "monetary"
    ) and record.company_id.currency_id.decimal_places < 3:
        return decimal_text.WHOLE  # no money of this currency has three decimals
    raise UserError(
        record.env._(
            "Column “%(column)s”: %(value)s may be two numbers, and no other value of the column tells which. Choose the "
            "decimal mark.",
            column=column["column"],
            value=found.sample[:50],
        )
    )
