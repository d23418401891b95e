import { onWillStart, onWillUpdateProps } from "@odoo/owl";
import { DomainSelector } from "@web/core/domain_selector/domain_selector";
import { getDomainDisplayedOperators } from "@web/core/domain_selector/domain_selector_operator_editor";
import { getDefaultCondition } from "@web/core/domain_selector/utils";
import { DomainSelectorDialog } from "@web/core/domain_selector_dialog/domain_selector_dialog";
import { _t } from "@web/core/l10n/translation";
import { rpc } from "@web/core/network/rpc";
import { registry } from "@web/core/registry";
import { domainFromTree } from "@web/core/tree_editor/domain_from_tree";
import { getOperatorEditorInfo, getOperatorLabel } from "@web/core/tree_editor/tree_editor_operator_editor";
import { DomainField, domainField } from "@web/views/fields/domain/domain_field";

const NUMBERS = ["integer", "float", "monetary"];
// In the words of people who write rules
const WORDS = { ">=": _t("at least"), "<=": _t("at most"), ">": _t("more than"), "<": _t("less than"), child_of: _t("in or within") };
let offered;
let unfit;

const ask = (method) =>
    rpc(
        `/web/dataset/call_kw/g2p.condition.catalogue/${method}`,
        { model: "g2p.condition.catalogue", method, args: [], kwargs: {} },
        { silent: true }
    );

/**
 * {model: fields that conditions may use}; asked of the server once, it refuses all others anyway. Not by the orm service of a
 * component: what that promises never comes when the component goes before the answer, and all later editors would wait for it.
 */
function loadOffered() {
    offered ||= ask("offered").catch((error) => {
        offered = undefined;
        throw error;
    });
    return offered;
}

/** Names of fields that say nothing of registrants of this type ("group", "individual"; empty: there are none). */
async function loadUnfit(target) {
    unfit ||= ask("unfit").catch((error) => {
        unfit = undefined;
        throw error;
    });
    return new Set(target ? (await unfit)[target] : []);
}

function defaultCondition(fieldDefs, names) {
    const known = Object.fromEntries(
        names.filter((name) => name in fieldDefs).map((name) => [name, fieldDefs[name]])
    );
    const first = ["gender", "state", "name"].find((name) => name in known);
    return getDefaultCondition(first ? { [first]: known[first] } : known);
}

/** Which comparisons a field has: "at least" and "at most" for numbers; of lists of records, whether there are any. */
function operatorsOf(fieldDef) {
    if (NUMBERS.includes(fieldDef?.type) && !fieldDef.is_property) {
        return [">=", "<=", "=", "!=", "between", ">", "<"];
    }
    if (fieldDef?.relation === "g2p.area") {
        return ["child_of", "in", "not in", "set", "not set"];
    }
    if (fieldDef?.type === "one2many") {
        return ["set", "not set"];
    }
    return getDomainDisplayedOperators(fieldDef);
}

/** Odoo's editor of conditions, with the fields that mean something in conditions and no others. */
export class ConditionsSelector extends DomainSelector {
    static props = { ...DomainSelector.props, target: { type: [String, Boolean], optional: true } };

    setup() {
        super.setup();
        this.offered = {};
        this.unfit = new Set();
        onWillStart(async () => {
            [this.offered, this.unfit] = await Promise.all([loadOffered(), loadUnfit(this.props.target)]);
        });
        onWillUpdateProps(async ({ target }) => {
            this.unfit = await loadUnfit(target);
        });
    }

    /** Of whom the conditions are about only what fits; of others (their household, their members) all is offered. */
    namesOffered(model, path) {
        const names = this.offered[model] || [];
        const ofOthers = typeof path === "string" && path.includes(".");
        return ofOthers || model !== "res.partner" ? names : names.filter((name) => !this.unfit.has(name));
    }

    getShowArchivedCheckBox() {
        return false;
    }

