import { Component, onWillUnmount, useEffect, useState } from "@odoo/owl";
import { ConfirmationDialog } from "@web/core/confirmation_dialog/confirmation_dialog";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { formatInteger } from "@web/views/fields/formatters";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const MODEL = "g2p.bulk.operation";
const FIELDS = [
    "name",
    "step_label",
    "state",
    "planned",
    "processed",
    "progress",
    "speed",
    "time_left",
    "counts_text",
    "skipped_text",
    "failed_text",
    "last_error",
    "interruption",
    "can_cancel",
    "can_resume",
];
/** The bus tells of every chunk; this is for when it doesn't reach us. */
const POLL_MS = 2000;
/** Chunks may end faster than anyone reads. */
const THROTTLE_MS = 500;

/** "3 min" of a number of seconds; empty when unknown. */
export function formatTimeLeft(seconds) {
    if (!seconds) {
        return "";
    }
    if (seconds < 60) {
        return _t("%s s", seconds);
    }
    if (seconds < 3600) {
        return _t("%s min", Math.ceil(seconds / 60));
    }
    return _t("%(hours)s h %(minutes)s min", {
        hours: Math.floor(seconds / 3600),
        minutes: Math.ceil((seconds % 3600) / 60),
    });
}

/**
 * The bulk operation of a record, live: bar, rows, speed, time left, errors, and the buttons to steer it.
 *
 * On `running_operation_id` of a target it shows nothing until an operation runs on the record, also one that is
 * started while the form is open, or has failed and waits to be resumed; it reloads the record when one ends.
 * On the operation's own form it always shows.
 */
export class BulkProgressField extends Component {
    static template = "g2p_bulk.BulkProgressField";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.bus = useService("bus_service");
        this.action = useService("action");
        this.dialog = useService("dialog");
        this.state = useState({ operation: null, busy: false });
        this.followedId = false;
        this.timer = null;
        this.lastRead = 0;
        this.reading = false;

        this.onBusMessage = (message) => {
            const { resModel, resId } = this.props.record;
            if (message.id === this.followedId || (message.res_model === resModel && message.res_id === resId)) {
                this.followedId = message.id;
                this.schedule(Math.max(0, THROTTLE_MS - (Date.now() - this.lastRead)));
            }
        };
        this.bus.subscribe("g2p_bulk.progress", this.onBusMessage);
        useEffect(
            (operationId) => {
                if (operationId && operationId !== this.followedId) {
                    this.followedId = operationId;
                    this.state.operation = null;
                    this.schedule(0);
                }
            },
            () => [this.operationId]
        );
        useEffect(
            () => {
                // Another record in the same form: what was followed belongs to the one before.
                this.followedId = this.operationId;
                this.state.operation = null;
                if (this.followedId) {
                    this.schedule(0);
                }
            },
            () => [this.props.record.resId]
        );
        onWillUnmount(() => {
            browser.clearTimeout(this.timer);
            this.followedId = false;
            this.bus.unsubscribe("g2p_bulk.progress", this.onBusMessage);
        });
    }

    get isOperationForm() {
        return this.props.record.resModel === MODEL;
    }

    get operationId() {
        const { record, name } = this.props;
        return this.isOperationForm ? record.resId : record.data[name]?.id || false;
    }

    get operation() {
        return this.state.operation;
    }

    get isRunning() {
        return ["pending", "running"].includes(this.operation?.state);
    }

    get stateLabel() {
        if (this.operation.interruption) {
            return _t("Interrupted");
        }
        return {
            pending: _t("Waiting to start"),
            running: _t("Running"),
            done: _t("Done"),
            failed: _t("Stopped by errors"),
            cancelled: _t("Cancelled"),
        }[this.operation.state];
    }

    get stateIcon() {
        if (this.operation.interruption) {
            return "fa-chain-broken";
        }
        return {
            pending: "fa-clock-o",
            running: "fa-cog fa-spin",
            done: "fa-check",
            failed: "fa-exclamation-triangle",
            cancelled: "fa-ban",
        }[this.operation.state];
    }

    get barClass() {
        if (this.operation.interruption) {
            return "bg-warning";
        }
        return { done: "bg-success", failed: "bg-danger", cancelled: "bg-secondary" }[this.operation.state] || "bg-primary";
    }

    /** What came of it, when it is over: figures that add up, in the step's own words. */
    get resultText() {
        return (this.operation.state === "done" && this.operation.counts_text) || this.rowsText;
    }

    get rowsText() {
        return _t("%(processed)s of %(planned)s rows", {
            processed: formatInteger(this.operation.processed),
            planned: formatInteger(this.operation.planned),
        });
    }

    get speedText() {
        const { speed, time_left: timeLeft } = this.operation;
        const parts = [];
        if (speed >= 1 && this.isOperationForm) {
            parts.push(_t("%s rows a second", formatInteger(Math.round(speed))));
        }
        if (this.isRunning && timeLeft && !this.operation.interruption) {
            parts.push(_t("%s left", formatTimeLeft(timeLeft)));
        }
        return parts.join(" · ");
    }

    schedule(delay) {
        browser.clearTimeout(this.timer);
        this.timer = browser.setTimeout(() => this.refresh(), delay);
    }

    async refresh() {
        const operationId = this.followedId;
        if (!operationId || this.reading) {
            return;
        }
        this.reading = true;
        this.lastRead = Date.now();
        const stateBefore = this.operation?.state;
        let rows = [];
        try {
            rows = await this.orm.silent.read(MODEL, [operationId], FIELDS);
        } catch {
            // The connection may come back; a right that is missing won't, and then there is nothing to show.
            rows = this.operation ? [this.operation] : [];
        } finally {
            this.reading = false;
        }
        if (operationId !== this.followedId) {
            // Meanwhile another operation is followed: read that one.
            this.schedule(0);
            return;
        }
        this.state.operation = rows[0] || null;
        if (this.isRunning) {
            this.schedule(POLL_MS);
        } else if (stateBefore && stateBefore !== this.operation?.state) {
            // Also what was resumed and is done before anybody saw it run.
            await this.onEnded();
        }
    }

    async onEnded() {
        const { record } = this.props;
        if (!(await record.isDirty())) {
            await record.load();
        }
    }

    onCancel() {
        this.dialog.add(ConfirmationDialog, {
            title: _t("Cancel this operation?"),
            body: _t(
                "It stops after the chunks that are running now. What is done stays done; the rest is not done. A cancelled operation can't be resumed, but the step can be started again."
            ),
            confirmLabel: _t("Cancel the operation"),
            cancelLabel: _t("Keep it running"),
            confirm: () => this.steer("action_cancel"),
            cancel: () => {},
        });
    }

    async onResume() {
        await this.steer("action_resume");
    }

    async steer(method) {
        this.state.busy = true;
        this.schedule(THROTTLE_MS);
        try {
            const action = await this.orm.call(MODEL, method, [[this.followedId]]);
            await this.action.doAction(action);
        } finally {
            this.state.busy = false;
            this.schedule(0);
        }
    }

    onOpen() {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: MODEL,
            res_id: this.followedId,
            views: [[false, "form"]],
        });
    }
}

export const bulkProgressField = {
    component: BulkProgressField,
    displayName: _t("Progress of a bulk operation"),
    supportedTypes: ["many2one", "integer"],
    isEmpty: () => false,
};

registry.category("fields").add("g2p_bulk_progress", bulkProgressField);
