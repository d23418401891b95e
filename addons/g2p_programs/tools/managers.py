"""What plug-ins with managers of their own share."""


def remove(env, *models):
    """For an `uninstall_hook`: programs keep no reference to a manager whose type is gone, so the managers go (archived ones
    too), and the references with them.

    :param models: names of the models of managers that the addon brought
    """
    for model in models:
        env[model].with_context(active_test=False).search([]).unlink()
