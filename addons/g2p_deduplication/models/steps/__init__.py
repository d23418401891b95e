from . import deduplicate
