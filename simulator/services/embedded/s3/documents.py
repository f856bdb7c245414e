"""
Documents: the XML that S3 speaks, in both directions.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from simulator.services.embedded.s3.errors import S3Error
from simulator.services.embedded.s3.request import Answer

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_TYPE = (("Content-Type", "application/xml"),)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")

Element = tuple[str, "str | Iterable[Element]"]
"""A name, and text or further elements."""


def document(name: str, content: Iterable[Element], status: int = 200) -> Answer:
    """
    An answer that is one XML document.
    """
    root = ET.Element(name, {"xmlns": NAMESPACE})
    _fill(root, content)
    return Answer(status, _bytes_of(root), _TYPE)


def error_document(error: S3Error, resource: str, *, bare: bool) -> Answer:
    """
    The answer that is *error*.

    Args:
        resource: The path of the request.
        bare: Without a body, as to HEAD.
    """
    if bare:
        return Answer(error.status, b"", _TYPE)
    root = ET.Element("Error")
    said = (("Code", error.code), ("Message", error.message), ("Resource", resource), ("RequestId", "gatesim"))
    _fill(root, said)
    return Answer(error.status, _bytes_of(root), _TYPE)


def _fill(around: ET.Element, content: str | Iterable[Element]) -> None:
    if isinstance(content, str):
        around.text = _NOT_IN_XML.sub("\ufffd", content)
        return
    for name, inner in content:
        _fill(ET.SubElement(around, name), inner)


def _bytes_of(root: ET.Element) -> bytes:
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def parsed(body: bytes, name: str) -> ET.Element:
    """
    The document in *body*, whose root is called *name*; without its namespace.

    Raises:
        S3Error: It is no XML, or another document.
    """
    try:
        root = ET.fromstring(body)
    except (ET.ParseError, ValueError):
        raise S3Error("MalformedXML") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != name:
        raise S3Error("MalformedXML")
    return root


def text_in(element: ET.Element, name: str) -> str:
    """
    The text of the element called *name* in *element*; empty for none.
    """
    return element.findtext(name) or ""


def instant(at: datetime) -> str:
    """
    *at* as S3 writes it.
    """
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def tags_in(body: bytes) -> list[tuple[str, str]]:
    """
    The tags of a Tagging document.
    """
    root = parsed(body, "Tagging")
    return [(text_in(tag, "Key"), text_in(tag, "Value")) for tag in root.iterfind("TagSet/Tag")]


def tagging(tags: Iterable[tuple[str, str]]) -> Answer:
    """
    The Tagging document of *tags*.
    """
    listed: Iterator[Element] = (("Tag", (("Key", key), ("Value", value))) for key, value in tags)
    return document("Tagging", (("TagSet", listed),))
