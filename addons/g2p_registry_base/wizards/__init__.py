from . import disable_registrant
