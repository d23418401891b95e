"""How an amount came about, in words that a beneficiary understands, from the terms that are kept with it."""

from odoo.tools.misc import formatLang

from odoo.addons.g2p_registry_base.models.condition_catalogue import COUNTS

# Figures that can be said as so many of something: “3 children × 20”.
COUNTED = {f"household:{name}" for name in COUNTS}


class AmountWords:
    """One reader for many amounts: the names of figures are looked up once.

    :param env: in the language of the reader
    """

    def __init__(self, env):
        self.env = env
        # sudo: what figures are called is no secret; the numbers are those of the record that the reader may read
        self.figures = env["g2p.condition.catalogue"].sudo()._figures()

    def tell(self, terms, target_type="group"):
        """“100 for the household + 3 children × 20 = 160, less 2 % fee (3.2): 156.8 is paid out”.

        :param dict terms: as `_entitlement_lines` gives them
        """
        _, terms = self.env._, dict(terms or {})
        parts = self._parts(terms, target_type)
        if not parts:
            if names := terms.get("not_met"):
                return _("Nothing is due: none of these applies: %s", ", ".join(names))
            return ""
        total = sum(amount for amount, _words in parts)
        told = " + ".join(words for _amount, words in parts)
        if len(parts) > 1 or "×" in told:
            told = f"{told} = {self.number(total)}"
        for most in (terms.get("cap"), terms.get("max_quantity")):
            if most and total > most:
                total = most
                told = _("%(told)s, at most %(most)s", told=told, most=self.number(most))
        part = terms.get("part_of_period")
        if part:
            told = _("%(told)s, for %(days)s of %(full_days)s days of a full period", told=told, **part)
        if total <= 0:
            return _("Nothing is due: %s", told)
        return self._with_fee(told, terms, total, bool(part))

    def _parts(self, terms, target_type):
        """[(amount, words)] of what is added up."""
        _ = self.env._
        parts = []
        if "base" in terms:
            base = self.number(terms["base"])
            words = _("%s for the household", base) if target_type == "group" else _("%s for the person", base)
            parts.append((terms["base"], words))
        if "per_member" in terms and "members" in terms:
            most = terms.get("max_members")
            counted = terms["members"] if most is None else min(terms["members"], most)
            words = self._times(counted, terms["per_member"], terms.get("of", "household:size"), None)
            if counted < terms["members"]:
                words = _(
                    "%(words)s (of %(all)s, at most %(most)s count)", words=words, all=terms["members"], most=most
                )
            parts.append((counted * terms["per_member"], words))
        for item in terms.get("items", ()):
            amount, number = item["amount"], item.get("multiplier")
            if number is None:
                continue
            if "of" in item or number != 1:
                words = self._times(number, amount, item.get("of"), item["item"])
            else:
                words = f"{self.number(amount)} ({item['item']})"
            parts.append((amount * number, words))
        return parts

    def _times(self, number, amount, key, name):
        """“3 children × 20”, or “3 × 20 (Number of goats)”."""
        figure = self.figures.get(key)
        label = figure.label if figure else name or (key or "").partition(":")[2]
        number, amount = self.number(number), self.number(amount)
        if key in COUNTED and number != "1":
            return f"{number} {self._within(label)} × {amount}"
        return f"{number} × {amount} ({self._within(label) if figure else label})"

    def _within(self, label):
        """A label within a sentence; German keeps its nouns."""
        if (self.env.lang or "").startswith("de") or label[1:2].isupper():
            return label
        return label[:1].lower() + label[1:]

    def _with_fee(self, told, terms, total, is_part):
        _, fee = self.env._, terms.get("fee")
        if not fee:
            return told
        percent = terms.get("fee_pct")
        less = _("%s %% fee", self.number(percent)) if percent else _("a fee")
        if not is_part and fee > total:
            return _(
                "%(told)s, less %(less)s (%(fee)s): more than the amount", told=told, less=less, fee=self.number(fee)
            )
        if is_part:  # the sum is that of the days, rounded: the entitlement shows it
            return _("%(told)s, less %(less)s (%(fee)s)", told=told, less=less, fee=self.number(fee))
        return _(
            "%(told)s, less %(less)s (%(fee)s): %(rest)s is paid out",
            told=told,
            less=less,
            fee=self.number(fee),
            rest=self.number(total - fee),
        )

    def number(self, value):
        """A number of the terms as people write it: without decimals that say nothing."""
        value = round(value, 2)
        return formatLang(self.env, value, digits=0 if value == int(value) else 2)
