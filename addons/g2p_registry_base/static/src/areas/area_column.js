import {ListRenderer} from "@web/views/list/list_renderer";
import {patch} from "@web/core/utils/patch";

const LEVELS = 2; // of an area that a column of a list tells; its hint, and the form, tell all

patch(ListRenderer.prototype, {
    getFormattedValue(column, record) {
        const text = super.getFormattedValue(...arguments);
        if (this.fields[column.name]?.relation !== "g2p.area" || typeof text !== "string" || this.tellsAll) {
            return text;
        }
        return text.split(", ").slice(0, LEVELS).join(", ");
    },

    getCellTitle() {
        this.tellsAll = true;
        try {
            return super.getCellTitle(...arguments);
        } finally {
            this.tellsAll = false;
        }
    },
});
