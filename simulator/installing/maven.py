"""
MavenProject: the jars of a Java server with all that they need, one class path in a file, and its class-data archive.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from xml.sax.saxutils import escape

from simulator.installing.java import ARCHIVE, CLASS_PATH, JAVA, LOGGING, java_identity
from simulator.installing.kafka_archive import make_archive
from simulator.installing.tool import InstallError, Tools

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_JAVA_MIN = 17
_JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_LOGGING_TEXT = """\
Configuration:
  Appenders:
    Console: {name: out, PatternLayout: {pattern: "[%d] %p %m (%c)%n"}}
  Loggers:
    Root: {level: "${sys:kafka.log.level:-INFO}", AppenderRef: [{ref: out}]}
"""


@dataclass(frozen=True, slots=True)
class MavenProject:
    """See Way."""

    source: ClassVar[str] = "Maven"

    artifacts: tuple[str, ...]
    """As `group:artifact:version`."""

    @property
    def tools(self) -> tuple[str, ...]:
        """See Way."""
        return "mvn", "java"

    def obstacle(self) -> str:
        """See Way."""
        return ""

    def fingerprint(self) -> str:
        """See Way. An archive is of use to the very Java that made it."""
        return f"{' '.join(self.artifacts)} java={java_identity()}"

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        """See Way."""
        said = tools.run("java", "-version", folder=folder)
        match = _JAVA_VERSION.search(said)
        if match is not None and int(match[1]) < _JAVA_MIN:
            raise InstallError(f"java is version {match[1]}", f"it takes {_JAVA_MIN} or later, first on PATH")
        (folder / "pom.xml").write_text(self._project(), encoding="utf-8")
        settings = ("-DoutputDirectory=libs", "-DincludeScope=runtime")
        tools.run("mvn", "-B", "-ntp", _COPY, *settings, folder=folder)
        jars = sorted(jar.name for jar in (folder / "libs").glob("*.jar"))
        if not jars:
            raise InstallError("mvn copied no jars")
        # One fixed order, written down: an archive is valid for the very class path that it was made with.
        class_path = os.pathsep.join(str(place / "libs" / jar) for jar in jars)
        (folder / CLASS_PATH).write_text(class_path, encoding="utf-8")
        (folder / LOGGING).write_text(_LOGGING_TEXT, encoding="utf-8")
        return ""

    def finish(self, place: Path, tools: Tools) -> None:
        """See Way."""
        tools.said("a first start, for the class-data archive")
        class_path = (place / CLASS_PATH).read_text(encoding="utf-8")
        make_archive(place / ARCHIVE, class_path, place / LOGGING, tools)
        (place / JAVA).write_text(java_identity(), encoding="utf-8")

    def _project(self) -> str:
        dependencies = []
        for artifact in self.artifacts:
            names = zip(("groupId", "artifactId", "version"), artifact.split(":"), strict=True)
            inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in names)
            dependencies.append(f"<dependency>{inner}</dependency>")
        return (
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>gatesim</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>"
            f"<dependencies>{''.join(dependencies)}</dependencies></project>\n"
        )
