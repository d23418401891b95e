"""Answers to the questions of a form, in words."""


def in_words(env, answers):
    """A line for each question that was answered.

    :param answers: as `read` gives a field of properties: [{"name", "string", "type", "value", …}]
    """
    words = {True: env._("yes"), False: env._("no")}
    return "\n".join(
        f"{answer.get('string') or answer['name']}: {answer_in_words(answer, words)}"
        for answer in answers
        if is_given(answer)
    )


def is_given(answer):
    """
    >>> is_given({"type": "boolean", "value": False}), is_given({"type": "boolean"})
    (True, False)
    >>> is_given({"type": "integer", "value": 0}), is_given({"type": "char", "value": False})
    (True, False)
    """
    value = answer.get("value")
    return (value is not None and value is not False) or (answer["type"] == "boolean" and "value" in answer)


def answer_in_words(answer, yes_no):
    """
    >>> yes_no = {True: "yes", False: "no"}
    >>> answer_in_words({"type": "boolean", "value": True}, yes_no)
    'yes'
    >>> answer_in_words({"type": "selection", "value": "iron", "selection": [["iron", "Iron sheets"]]}, yes_no)
    'Iron sheets'
    >>> answer_in_words({"type": "tags", "value": ["a", "b"], "tags": [["a", "Cow", 1]]}, yes_no)
    'Cow, b'
    >>> answer_in_words({"type": "many2one", "value": (7, "North")}, yes_no)
    'North'
    >>> answer_in_words({"type": "integer", "value": 3}, yes_no)
    '3'
    """
    value = answer["value"]
    if answer["type"] == "boolean":
        return yes_no[bool(value)]
    if answer["type"] == "selection":
        return dict(answer.get("selection") or ()).get(value, value)
    if answer["type"] == "tags":
        labels = {tag[0]: tag[1] for tag in answer.get("tags") or ()}
        return ", ".join(labels.get(tag, tag) for tag in value)
    if answer["type"] == "many2one":
        return value[1] or ""
    return str(value)
