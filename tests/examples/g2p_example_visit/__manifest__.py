{
    "name": "Example: visit",
    "summary": "Whoever is registered is visited once; a plug-in whose table holds registrants",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_deduplication"],
    "data": ["security/ir.model.access.csv", "security/g2p_example_visit_rules.xml"],
    "installable": True,
}
