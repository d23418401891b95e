import {registry} from "@web/core/registry";

/** Money was handed out: tell it, and begin the desk anew, as what was searched for is paid. The list below the question is
 *  left as it is: it goes, and a list that goes can't be read again. */
registry.category("actions").add("g2p_handed_out", async (env, action) => {
    env.services.notification.add(action.params.message, {type: "success"});
    await env.services.action.doAction({type: "ir.actions.act_window_close", infos: {noReload: true}});
    return action.params.next;
});
