import { reactive, useState } from "@odoo/owl";
import { rpcBus } from "@web/core/network/rpc";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";
import { patch } from "@web/core/utils/patch";
import { debounce } from "@web/core/utils/timing";
import { NavBar } from "@web/webclient/navbar/navbar";

const MENU = "menu_g2p_approval";
// How long a count is believed while pages are opened and nobody presses a button.
const FRESH = 5000;
const MINUTE = 60000;
// Calls after which nothing else waits than before.
const READS = /^(web_|read|search|name_|onchange|get_|formatted_|default_get|has_group|fields_get|load_|action_ask_)/;

/** How many requests wait for the user: counted when a page opens, and again after each button. */
const approvalCountService = {
    dependencies: ["orm"],
    start(env, { orm }) {
        const state = reactive({ count: 0 });
        let counted = 0;
        const refresh = async () => {
            counted = Date.now();
            if (await user.hasGroup("g2p_approval.group_g2p_approval_user")) {
                state.count = await orm.silent.searchCount("g2p.approval.request", [["can_decide", "=", true]]);
            }
        };
        const soon = debounce(refresh, 500);
        rpcBus.addEventListener("RPC:RESPONSE", ({ detail }) => {
            const method = detail.data.params?.method;
            if (method && !READS.test(method)) {
                soon();
            }
        });
        env.bus.addEventListener("ACTION_MANAGER:UI-UPDATED", () => {
            if (Date.now() - counted > FRESH) {
                refresh();
            }
        });
        // Who stays on a page is told within a minute.
        setInterval(refresh, MINUTE);
        return { state, refresh };
    },
};

registry.category("services").add("g2p_approval_count", approvalCountService);

patch(NavBar.prototype, {
    setup() {
        super.setup();
        this.approvalCount = useState(useService("g2p_approval_count").state);
    },
    get currentAppSections() {
        const count = this.approvalCount.count;
        return super.currentAppSections.map((section) =>
            count && section.xmlid?.endsWith("." + MENU)
                ? { ...section, name: `${section.name} (${count})` }
                : section
        );
    },
});
