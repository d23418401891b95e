{
    "name": "G2P Entitlement: Cash",
    "summary": "Entitlements as a sum of items: amount, condition, multiplier, maximum",
    "version": "19.0.3.0.0",
    "category": "G2P PBMS",
    "author": "G2P PBMS contributors",
    "license": "LGPL-3",
    "depends": ["g2p_programs"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_entitlement_cash_rules.xml",
        "views/g2p_program_entitlement_manager_cash_views.xml",
        "wizards/program_create_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
}
