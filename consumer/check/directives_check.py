"""Check of the present directives file. A bad file is an error here, but it never prevents a start of the service."""

from __future__ import annotations

from consumer.config.run_config import RunConfig, directive_targets
from consumer.directives.parser import content_of, read_content
from consumer.model.findings import Finding


def directive_findings(config: RunConfig) -> list[Finding]:
    """Return the errors of the directives file; a missing file is a warning."""
    path = config.settings.directives
    if path is None:
        return []
    content = content_of(path)
    if content is None:
        hint = "create it when a directive is needed; a running service reads it within two seconds"
        return [Finding("warning", str(path), None, None, "", "does not exist: no directive is active", hint)]
    return list(read_content(content, path, directive_targets(config)).findings)
