"""Models as files: JSON and CSV out and in, and the coefficients of a fitted regression in. No person's data."""

import csv
import io
import json
import math
import re

from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.tools import table_file
from odoo.addons.g2p_bulk.tools.table_file import Cell, FileError

COLUMNS = [
    "record",
    "variable",
    "value",
    "number",
    "transform",
    "cap_min",
    "cap_max",
    "missing",
    "missing_value",
    "area",
    "residence",
    "only_where",
]
INTERCEPTS = {"_cons", "cons", "(intercept)", "intercept", "constant", "const"}
TRANSFORMED = re.compile(r"^(?P<transform>log|ln|sqrt)\((?P<name>.+)\)$|^(?P<square>.+)\^2$", re.IGNORECASE)
MAX_TERMS = 500
MAX_BYTES = 1_000_000
MAX_ROWS = 20_000


# Out


def to_dict(model):
    """The model without its program: what another program, or another system, needs to score the same."""
    return {
        "format": "g2p.pmt.model",
        "name": model.name,
        "note": model.note or "",
        "constant": model.constant,
        "direction": model.direction,
        "cut_off": model.cut_off if model.has_cut_off else None,
        "cut_offs": [{**_place(line), "cut_off": line.cut_off} for line in model.cut_off_ids],
        "bands": [
            {"name": band.name, "bound": None if band.is_rest else band.bound}
            for band in model.band_ids._poorest_first()
        ],
        "terms": [
            {
                "variable": term._key,
                "label": term.name or "",
                "weight": term.pmt_weightage,
                "transform": term.transform,
                "cap_min": term.cap_min,
                "cap_max": term.cap_max,
                "missing": term.missing,
                "missing_value": term.missing_value,
                "only_where": term.only_where_key or "",
                "classes": [
                    {"bound": None if line.is_rest else line.bound, "points": line.points}
                    for line in term.class_ids._lowest_first()
                ],
                "points": {line.value: line.points for line in term.category_ids},
                "weights": [{**_place(line), "weight": line.weight} for line in term.weight_ids],
            }
            for term in model.term_ids
        ],
    }


def _place(line):
    return {"area": line.area_id.code or line.area_id.complete_name or "", "residence": line.residence or ""}


def to_csv(model):
    """One row for each number of a model, in the columns COLUMNS.

    :param dict model: as :func:`to_dict` gives it

    >>> term = {"variable": "household:size", "label": "=Size", "weight": 1.5, "transform": "none", "cap_min": 0, "cap_max": 0,
    ...         "missing": "refuse", "missing_value": 0, "only_where": "", "classes": [{"bound": None, "points": 2}],
    ...         "points": {}, "weights": [{"area": "A1", "residence": "urban", "weight": 3}]}
    >>> print(to_csv({"name": "Test", "note": "", "constant": 10, "direction": "low", "cut_off": 5,
    ...               "cut_offs": [{"area": "A1", "residence": "", "cut_off": 6}], "bands": [{"name": "Poor", "bound": None}],
    ...               "terms": [term]}).replace("\\r\\n", "\\n"), end="")
    record,variable,value,number,transform,cap_min,cap_max,missing,missing_value,area,residence,only_where
    name,,Test,,,,,,,,,
    direction,,low,,,,,,,,,
    constant,,,10,,,,,,,,
    cut_off,,,5,,,,,,,,
    cut_off,,,6,,,,,,A1,,
    band,,Poor,,,,,,,,,
    term,household:size,'=Size,1.5,none,0,0,refuse,0,,,
    class,household:size,,2,,,,,,,,
    weight,household:size,,3,none,,,,,A1,urban,
    """
    rows = [
        {"record": "name", "value": model["name"]},
        {"record": "direction", "value": model["direction"]},
        {"record": "constant", "number": model["constant"]},
    ]
    if model["note"]:
        rows.append({"record": "note", "value": model["note"]})
    if model["cut_off"] is not None:
        rows.append({"record": "cut_off", "number": model["cut_off"]})
    for line in model["cut_offs"]:
        rows.append({"record": "cut_off", "number": line["cut_off"], **_where(line)})
    for band in model["bands"]:
        rows.append({"record": "band", "value": band["name"], "number": band["bound"]})
    for term in model["terms"]:
        variable = term["variable"]
        rows.append(
            {"record": "term", "variable": variable, "value": term["label"], "number": term["weight"]}
            | {key: term[key] for key in ("transform", "cap_min", "cap_max", "missing", "missing_value", "only_where")}
        )
        for line in term["classes"]:
            bound = "" if line["bound"] is None else line["bound"]
            rows.append({"record": "class", "variable": variable, "value": bound, "number": line["points"]})
        for value, points in term["points"].items():
            rows.append({"record": "points", "variable": variable, "value": value, "number": points})
        for line in term["weights"]:
            weight = {"record": "weight", "variable": variable, "transform": term["transform"]}
            rows.append({**weight, "number": line["weight"], **_where(line)})
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _where(line):
    return {key: line[key] for key in ("area", "residence")}


