{
    "name": "Example: entitlement by age",
    "summary": "A fixed amount for everybody who is old enough",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_entitlement_manager_age_rules.xml",
        "views/g2p_entitlement_manager_age_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
    "installable": True,
}
