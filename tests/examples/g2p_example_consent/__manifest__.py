{
    "name": "Example: consent",
    "summary": "A list is given to another office only when somebody else agrees to exactly that",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_example_sharing_rules.xml",
        "data/approval_data.xml",
        "views/g2p_example_sharing_views.xml",
    ],
    "installable": True,
}
