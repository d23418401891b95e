{
    "name": "Program and Beneficiary Management System",
    "summary": "Installs the whole suite: registry, programs, cycles, entitlements, payments",
    "description": "Installs the whole suite: registry, programs, cycles, entitlements, payments.",
    "version": "19.0.1.0.0",
    "category": "G2P PBMS",
    "author": "G2P PBMS contributors",
    "license": "LGPL-3",
    "depends": [
        "base_import",
        "g2p_bulk",
        "g2p_registry_base",
        "g2p_programs",
        "g2p_entitlement_cash",
        "g2p_payment_cash",
    ],
    "application": True,
}
