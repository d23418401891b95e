def question(record, method, title, message, confirm_label=None, **params):
    """The action that asks, and calls a button's method of the record when the answer is yes.

    >>> class Fund:
    ...     _name, id = "g2p.program.fund", 7
    >>> question(Fund(), "post_fund", "Post", "100 come in.")["params"]["confirm_label"]
    'Post'
    """
    return {
        "type": "ir.actions.client",
        "tag": "g2p_confirm",
        "params": {
            "title": title,
            "message": message,
            "confirm_label": confirm_label or title,
            "model": record._name,
            "id": record.id,
            "method": method,
            **params,
        },
    }
