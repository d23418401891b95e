import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** The members of a set of duplicates as columns, what to compare as lines; the head of a column decides. */
export class SideBySideField extends Component {
    static template = "g2p_programs.SideBySideField";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.notification = useService("notification");
    }

    get comparison() {
        return this.props.record.data[this.props.name] || { members: [], lines: [], hidden: 0 };
    }

    get hiddenText() {
        return _t("%s more members are of areas that you do not see.", this.comparison.hidden);
    }

    async onKeep(member) {
        const { resModel, resId } = this.props.record;
        if (!(await this.props.record.save())) {
            return;
        }
        await this.orm.call(resModel, "action_keep", [[resId], member.id]);
        await this.props.record.load();
        this.notification.add(_t("%s stays. The others of this set are duplicates.", member.name), {
            type: "success",
        });
    }

    onOpen(member) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "res.partner",
            res_id: member.partner_id,
            views: [[false, "form"]],
        });
    }
}

registry.category("fields").add("g2p_side_by_side", {
    component: SideBySideField,
    displayName: _t("Members side by side"),
    supportedTypes: ["json"],
});
