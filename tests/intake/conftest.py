"""Uploads are tested through the command that does them, against a fake service."""

from tests.cli.conftest import (  # noqa: F401 - fixtures
    _a_clean_environment,
    cli,
    intake,
    ndjson,
    reports,
    serve,
)
