{
    "name": "PBMS demo country",
    "summary": "2,500 households, one user a role: a made-up country to try the suite on",
    "description": "2,500 households, one user a role: a made-up country to try the suite on.",
    "version": "19.0.3.0.0",
    "category": "G2P PBMS",
    "author": "G2P PBMS contributors",
    "license": "LGPL-3",
    "depends": ["g2p_registry_import", "g2p_payment_files", "g2p_program_membership_change", "g2p_pbms"],
    "post_init_hook": "post_init_hook",
}
