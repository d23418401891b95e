from . import close_applications
