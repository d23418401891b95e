{
    "name": "G2P Deduplication",
    "summary": "Duplicates by account and by similar names, in programs and in the registry, and their merge",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "author": "G2P PBMS contributors",
    "license": "LGPL-3",
    "depends": ["g2p_programs"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_deduplication_rules.xml",
        "views/g2p_deduplication_managers_views.xml",
    ],
    "pre_init_hook": "pre_init_hook",
    "uninstall_hook": "uninstall_hook",
}
