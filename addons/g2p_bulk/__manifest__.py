{
    "name": "G2P Bulk Operations",
    "summary": "Set-based operations on millions of rows: chunks, progress, cancel, resume, state history",
    "description": "Set-based operations on millions of rows: chunks, progress, cancel, resume, state history.",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["base", "mail", "web", "bus", "queue_job"],
    "data": [
        "security/g2p_bulk_groups.xml",
        "security/ir.model.access.csv",
        "security/g2p_bulk_rules.xml",
        "data/ir_config_parameter.xml",
        "data/queue_job.xml",
        "views/g2p_bulk_chunk_views.xml",
        "views/g2p_bulk_operation_views.xml",
        "views/g2p_state_history_views.xml",
    ],
    "assets": {
        "web.assets_backend": [
            "g2p_bulk/static/src/**/*",
        ],
    },
    "installable": True,
}
