"""Who may: the roles that buttons and changes ask for, also when they are called by RPC, and how their refusal reads."""

from odoo.exceptions import AccessError


def may(env, *groups):
    """Whether the user holds one of these roles, or the product itself is at work.

    :param groups: XML ids of groups
    """
    return env.su or any(env.user.has_group(group) for group in groups)


def check(env, *groups, refusal=None):
    """Refuse whoever holds none of these roles, see :func:`may`.

    :param refusal: a sentence that says more than whose it is
    :raise AccessError:
    """
    if not may(env, *groups):
        # sudo: names of roles, for the message
        names = "” / “".join(env.ref(group).sudo().display_name for group in groups)
        raise AccessError(refusal or env._("Only members of the role “%s” may do this.", names))


def for_role(env, text, group):
    """A sentence on what to do next, for who reads it: who can't do it is told whose it is."""
    if env.user.has_group(group):
        return text
    # sudo: the name of a role
    return env._("%(step)s This is for the role “%(role)s”.", step=text, role=env.ref(group).sudo().name)
