"""What an operator says at the moment, as far as it can be read: a bad file never keeps a service from starting."""

from __future__ import annotations

from consumer.config.run_config import RunConfig, directive_targets
from consumer.directives.parser import content_of, read_content
from consumer.model.findings import Finding


def directive_findings(config: RunConfig) -> list[Finding]:
    """Return what is wrong with the directives file; that it is not there is a warning."""
    path = config.settings.directives
    if path is None:
        return []
    content = content_of(path)
    if content is None:
        hint = "make it when there is something to say; a running service sees it within a second or two"
        return [Finding("warning", str(path), None, None, "", "is not there: nothing is directed", hint)]
    return list(read_content(content, path, directive_targets(config)).findings)
