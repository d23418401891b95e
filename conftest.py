"""An honest test run: a test that did not run is not a test that passed."""

import fnmatch
import resource

# Odoo's set-up comes first; pytest-odoo expects these to be loaded without importing them itself.
import odoo.cli
import odoo.http
import odoo.modules.module
import odoo.modules.registry
import odoo.service.server
import odoo.tests
import odoo.tools
from odoo.orm.registry import Registry
from odoo.tests import TransactionCase

import pytest  # isort: skip
from _pytest.unittest import TestCaseFunction  # isort: skip

# Test ids (shell patterns) that may be skipped, each with the reason it can't run. Any other skip fails the run.
ALLOWED_SKIPS: dict[str, str] = {}


def add_sub_test(self, test_case, sub_test, exc_info):
    """Odoo's own ``subTest`` reports to the result object, where pytest listens to plain tests only."""
    if exc_info is not None:
        self.addFailure(test_case, exc_info)


if not hasattr(TestCaseFunction, "addSubTest"):
    TestCaseFunction.addSubTest = add_sub_test


class Caches:
    """What the registry keeps in memory is forgotten after each test as far as the test changed it, and whole after each class.

    Odoo forgets all of it after every test, although ids are never used again and whoever changes what a cache was made of says
    so (`clear_cache`): a third of the suite's time went into reading rights and rules again.
    """

    def __init__(self):
        self.changed = set()
        clear_cache, clear_all = Registry.clear_cache, Registry.clear_all_caches
        set_up = TransactionCase.setUp

        def noted_clear_cache(registry, *names):
            self.changed.update(names or ("default",))
            clear_cache(registry, *names)

        def noted_set_up(test):
            registry = test.registry

            def forget():
                if self.changed:
                    clear_cache(registry, *self.changed)
                    self.changed.clear()

            # What Odoo's `setUp` hands on as the clean-up of the test.
            registry.clear_all_caches = forget
            try:
                set_up(test)
            finally:
                del registry.clear_all_caches

        def noted_clear_all(registry):
            clear_all(registry)
            self.changed.update(registry.cache_invalidated)

        Registry.clear_cache, Registry.clear_all_caches = noted_clear_cache, noted_clear_all
        TransactionCase.setUp = noted_set_up


CACHES = Caches()


@pytest.fixture(scope="session", autouse=True)
def http_server(load_registry):
    """Odoo's HTTP server in this process, for every HttpCase (pytest-odoo's own --odoo-http does not start on Odoo 19)."""
    # Odoo limited the memory of this process, which a browser started from it would inherit.
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    odoo.service.server.server = odoo.service.server.ThreadedServer(odoo.http.root)
    odoo.service.server.server.http_spawn()
    yield
    odoo.service.server.server.httpd.shutdown()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Tell Odoo which test is running, as its own runner does: requests made by the test share its transaction."""
    odoo.modules.module.current_test = item.instance if isinstance(item, TestCaseFunction) else False
    yield
    odoo.modules.module.current_test = False


def is_allowed(report):
    return any(fnmatch.fnmatch(report.nodeid, pattern) for pattern in ALLOWED_SKIPS)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Fail a run that would else succeed when a test was skipped, or expected to fail, without being listed above."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    left_out = [*reporter.stats.get("skipped", ()), *reporter.stats.get("xfailed", ())]
    session.config.unlisted_skips = [report.nodeid for report in left_out if not is_allowed(report)]
    if session.config.unlisted_skips and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    for nodeid in getattr(config, "unlisted_skips", ()):
        terminalreporter.write_line(f"NOT RUN and not listed in conftest.py: {nodeid}", red=True)
