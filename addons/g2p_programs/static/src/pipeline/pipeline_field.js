import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** The steps of a cycle, numbered, with counts and amounts; each leads to its list. */
export class PipelineField extends Component {
    static template = "g2p_programs.PipelineField";
    static props = { ...standardFieldProps };

    setup() {
        this.action = useService("action");
    }

    get steps() {
        return this.props.record.data[this.props.name] || [];
    }

    stateText(step) {
        return { done: _t("Done"), now: _t("Now"), todo: _t("Later"), stopped: _t("Cancelled") }[step.state];
    }

    onOpen(name) {
        const { resModel, resId } = this.props.record;
        return this.action.doActionButton({
            type: "object",
            name,
            resModel,
            resId,
            resIds: [resId],
            context: {},
        });
    }
}

registry.category("fields").add("g2p_pipeline", {
    component: PipelineField,
    displayName: _t("Steps of a cycle"),
    supportedTypes: ["json"],
});
