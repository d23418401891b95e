import {AutoComplete} from "@web/core/autocomplete/autocomplete";
import {patch} from "@web/core/utils/patch";

// A field that names somebody finds people who are called nearly so. None of them is put forward for Tab and Enter, which
// would take a stranger unseen: the server says who alone is called as was typed (`is_meant`).
patch(AutoComplete.prototype, {
    navigate(direction) {
        super.navigate(direction);
        if (!direction && this.state.navigationRev === this.revBeforeLoad) {
            this.putForward();
        }
    },

    async loadSources(useInput) {
        this.revBeforeLoad = this.state.navigationRev;
        this.isTyped = useInput;
        await super.loadSources(useInput);
    },

    /** Who is called as was typed; else *Create and edit…*, where there is that; else nobody. */
    putForward() {
        const active = this.activeOption;
        this.nobodyMeant = false;
        if (active?.data.record?.is_meant !== false) {
            return;
        }
        if (!this.isTyped || !this.inputRef.el.value) {
            this.state.activeSourceOption = null; // whoever looks at the field takes nobody by leaving it
            return;
        }
        const [sourceIndex] = this.state.activeSourceOption;
        const {options} = this.sources[sourceIndex];
        let chosen = options.findIndex((option) => option.data.record?.is_meant);
        if (chosen < 0) {
            this.nobodyMeant = true;
            chosen = options.findIndex((option) => option.data.slotName === "createEditItem");
        }
        this.state.activeSourceOption = chosen < 0 ? null : [sourceIndex, chosen];
    },

    /** A name of nobody does not stay in a field that holds somebody else, or nobody. */
    onInputBlur() {
        const left = this.nobodyMeant && !this.ignoreBlur && !this.isOptionSelected;
        super.onInputBlur();
        if (left && this.props.autoSelect) {
            this.inputRef.el.value = this.props.value;
            this.nobodyMeant = false;
        }
    },
});
