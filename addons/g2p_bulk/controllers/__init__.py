from . import json_route
