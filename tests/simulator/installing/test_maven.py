"""
Maven: the jars in one written order, and an archive for the very Java and class path.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.installing.java import ARCHIVE, CLASS_PATH, JAVA, java_identity
from simulator.installing.maven import MavenProject
from simulator.installing.tool import InstallError, ToolFailed, Tools
from tests.simulator.installing.fake_tools import FakeTools

COPY = """
pom = Path('pom.xml').read_text()
assert '<groupId>g</groupId><artifactId>kafka_2</artifactId><version>4</version>' in pom
Path('libs').mkdir()
for name in ('b.jar', 'a.jar'):
    (Path('libs') / name).write_text('')
"""
JVM = """
import signal
if sys.argv[1] == '-version':
    print('openjdk version "17.0.15" 2025-04-15')
    sys.exit(0)
archive = next(word for word in sys.argv if 'ArchiveClassesAtExit' in word).partition('=')[2]
def end(*_):
    Path(archive).write_text(sys.argv[sys.argv.index('-cp') + 1])
    os._exit(143)
signal.signal(signal.SIGTERM, end)
assert 'controller.quorum.voters' in Path(sys.argv[-1]).read_text()
print('[KafkaRaftServer] Kafka Server started', flush=True)
signal.pause()
"""
PROJECT = MavenProject(("g:kafka_2:4",))


@pytest.fixture
def java(fakes: FakeTools) -> FakeTools:
    fakes.add("java", JVM)
    fakes.add("mvn", COPY)
    return fakes


@pytest.mark.usefixtures("java")
def test_the_class_path_is_in_one_order_and_of_the_final_place(folder: Path, tools: Tools) -> None:
    PROJECT.build(folder, Path("/place"), tools)
    assert (folder / CLASS_PATH).read_text() == os.pathsep.join(["/place/libs/a.jar", "/place/libs/b.jar"])


@pytest.mark.usefixtures("java")
def test_the_archive_is_made_by_a_first_start_for_that_class_path(folder: Path, tools: Tools) -> None:
    PROJECT.build(folder, folder, tools)
    PROJECT.finish(folder, tools)
    assert (folder / ARCHIVE).read_text() == (folder / CLASS_PATH).read_text()
    assert (folder / JAVA).read_text() == java_identity() != ""
    assert not list(folder.glob("first-start-*"))


def test_a_broker_that_does_not_start_is_told_with_its_last_lines(java: FakeTools, folder: Path, tools: Tools) -> None:
    PROJECT.build(folder, folder, tools)
    java.add("java", "print('OutOfMemoryError'); sys.exit(1)")
    with pytest.raises(ToolFailed) as failure:
        PROJECT.finish(folder, tools)
    assert failure.value.lines == ("OutOfMemoryError",)
    assert not list(folder.glob("first-start-*"))


def test_a_java_that_writes_no_archive_is_an_error(java: FakeTools, folder: Path, tools: Tools) -> None:
    PROJECT.build(folder, folder, tools)
    java.add("java", "import signal\nprint('Kafka Server started', flush=True)\nsignal.pause()")
    with pytest.raises(InstallError, match="wrote no class-data archive"):
        PROJECT.finish(folder, tools)


@pytest.mark.parametrize(("number", "old"), [("1.8.0_392", "8"), ("11.0.2", "11")])
def test_a_java_that_is_too_old_is_told_before_anything_is_fetched(
    java: FakeTools, folder: Path, tools: Tools, number: str, old: str
) -> None:
    java.add("java", f"print('openjdk version \"{number}\"')")
    java.remove("mvn")
    with pytest.raises(InstallError, match=f"java is version {old}; it takes 17 or later"):
        PROJECT.build(folder, folder, tools)


def test_another_java_is_another_recipe(java: FakeTools) -> None:
    before = PROJECT.fingerprint()
    java.add("java", f"{JVM}\n# another")
    assert PROJECT.fingerprint() != before
