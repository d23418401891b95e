import { notificationService } from "@web/core/notifications/notification_service";
import { patch } from "@web/core/utils/patch";

// What a button says stays when the button itself opens a page
const SAME_ACT_MILLISECONDS = 2000;

/** A message belongs to the page it was said on: it closes when another page opens. */
patch(notificationService, {
    start(env) {
        const service = super.start(...arguments);
        const { add } = service;
        const shown = new Map();
        service.add = (message, options = {}) => {
            const close = add(message, {
                ...options,
                onClose: () => {
                    shown.delete(close);
                    options.onClose?.();
                },
            });
            shown.set(close, Date.now());
            return close;
        };
        env.bus.addEventListener("ACTION_MANAGER:UI-UPDATED", ({ detail: mode }) => {
            if (mode === "new") {
                return;
            }
            for (const [close, since] of [...shown]) {
                if (Date.now() - since > SAME_ACT_MILLISECONDS) {
                    close();
                }
            }
        });
        return service;
    },
});
