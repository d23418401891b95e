import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { patch } from "@web/core/utils/patch";
import { parseFloat, parseInteger, parseMonetary } from "@web/views/fields/parsers";
import { PropertyValue } from "@web/views/fields/properties/property_value";

const PARSERS = { integer: parseInteger, float: parseFloat, monetary: parseMonetary };

/**
 * An answer that nobody gave is none: an empty number is not 0, and yes or no has a third state. Odoo's own properties
 * know neither, so this holds for the records of the suite only.
 */
patch(PropertyValue.prototype, {
    setup() {
        super.setup(...arguments);
        this.notification = useService("notification");
    },

    get isAnswer() {
        const model = this.props.record?.resModel || "";
        return model === "res.partner" || model.startsWith("g2p.");
    },

    get isUnanswered() {
        return [undefined, null, false].includes(this.props.value);
    },

    get displayValue() {
        if (this.isAnswer && this.props.type in PARSERS && this.isUnanswered) {
            return "";
        }
        return super.displayValue;
    },

    /** "true", "false", or "" where nobody has answered. */
    get yesOrNo() {
        return typeof this.props.value === "boolean" ? String(this.props.value) : "";
    },

    get yesOrNoText() {
        return { true: _t("Yes"), false: _t("No") }[this.yesOrNo] || "";
    },

    onYesOrNo(choice) {
        this.props.onChange(choice === "" ? null : choice === "true");
    },

    async onValueChange(newValue) {
        if (this.isAnswer && this.props.type in PARSERS) {
            return this.props.onChange(this.parseNumber(String(newValue)));
        }
        return super.onValueChange(...arguments);
    },

    parseNumber(text) {
        if (!text.trim()) {
            return null;
        }
        try {
            return PARSERS[this.props.type](text);
        } catch {
            this.notification.add(
                _t("“%(text)s” is no number: “%(question)s” is left unanswered.", {
                    text,
                    question: this.props.string || "",
                }),
                { type: "warning" }
            );
            return null;
        }
    },
});
