"""Kinds of managers: the codes that `program.get_manager(kind)` and `get_managers(kind)` take."""

MANAGER_ELIGIBILITY = 1
MANAGER_CYCLE = 2
MANAGER_PROGRAM = 3
MANAGER_ENTITLEMENT = 4
MANAGER_DEDUPLICATION = 5
MANAGER_NOTIFICATION = 6
MANAGER_PAYMENT = 7

# kind -> the program's field that lists its manager references
MANAGER_FIELDS = {
    MANAGER_ELIGIBILITY: "eligibility_managers",
    MANAGER_CYCLE: "cycle_managers",
    MANAGER_PROGRAM: "program_managers",
    MANAGER_ENTITLEMENT: "entitlement_managers",
    MANAGER_DEDUPLICATION: "deduplication_managers",
    MANAGER_NOTIFICATION: "notification_managers",
    MANAGER_PAYMENT: "payment_managers",
}

# Kinds of which a program has exactly one: the others may be combined.
SINGLE_MANAGERS = (MANAGER_CYCLE, MANAGER_PROGRAM, MANAGER_PAYMENT)

# Members whose eligibility a bulk run may decide. Exited, graduated, paused and duplicated members stay as they are.
ENROLLMENT_CANDIDATES = ("draft", "not_eligible", "enrolled")
DEDUPLICATION_CANDIDATES = ("draft", "enrolled", "paused", "duplicated")

# Roles that buttons ask for
GROUP_VALIDATOR = "g2p_programs.g2p_program_validator"
GROUP_MANAGER = "g2p_programs.g2p_program_manager"
GROUP_APPROVER = "g2p_programs.g2p_program_cycle_approver"
GROUP_FINANCE = "g2p_programs.g2p_finance_validator"
GROUP_ADMIN = "g2p_registry_base.group_g2p_admin"

# Who may read funds, as a field's `groups`: what is computed from a fund is told to nobody else.
FUND_READERS = "g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator,g2p_registry_base.group_g2p_auditor"
