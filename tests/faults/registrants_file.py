"""A file of registrants, who are too old for the programs of these tests, and what came of it."""

import base64

ROWS = 2_000


def registrants_file(first, rows=ROWS):
    lines = ["Family name,Given name,Date of birth,Gender,Phone number,National ID"]
    lines += [
        f"Family{number % 501},Given{number % 211},{1900 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02},"
        f"{'Female' if number % 2 else 'Male'},+2547{number:08},FAULT{number:07}"
        for number in range(first, first + rows)
    ]
    return base64.b64encode("\n".join(lines).encode()).decode()


def registered(world, first, rows=ROWS):
    """(registrants, different ones, documents, phones) of a file."""
    return world.sql(
        """
        SELECT COUNT(DISTINCT partner.id), COUNT(DISTINCT document.value), COUNT(DISTINCT document.id),
               COUNT(DISTINCT phone.id)
        FROM g2p_reg_id AS document
        JOIN res_partner AS partner ON partner.id = document.partner_id
        LEFT JOIN g2p_phone_number AS phone ON phone.partner_id = partner.id
        WHERE document.value BETWEEN %s AND %s
        """,
        f"FAULT{first:07}",
        f"FAULT{first + rows - 1:07}",
    )


def operation_of(user, record_id):
    """The last operation of an import, as its form shows it."""
    of_import = [["res_model", "=", "g2p.registrant.import"], ["res_id", "=", record_id]]
    [latest] = user.search("g2p.bulk.operation", of_import, "id")[-1:]
    names = ["state", "interruption", "can_resume", "counts", "last_error"]
    return user.read("g2p.bulk.operation", latest["id"], *names)
