"""Downloads Apache Kafka's published jars with Maven, once, into the user's cache."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

KAFKA_VERSION = "4.3.0"
_LOG4J_VERSION = "2.24.3"
_NEEDS_JAVA = 17  # Kafka 4's brokers
_FETCH_WITHIN_S = 300.0

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cdp.consumer</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


class NoJarsError(Exception):
    """Apache Kafka cannot run from its jars here. The text contains the reason and what to install."""


def java() -> str:
    """Return the path of a suitable Java.

    Raises:
        NoJarsError: there is none, or it is too old.
    """
    found = shutil.which("java")
    if found is None:
        raise NoJarsError(f"no java: install a JRE {_NEEDS_JAVA} or later")
    output = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < _NEEDS_JAVA:
        raise NoJarsError(f"java is {version[1] if version else 'of unknown version'}: Kafka needs {_NEEDS_JAVA}")
    return found


def libraries() -> Path:
    """Return the folder of Kafka's jars. Maven downloads them if they are missing.

    Raises:
        NoJarsError: Maven is missing, or the download failed.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cdp-consumer" / f"kafka-{KAFKA_VERSION}"
    libs = home / "libs"
    if libs.is_dir():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise NoJarsError(f"no mvn, and no jars in {libs} yet: install Maven")
    home.mkdir(parents=True, exist_ok=True)
    # One process at a time: Maven's repository does not support concurrent downloads of the same files.
    with (home / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=home) as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            _fetch(maven, Path(folder))
            # Renamed at the end: an incomplete download must not look like Kafka.
            (Path(folder) / "libs").rename(libs)
    return libs


def _fetch(maven: str, folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM)
    command = [maven, "-B", "-q", "dependency:copy-dependencies"]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}"]
    try:
        done = subprocess.run(
            [*command, *options], cwd=folder, capture_output=True, text=True, timeout=_FETCH_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoJarsError(f"Maven did not get Kafka's jars within {_FETCH_WITHIN_S:g} s") from None
    if done.returncode != 0 or not list((folder / "libs").glob(f"kafka_2.13-{KAFKA_VERSION}.jar")):
        last = (done.stdout + done.stderr).strip().splitlines()[:1]
        raise NoJarsError(f"Maven did not get Kafka's jars: {' '.join(last)}")
