from . import test_applications
from . import test_documents
from . import test_application_money
from . import test_application_access
from . import test_tools
