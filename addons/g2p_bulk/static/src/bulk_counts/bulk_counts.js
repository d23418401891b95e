import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { formatInteger } from "@web/views/fields/formatters";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** The counts of a bulk operation by outcome, grouped; each leads to its rows. */
export class BulkCountsField extends Component {
    static template = "g2p_bulk.BulkCountsField";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.formatInteger = formatInteger;
    }

    get groups() {
        const lines = this.props.record.data[this.props.name] || [];
        return [
            { kind: "done", label: _t("Done"), icon: "fa-check text-success" },
            { kind: "skipped", label: _t("Skipped"), icon: "fa-minus text-muted" },
            { kind: "failed", label: _t("Failed"), icon: "fa-exclamation-triangle text-danger" },
        ]
            .map((group) => {
                const own = lines.filter((line) => line.kind === group.kind);
                return { ...group, lines: own, total: own.reduce((total, line) => total + line.count, 0) };
            })
            .filter((group) => group.lines.length);
    }

    async onOpen(line) {
        const { resModel, resId } = this.props.record;
        this.action.doAction(await this.orm.call(resModel, "action_open_outcome", [[resId], line.outcome]));
    }
}

export const bulkCountsField = {
    component: BulkCountsField,
    displayName: _t("Counts of a bulk operation"),
    supportedTypes: ["json"],
};

registry.category("fields").add("g2p_bulk_counts", bulkCountsField);
