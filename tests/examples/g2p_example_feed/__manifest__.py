{
    "name": "Example: feed",
    "summary": "One line for each entitlement that was approved or paid, whichever step or button did it",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
    "data": ["security/ir.model.access.csv", "security/g2p_example_feed_rules.xml"],
    "installable": True,
}