    getDefaultCondition(fieldDefs) {
        const names = this.namesOffered(this.props.resModel);
        return defaultCondition(fieldDefs, names.length ? names : Object.keys(fieldDefs));
    }

    getDefaultOperator(fieldDef) {
        return operatorsOf(fieldDef)[0];
    }

    getOperatorEditorInfo(fieldDef) {
        const info = getOperatorEditorInfo(operatorsOf(fieldDef), fieldDef);
        const isNumber = NUMBERS.includes(fieldDef?.type);
        return {
            ...info,
            extractProps: (params) => {
                const props = info.extractProps(params);
                const words = (key, label) =>
                    key in WORDS && (isNumber || key === "child_of") ? WORDS[key] : label;
                return {
                    ...props,
                    options: props.options.map(([key, label]) => [key, words(key, label)]),
                };
            },
        };
    }

    getPathEditorInfo(resModel, condition) {
        const info = super.getPathEditorInfo(resModel, condition);
        return {
            ...info,
            extractProps: (params) => ({
                ...info.extractProps(params),
                isDebugMode: false,
                filter: (fieldDef, path, model) =>
                    fieldDef.type !== "separator" &&
                    (fieldDef.is_property || this.namesOffered(model, path).includes(fieldDef.name)),
            }),
        };
    }
}

export class ConditionsDialog extends DomainSelectorDialog {
    static components = { ...DomainSelectorDialog.components, DomainSelector: ConditionsSelector };
    static props = { ...DomainSelectorDialog.props, target: ConditionsSelector.props.target };

    get domainSelectorProps() {
        return { ...super.domainSelectorProps, target: this.props.target };
    }

    get dialogTitle() {
        return this.props.title || _t("Conditions");
    }
}

/** A field that holds conditions: the server counts whom they fit, so the widget counts nothing. */
export class ConditionsField extends DomainField {
    static template = "g2p_registry_base.ConditionsField";
    static components = { DomainSelector: ConditionsSelector };

    /** The type of the registrants that the conditions are about, where the record says it. */
    get target() {
        return this.props.context?.conditions_target || false;
    }

    async addCondition() {
        const resModel = this.getResModel();
        const [names, unfit, fieldDefs] = await Promise.all([
            loadOffered(),
            loadUnfit(this.target),
            this.env.services.field.loadFields(resModel),
        ]);
        const known = (names[resModel] || Object.keys(fieldDefs)).filter((name) => !unfit.has(name));
        this.update(domainFromTree(defaultCondition(fieldDefs, known)));
        this.state.folded = false;
    }

    /** The summary, in the words of the editor. */
    async loadFacets(props = this.props) {
        await super.loadFacets(props);
        for (const operator of [">=", "<=", ">", "<"]) {
            const label = ` ${getOperatorLabel(operator, "integer")} `;
            this.state.facets = this.state.facets.map((facet) => facet.replaceAll(label, ` ${WORDS[operator]} `));
        }
    }

    async checkProps(props = this.props) {
        const resModel = this.getResModel(props);
        const domain = resModel ? this.getEvaluatedDomain(props) : { isInvalid: true };
        this.updateState({
            isValid: !domain.isInvalid && (await rpc("/web/domain/validate", { model: resModel, domain })),
            recordCount: 0,
            hasLimitedCount: false,
        });
    }

    getEvaluatedDomain(props = this.props) {
        // Days relative to today are the usual case: no warning about them.
        this.lastDomainChecked = this.getDomain(props);
        return super.getEvaluatedDomain(props);
    }

    onEditDialogBtnClick() {
        this.addDialog(ConditionsDialog, {
            resModel: this.getResModel(),
            domain: this.getDomain(),
            target: this.target,
            isDebugMode: !!this.env.debug,
            onConfirm: this.update.bind(this),
        });
    }
}

export const conditionsField = {
    ...domainField,
    component: ConditionsField,
    displayName: _t("Conditions"),
};

registry.category("fields").add("g2p_conditions", conditionsField);
