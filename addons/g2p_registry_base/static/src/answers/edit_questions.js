import {FormController} from "@web/views/form/form_controller";
import {patch} from "@web/core/utils/patch";

// *Edit Properties* adds a question at once, and a form with one that may not be kept can't be saved: who may not change the
// questions is not offered it. The server says so in a field of the form.
patch(FormController.prototype, {
    getStaticActionMenuItems() {
        const items = super.getStaticActionMenuItems();
        const {isAvailable} = items.addPropertyFieldValue;
        items.addPropertyFieldValue.isAvailable = () =>
            isAvailable() && this.model.root.data.may_edit_questions !== false;
        return items;
    },
});
