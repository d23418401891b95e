{
    "name": "Example: webhook",
    "summary": "Tells another system, once, which bulk operations have ended",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_outbox"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_example_webhook_rules.xml",
        "data/ir_cron.xml",
        "views/g2p_example_webhook_receipt_views.xml",
    ],
    "installable": True,
}
