{
    "name": "G2P Simulation",
    "summary": "What would happen if: who enters, who leaves, what it costs, before a rule changes",
    "version": "19.0.3.0.0",
    "category": "G2P PBMS",
    "author": "G2P PBMS contributors",
    "license": "LGPL-3",
    "depends": ["g2p_pmt"],
    "data": [
        "security/ir.model.access.csv",
        "security/g2p_simulation_rules.xml",
        "views/g2p_program_scenario_views.xml",
        "views/g2p_program_scenario_result_views.xml",
        "views/g2p_program_views.xml",
        "views/g2p_pmt_model_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
}
