def for_role(env, text, group):
    """A sentence on what to do next, for who reads it: who can't do it is told whose it is."""
    if env.user.has_group(group):
        return text
    # sudo: the name of a role
    return env._("%(step)s This is for the role “%(role)s”.", step=text, role=env.ref(group).sudo().name)
