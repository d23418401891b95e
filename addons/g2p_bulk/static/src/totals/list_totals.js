import { useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { patch } from "@web/core/utils/patch";
import { ListRenderer } from "@web/views/list/list_renderer";

const formatters = registry.category("formatters");
const NUMBERS = ["integer", "float", "monetary"];

/**
 * The footer of a list that is longer than its page: sums of the whole filtered list, read from the server, each currency by
 * itself. Odoo adds up the page, which reads like the total. What the server can't add up has no sum then.
 */
patch(ListRenderer.prototype, {
    setup() {
        // Before Odoo's own, which computes the footer when it renders
        this.g2pTotals = useState({ key: false, rows: false });
        this.g2pOrm = useService("orm");
        super.setup(...arguments);
    },

    /** Whether the footer stands for more records than are on the page. */
    get g2pIsPart() {
        const { list } = this.props;
        if (list.selection.length) {
            return Boolean(list.isDomainSelected);
        }
        return list.isGrouped ? list.count > list.groups.length : list.count > list.records.length;
    },

    get g2pSummed() {
        return this.columns.filter(
            (column) =>
                column.type === "field" && column.attrs.sum && NUMBERS.includes(this.fields[column.name].type)
        );
    },

    g2pLoadTotals() {
        const { list } = this.props;
        const names = this.g2pSummed.map((column) => column.name).filter((name) => this.fields[name].store);
        if (!names.length || !this.g2pIsPart || list.model.root !== list) {
            return;
        }
        // The page that was loaded tells when the list was read again; another page of the same list has the same totals
        const page = list.isGrouped ? list.groups : list.records;
        const key = JSON.stringify([list.resModel, list.domain, names, list.count]);
        const again = this.g2pPage !== page && this.g2pOffset === list.offset;
        if (this.g2pKey === key && !again) {
            this.g2pPage = page;
            this.g2pOffset = list.offset;
            return;
        }
        Object.assign(this, { g2pKey: key, g2pPage: page, g2pOffset: list.offset });
        const currency = this.g2pCurrencyField;
        this.g2pOrm.silent
            .formattedReadGroup(
                list.resModel,
                list.domain,
                currency ? [currency] : [],
                names.map((name) => `${name}:sum`),
                { context: list.context }
            )
            .then((rows) => {
                if (this.g2pKey === key) {
                    Object.assign(this.g2pTotals, { key, rows });
                }
            })
            .catch(() => {
                // No sum is better than a wrong one; the list itself says what went wrong, if anything did
                if (this.g2pKey === key) {
                    Object.assign(this.g2pTotals, { key, rows: false });
                }
            });
    },

    get g2pCurrencyField() {
        const column = this.g2pSummed.find((column) => this.fields[column.name].type === "monetary");
        const name = column && this.getCurrencyField(column);
        return name && this.fields[name]?.store ? name : false;
    },

    computeAggregates() {
        const aggregates = super.computeAggregates();
        if (!this.g2pIsPart) {
            return aggregates;
        }
        this.g2pLoadTotals();
        const { key, rows } = this.g2pTotals;
        const known = rows && key === this.g2pKey && this.props.list.model.root === this.props.list;
        for (const column of this.g2pSummed) {
            const { name, attrs } = column;
            const field = this.fields[name];
            if (!known || !field.store || (field.type === "monetary" && !this.g2pCurrencyField)) {
                delete aggregates[name];
                continue;
            }
            const format = formatters.get(field.type);
            const currencyField = field.type === "monetary" && this.g2pCurrencyField;
            const texts = currencyField
                ? rows
                      .filter((row) => row[`${name}:sum`] || rows.length === 1)
                      .map((row) =>
                          format(row[`${name}:sum`] || 0, {
                              currencyId: row[currencyField] && row[currencyField][0],
                          })
                      )
                : [format(rows.reduce((total, row) => total + (row[`${name}:sum`] || 0), 0))];
            aggregates[name] = {
                help: _t("%s: of the whole list, not of this page only", attrs.sum),
                value: texts.join(" + "),
                multiCurrency: false,
                rawValue: undefined,
            };
        }
        return aggregates;
    },
});