def _cell(value):
    """Text that a spreadsheet doesn't run as a formula.

    >>> _cell("=1+1"), _cell("Size"), _cell(-1)
    ("'=1+1", 'Size', -1)
    """
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return f"'{value}"
    return value


# In


class PMTReader:
    """A file as values for a new draft. Every refusal is one sentence that names the place."""

    def __init__(self, program):
        self.env = program.env
        self.program = program
        self.variables = self.env["g2p.pmt.variable"]._variables(program)
        terms = self.env["g2p.proxy_means_test_params"]
        self.transforms = [value for value, _label in terms._fields["transform"].selection]
        self.policies = [value for value, _label in terms._fields["missing"].selection]

    def refuse(self, message):
        raise UserError(message)

    # Values

    def number(self, value, place):
        _ = self.env._
        try:
            number = float(str(value).strip().replace(" ", "")) if not isinstance(value, bool) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or abs(number) > 1e15:
            self.refuse(
                _("%(place)s: “%(value)s” is no number (a decimal point is expected).", place=place, value=value)
            )
        return number

    def one_of(self, value, allowed, place):
        if value not in allowed:
            self.refuse(
                self.env._(
                    "%(place)s: “%(value)s” is not known; one of %(allowed)s is expected.",
                    place=place,
                    value=value,
                    allowed=", ".join(allowed),
                )
            )
        return value

    def variable(self, text, place, label=""):
        """By its key, its technical name or its label, whatever the source, as long as only one fits.

        :param label: what the file calls it; the questions of another program have other technical names
        """
        _ = self.env._
        text = str(text or "").strip()
        if text in self.variables:
            return self.variables[text]
        source, _colon, name = text.rpartition(":")
        variables = [one for one in self.variables.values() if source in ("", one.source)]
        names = {name.casefold(), str(label).strip().casefold()} - {""}
        fitting = [one for one in variables if one.name.casefold() == name.casefold()] or [
            one for one in variables if one.label.casefold() in names
        ]
        if not fitting:
            self.refuse(
                _(
                    "%(place)s: there is no variable “%(name)s” in %(program)s.",
                    place=place,
                    name=text,
                    program=self.program.name,
                )
            )
        if len(fitting) > 1:
            self.refuse(
                _(
                    "%(place)s: “%(name)s” may be any of %(keys)s: name one of them.",
                    place=place,
                    name=text,
                    keys=", ".join(one.key for one in fitting),
                )
            )
        return fitting[0]

    def choice(self, variable, text, place):
        """The technical value of a choice that is given by its value or its label."""
        options = variable.options if variable.kind == "choice" else ()
        if variable.kind == "boolean":
            options = (("true", "yes"), ("false", "no"), ("true", "1"), ("false", "0"))
        folded = str(text).strip().casefold()
        for value, label in options:
            if folded in (value.casefold(), label.casefold()):
                return value
        return self.refuse(
            self.env._(
                "%(place)s: “%(value)s” is no choice of “%(name)s”.", place=place, value=text, name=variable.label
            )
        )

    def place_of(self, line, place):
        """{area_id, residence} of a line."""
        _ = self.env._
        area = str(line.get("area") or "").strip()
        found = self.env["g2p.area"]
        if area:
            found = found.search([("code", "=", area)]) or found.search([("complete_name", "=", area)])
            if len(found) != 1:
                self.refuse(_("%(place)s: there is no area “%(area)s”.", place=place, area=area))
        residence = line.get("residence") or ""
        if residence:
            self.one_of(residence, ["urban", "rural"], place)
        if not found and not residence:
            self.refuse(_("%s: an area, urban or rural, or both are expected.", place))
        return {"area_id": found.id, "residence": residence or False}

    # Whole files

    def read(self, content, filename=""):
        """Values for g2p.pmt.model from the bytes of a file: JSON, or a table (CSV, XLSX) of a model or of coefficients."""
        _ = self.env._
        if len(content) > MAX_BYTES:
            self.refuse(_("The file is larger than a model can be (1 MB)."))
        if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                self.refuse(_("The file is not text in UTF-8."))
            if "\x00" in text or "\\u0000" in text:
                self.refuse(_("The file holds a character that is no text (NUL)."))
            return self.read_json(text)
        rows = []
        try:
            for number, row in table_file.read_rows(io.BytesIO(content), filename):
                for cell in row:
                    if isinstance(cell, Cell) and cell.problem != "fraction":
                        self.refuse(_("Line %(row)s: a cell %(reason)s.", row=number, reason=cell.reason(self.env)))
                rows.append(row)
                if len(rows) > MAX_ROWS:
                    self.refuse(_("The file has more rows than a model can have."))
        except FileError as error:
            raise error.for_user(self.env) from error
        header = [cell.strip().casefold() for cell in rows[0]] if rows else []
        if header[:1] == ["record"]:
            return self.read_csv(rows)
        if header[:2] == ["term", "coefficient"]:
            return self.read_coefficients(rows)
        return self.refuse(
            _("The first line must be “term,coefficient” (a regression) or “%s” (a model).", ",".join(COLUMNS))
        )

    def read_json(self, text):
        _ = self.env._
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.refuse(_("The file is no JSON: %s", error))
        if not isinstance(data, dict) or data.get("format") != "g2p.pmt.model":
            self.refuse(_("The file is no proxy means test: “format” must be “g2p.pmt.model”."))
        for name in ("terms", "bands", "cut_offs"):
            items = data.get(name) or []
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                self.refuse(_("“%s” must be a list of objects.", name))
            data[name] = items
        for number, term in enumerate(data["terms"], 1):
            weights = term.get("weights") or []
            classes = term.get("classes") or []
            are_lists = all(
                isinstance(lines, list) and all(isinstance(line, dict) for line in lines)
                for lines in (weights, classes)
            )
            if not isinstance(term.get("points") or {}, dict) or not are_lists:
                self.refuse(_("Term %s: “points” must be an object, “weights” and “classes” lists of objects.", number))
        return self.values(data, lambda kind, position: _("%(kind)s %(number)s", kind=kind, number=position))

    def read_csv(self, rows):
        _ = self.env._
        header = [cell.strip().casefold() for cell in rows[0]]
        if unknown := [name for name in header if name not in COLUMNS]:
            self.refuse(_("Line 1: the column “%s” is not known.", unknown[0]))
        data = {"terms": [], "bands": [], "cut_offs": [], "cut_off": None}
        lines = {"term": [], "band": [], "cut_off": []}
        for number, cells in enumerate(rows[1:], 2):
            place = _("Line %s", number)
            row = dict.fromkeys(COLUMNS, "") | dict(
                zip(header, (cell.strip().removeprefix("'") for cell in cells), strict=False)
            )
            record = self.one_of(
                row["record"],
                ["name", "note", "direction", "constant", "cut_off", "band", "term", "class", "points", "weight"],
                place,
            )
            if record in ("name", "note", "direction"):
                data[record] = row["value"]
            elif record == "constant":
                data["constant"] = self.number(row["number"], place)
            elif record == "cut_off" and not row["area"] and not row["residence"]:
                data["cut_off"] = self.number(row["number"], place)
            elif record == "cut_off":
                data["cut_offs"].append({**row, "cut_off": row["number"]})
                lines["cut_off"].append(number)
            elif record == "band":
                data["bands"].append({"name": row["value"], "bound": row["number"] or None})
                lines["band"].append(number)
            elif record == "term":
                data["terms"].append(
                    {**row, "label": row["value"], "weight": row["number"], "points": {}, "weights": [], "classes": []}
                )
                lines["term"].append(number)
            else:
                owners = [
                    term
                    for term in data["terms"]
                    if term["variable"] == row["variable"]
                    and (record != "weight" or term["transform"] == (row["transform"] or "none"))
                ]
                if not owners:
                    self.refuse(_("%(place)s: no term “%(name)s” stands above.", place=place, name=row["variable"]))
                if record == "weight":
                    owners[-1]["weights"].append({**row, "weight": row["number"]})
                elif record == "class":
                    owners[-1]["classes"].append({"bound": row["value"] or None, "points": row["number"]})
                elif row["value"] in owners[-1]["points"]:
                    self.refuse(_("%(place)s: “%(value)s” has its points already.", place=place, value=row["value"]))
                else:
                    owners[-1]["points"][row["value"]] = row["number"]
        kinds = {_("Term"): "term", _("Band"): "band", _("Cut-off"): "cut_off"}
        return self.values(data, lambda kind, position: _("Line %s", lines[kinds[kind]][position - 1]))

    def read_coefficients(self, rows):
        """A fitted regression: `term,coefficient`; the intercept; dummies as `variable=choice`; log(x), sqrt(x), x^2."""
        _ = self.env._
        data = {"name": _("Regression"), "constant": 0.0, "terms": [], "bands": [], "cut_offs": [], "cut_off": None}
        by_key, lines, intercept = {}, [], False
        for number, cells in enumerate(rows[1:], 2):
            place = _("Line %s", number)
            if len(cells) < 2:
                self.refuse(_("%s: a term and a coefficient are expected.", place))
            name, coefficient = cells[0].strip(), self.number(cells[1], place)
            if name.casefold() in INTERCEPTS:
                if intercept:
                    self.refuse(_("%s: the intercept is there already.", place))
                data["constant"], intercept = coefficient, True
                continue
            if "=" in name:
                variable_text, _equals, choice_text = name.partition("=")
                variable = self.variable(variable_text, place)
                choice = self.choice(variable, choice_text, place)
                term = by_key.get((variable.key, "choices"))
                if not term:
                    # Choices that the regression leaves out are its reference: they are worth nothing.
                    options = [value for value, _label in variable.options] or ["true", "false"]
                    term = {
                        "variable": variable.key,
                        "weight": 1.0,
                        "points": dict.fromkeys(options, 0.0),
                        "given": set(),
                    }
                    by_key[variable.key, "choices"] = term
                    data["terms"].append(term)
                    lines.append(number)
                if choice in term["given"]:
                    self.refuse(_("%(place)s: “%(name)s” is there already.", place=place, name=name))
                term["given"].add(choice)
                term["points"][choice] = coefficient
                continue
            transform = "none"
            if match := TRANSFORMED.match(name):
                name = match["name"] or match["square"]
                transform = {"log": "log", "ln": "log", "sqrt": "sqrt", None: "square"}[
                    match["transform"] and match["transform"].lower()
                ]
            variable = self.variable(name, place)
            if (variable.key, transform) in by_key:
                self.refuse(_("%(place)s: “%(name)s” is there already.", place=place, name=name))
            by_key[variable.key, transform] = True
            data["terms"].append({"variable": variable.key, "weight": coefficient, "transform": transform})
            lines.append(number)
        return self.values(data, lambda kind, position: _("Line %s", lines[position - 1]))

    def values(self, data, place_of):
        """Values for `create` from what one of the formats said; `place_of(kind, position)` names a place in the file."""
        _ = self.env._
        if len(data["terms"]) > MAX_TERMS:
            self.refuse(_("The file has more than %s terms.", MAX_TERMS))
        if not data["terms"]:
            self.refuse(_("The file has no terms."))
        direction = data.get("direction") or "low"
        self.one_of(direction, ["low", "high"], _("Direction"))
        cut_off = data.get("cut_off")
        values = {
            "program_id": self.program.id,
            "name": str(data.get("name") or _("Proxy means test")),
            "note": str(data.get("note") or ""),
            "constant": self.number(data.get("constant") or 0, _("Constant")),
            "direction": direction,
            "has_cut_off": cut_off is not None,
            "cut_off": self.number(cut_off, _("Cut-off")) if cut_off is not None else 0,
        }
        values["term_ids"] = []
        for position, term in enumerate(data["terms"], 1):
            place = place_of(_("Term"), position)
            values["term_ids"].append((0, 0, self.term_values(term, position, place)))
        seen = set()
        values["cut_off_ids"] = []
        for position, line in enumerate(data["cut_offs"], 1):
            place = place_of(_("Cut-off"), position)
            where = self.place_of(line, place)
            self.once(tuple(where.values()), seen, place)
            values["cut_off_ids"].append((0, 0, {**where, "cut_off": self.number(line.get("cut_off"), place)}))
        names, bounds = set(), set()
        values["band_ids"] = []
        for position, band in enumerate(data["bands"], 1):
            place = place_of(_("Band"), position)
            name, bound = str(band.get("name") or "").strip(), band.get("bound")
            if not name:
                self.refuse(_("%s: a band needs a name.", place))
            self.once(name, names, place)
            bound = self.number(bound, place) if bound is not None else None
            self.once(bound, bounds, place)
            values["band_ids"].append((0, 0, {"name": name, "is_rest": bound is None, "bound": bound or 0}))
        return values

    def once(self, key, seen, place):
        if key in seen:
            self.refuse(self.env._("%s: this is there already.", place))
        seen.add(key)

    def condition(self, text, place):
        """The condition “variable=choice” of a term, either given by its value or its label."""
        name, equals, choice = str(text).rpartition("=")
        if not equals:
            self.refuse(self.env._("%(place)s: “%(text)s” must read “variable=choice”.", place=place, text=text))
        variable = self.variable(name, place)
        return f"{variable.key}={self.choice(variable, choice, place)}"

    def term_values(self, term, position, place):
        variable = self.variable(term.get("variable"), place, term.get("label"))
        transform = self.one_of(term.get("transform") or "none", self.transforms, place)
        points, choices = [], set()
        for text, number in (term.get("points") or {}).items():
            choice = self.choice(variable, text, place)
            self.once(choice, choices, place)
            points.append((0, 0, {"value": choice, "points": self.number(number, place)}))
        classes, bounds = [], set()
        for line in term.get("classes") or []:
            bound = self.number(line["bound"], place) if line.get("bound") is not None else None
            self.once(bound, bounds, place)
            values = {"is_rest": bound is None, "bound": bound or 0, "points": self.number(line.get("points"), place)}
            classes.append((0, 0, values))
        weights, places = [], set()
        for line in term.get("weights") or []:
            where = self.place_of(line, place)
            self.once(tuple(where.values()), places, place)
            weights.append((0, 0, {**where, "weight": self.number(line.get("weight"), place)}))
        return {
            "sequence": position * 10,
            "source": variable.source,
            "pmt_field": variable.name,
            "pmt_weightage": self.number(term.get("weight"), place),
            "transform": transform,
            "missing": self.one_of(term.get("missing") or "refuse", self.policies, place),
            "only_where_key": self.condition(term["only_where"], place) if term.get("only_where") else False,
            **{name: self.number(term.get(name) or 0, place) for name in ("cap_min", "cap_max", "missing_value")},
            "class_ids": classes,
            "category_ids": points,
            "weight_ids": weights,
        }
