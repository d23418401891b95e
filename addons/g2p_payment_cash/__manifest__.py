{
    "name": "G2P Payment: Cash",
    "summary": "Payments handed out by hand and recorded by finance",
    "version": "19.0.3.0.0",
    "category": "G2P PBMS",
    "author": "G2P PBMS contributors",
    "license": "LGPL-3",
    "depends": ["g2p_programs"],
    "data": [
        "security/g2p_payment_cash_groups.xml",
        "security/ir.model.access.csv",
        "security/g2p_payment_cash_rules.xml",
        "views/g2p_program_payment_manager_cash_views.xml",
        "views/g2p_entitlement_views.xml",
        "views/g2p_payment_batch_views.xml",
        "views/g2p_cash_desk_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
}
