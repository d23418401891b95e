import { patch } from "@web/core/utils/patch";
import { FormCompiler } from "@web/views/form/form_compiler";
import { StatusBarButtons } from "@web/views/form/status_bar_buttons/status_bar_buttons";

const COLOURED = /\b(btn-primary|oe_highlight)\b/;

/**
 * A narrow screen (a phone, or a laptop at 200 % zoom) shows the first button of a form only, the others behind a menu: the
 * coloured one, which is what comes next, is the first on every screen.
 */
patch(FormCompiler.prototype, {
    compileHeader() {
        const statusBar = super.compileHeader(...arguments);
        for (const slot of statusBar.getElementsByTagName("t")) {
            const button = slot.hasAttribute("t-set-slot") && slot.firstElementChild;
            if (button && COLOURED.test(button.getAttribute("className") || button.getAttribute("class") || "")) {
                slot.setAttribute("isColoured", "true");
            }
        }
        return statusBar;
    },
});

patch(StatusBarButtons.prototype, {
    get visibleSlotNames() {
        const isPlain = (name) => !this.props.slots[name].isColoured;
        return super.visibleSlotNames.sort((one, other) => isPlain(one) - isPlain(other));
    },
});
