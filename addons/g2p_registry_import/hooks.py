def post_init_hook(env):
    """What awaits confirmation in a database of a version before is asked for as everything is."""
    for record in env["g2p.registrant.import"].search([("state", "=", "submitted")]):
        env["g2p.approval.request"]._ask(record, "import", record.submitted_by_id or record.create_uid)
