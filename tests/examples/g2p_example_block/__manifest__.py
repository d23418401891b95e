{
    "name": "Example: block",
    "summary": "While a complaint about somebody is open, nothing is approved, prepared or sent for them",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
    "data": ["security/ir.model.access.csv", "security/g2p_example_complaint_rules.xml"],
    "installable": True,
}
