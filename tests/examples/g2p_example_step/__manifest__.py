{
    "name": "Example: step",
    "summary": "Marks, before entitlements are prepared, who of a cycle can't be called",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
    "data": ["views/g2p_cycle_membership_views.xml"],
    "installable": True,
}
