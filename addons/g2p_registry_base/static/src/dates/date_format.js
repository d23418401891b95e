import {DateTimeField} from "@web/views/fields/datetime/datetime_field";
import {_t} from "@web/core/l10n/translation";
import {localization} from "@web/core/l10n/localization";
import {patch} from "@web/core/utils/patch";
import {registry} from "@web/core/registry";

const {DateTime} = luxon;

/** A day with its year, also of this year: papers are read later. */
function withYear(value, text) {
    const day = value.toLocaleString({month: "short", day: "numeric"});
    const full = value.toLocaleString(DateTime.DATE_MED);
    return text.includes(full) ? text : text.replace(day, full);
}

const formatters = registry.category("formatters");
for (const type of ["date", "datetime"]) {
    const format = formatters.get(type);
    const told = (value, options) => (value ? withYear(value, format(value, options)) : "");
    formatters.add(type, Object.assign(told, {extractOptions: format.extractOptions}), {force: true});
}

patch(DateTimeField.prototype, {
    /** How a date is typed, in the language of the user: day/month and month/day look alike. */
    get typedAs() {
        const withTime = this.field.type === "datetime" && this.props.showTime;
        const format = withTime ? `${localization.dateFormat} hh:mm` : localization.dateFormat;
        return format.toLowerCase();
    },

    getFormattedValue(valueIndex, numeric) {
        const text = super.getFormattedValue(...arguments);
        const value = this.values[valueIndex];
        return value && text ? withYear(value, text) : text;
    },

    get typedAsText() {
        return _t("Type it as %s", this.typedAs);
    },
});
