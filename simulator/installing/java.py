"""
Java: how the JVM of a broker is started, and the names of the files beside its jars.
"""

from __future__ import annotations

import os
import shutil

JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms64m", "-Xmx192m", "-Xshare:auto", "-Xlog:cds=off")
"""Options by which it starts quickly and stays small; an archive is of use only with those that it was made with."""
MAIN = "kafka.Kafka"
CLASS_PATH, ARCHIVE, LOGGING, JAVA = "class-path", "kafka.jsa", "log4j2.yaml", "java"
"""Files: the class path as one line, the class-data archive, the configuration of the log, and whose archive it is."""


def java_identity() -> str:
    """
    Which Java is first on PATH, told without starting it; empty where there is none.
    """
    java = shutil.which("java")
    if java is None:
        return ""
    real = os.path.realpath(java)
    stat = os.stat(real)
    return f"{real}:{stat.st_size}:{int(stat.st_mtime)}"
