import {DateTimeField} from "@web/views/fields/datetime/datetime_field";
import {_t} from "@web/core/l10n/translation";
import {localization} from "@web/core/l10n/localization";
import {patch} from "@web/core/utils/patch";

patch(DateTimeField.prototype, {
    /** How a date is typed, in the language of the user: day/month and month/day look alike. */
    get typedAs() {
        const withTime = this.field.type === "datetime" && this.props.showTime;
        const format = withTime ? `${localization.dateFormat} hh:mm` : localization.dateFormat;
        return format.toLowerCase();
    },

    get typedAsText() {
        return _t("Type it as %s", this.typedAs);
    },
});
