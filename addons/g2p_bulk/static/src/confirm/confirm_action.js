import { ConfirmationDialog } from "@web/core/confirmation_dialog/confirmation_dialog";
import { registry } from "@web/core/registry";

/**
 * Asks before a step, in a sentence with counts and amounts that the server wrote, then calls the step's method.
 * The method checks roles and states itself: the question is a courtesy, not a guard. The context says what was asked about.
 */
async function confirmAction(env, action) {
    const { title, message, confirm_label, model, id, method, context } = action.params;
    const agreed = await new Promise((resolve) => {
        env.services.dialog.add(
            ConfirmationDialog,
            {
                title,
                body: message,
                confirmLabel: confirm_label,
                confirm: () => resolve(true),
                cancel: () => resolve(false),
            },
            { onClose: () => resolve(false) }
        );
    });
    if (!agreed) {
        return;
    }
    const result = await env.services.orm.call(model, method, [[id]], context ? { context } : {});
    return result && typeof result === "object" ? result : { type: "ir.actions.act_window_close" };
}

registry.category("actions").add("g2p_confirm", confirmAction);
