#!/usr/bin/env python3
"""Makes the demo country in a database that has g2p_demo and an empty registry.

scripts/python scripts/demo.py --database NAME [--households 2500]
"""

import argparse

from odoo_environment import environment

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--database", default="g2p")
parser.add_argument("--households", type=int, default=2500)
arguments = parser.parse_args()
with environment(arguments.database) as env:
    print(env["g2p.demo.generator"]._generate(households=arguments.households))
    env.cr.commit()
