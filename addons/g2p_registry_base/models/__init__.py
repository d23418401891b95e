from . import personal
from . import change_history

from . import shared_mixin
from . import ir_filters

# Configuration first: what the registrants' tables refer to.
from . import area
from . import gender_type
from . import id_type
from . import registrant_tags
from . import relationship
from . import group_kind
from . import group_membership_kind

# Registrants and what hangs on them.
from . import search_mixin
from . import properties
from . import registration
from . import res_partner
from . import reg_id
from . import phone_number
from . import reg_rel
from . import group_membership
from . import group_indicator
from . import registry
from . import steps
from . import res_bank
from . import res_partner_bank

# What the user defines of registrants: further attributes, typed.
from . import registrant_schema

# What conditions and figures may use.
from . import condition_catalogue
from . import condition_mixin

from . import res_users
from . import ir_http
from . import res_config_settings

# Files that hold people.
from . import area_file
from . import ir_attachment
from . import ir_binary
from . import registry_mixin
