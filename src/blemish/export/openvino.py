"""From an .onnx file to an OpenVINO pair: .xml with the graph and the description, .bin with the weights."""

from pathlib import Path
from xml.etree import ElementTree

import openvino

from blemish.files import file_digest
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import KEY, WEIGHTS_KEY, Metadata


def convert(graph: Path) -> Path:
    """Write the pair beside an .onnx file of ours, weights as they are; its .xml file is returned."""
    pair = graph.with_suffix(".xml")
    _save(openvino.convert_model(graph), pair, read_metadata(graph))
    return pair


def describe_pair(pair: Path, metadata: Metadata) -> None:
    """Replace the description in a pair."""
    model = openvino.Core().read_model(pair)
    fresh = pair.with_name(f"described-{pair.name}")
    _save(model, fresh, metadata)
    del model  # it holds the old .bin file open
    fresh.with_suffix(".bin").replace(pair.with_suffix(".bin"))
    fresh.replace(pair)


def _save(model: openvino.Model, pair: Path, metadata: Metadata) -> None:
    model.set_rt_info(metadata.model_dump_json(), [KEY])
    model.set_rt_info("", [WEIGHTS_KEY])
    openvino.save_model(model, pair, compress_to_fp16=False)
    text = ElementTree.parse(pair)
    entry = text.find(f"rt_info/{WEIGHTS_KEY}")
    assert entry is not None
    entry.set("value", file_digest(pair.with_suffix(".bin")))
    text.write(pair, encoding="utf-8", xml_declaration=True)


def attach_text(pair: Path, key: str, value: str) -> None:
    """Add a text to the description in a pair."""
    text = ElementTree.parse(pair)
    entries = text.find("rt_info")
    assert entries is not None
    ElementTree.SubElement(entries, key, value=value)
    text.write(pair, encoding="utf-8", xml_declaration=True)
