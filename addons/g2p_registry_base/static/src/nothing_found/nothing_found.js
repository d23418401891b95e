import {ActionHelper} from "@web/views/action_helper";
import {patch} from "@web/core/utils/patch";

patch(ActionHelper.prototype, {
    /** What the search box holds, in the words of its facets; empty where nothing was searched. */
    get searched() {
        const facets = this.env.searchModel?.facets || [];
        return facets
            .filter((facet) => facet.type !== "groupBy")
            .map((facet) => {
                const values = facet.values.join(` ${facet.separator || ","} `);
                return facet.title ? `${facet.title}: ${values}` : values;
            })
            .join("; ");
    },
});
