{
    "name": "Example: delivery",
    "summary": "Goods instead of money: an entitlement is settled when somebody records that it was handed out",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_entitlement_manager_goods_rules.xml",
        "views/g2p_entitlement_manager_goods_views.xml",
        "views/g2p_entitlement_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
    "installable": True,
}
