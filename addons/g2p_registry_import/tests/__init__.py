from . import test_import
from . import test_import_answers
from . import test_import_scale
from . import test_settings
from . import test_import_approval
