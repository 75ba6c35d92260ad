"""The format of OpenCV 1 and 2 (haartraining, opencv_traincascade -baseFormatSave): every node holds its own feature.

What is read decides as OpenCV 3, 4 and 5 decide after they convert such a file: the links between stages (<parent>,
<next>) are not followed, the stages are asked in the order of the file. Haar only; LBP has no old format.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from cascades.model import CascadeModel, HaarFeature, LbpFeature, Node, Stage, Tree
from cascades.xml.document import (
    DROPPED_WEIGHT,
    Unfit,
    check_window,
    child,
    entries,
    face_line,
    face_of,
    finite,
    haar_feature,
    items,
    number,
    optional,
    rects_element,
    text,
    whole,
    words,
)
from pipeline.core.errors import CascadeError

Features = dict[HaarFeature | LbpFeature, int]
"""each once, with its place in the model"""


def read_old(cascade: Element) -> CascadeModel:
    """The model in an element of type opencv-haar-classifier. Raises Unfit."""
    size = words(cascade, "size", "<cascade>")
    if len(size) != 2:
        raise Unfit(f"<size> has {len(size)} numbers, expected width height")
    width, height = (whole(word, "<size>") for word in size)
    check_window(width, height)
    features: Features = {}
    stages = tuple(
        _stage(element, f"stage {i}", (width, height), features)
        for i, element in enumerate(items(cascade, "stages", "<cascade>"))
    )
    tilted = any(isinstance(f, HaarFeature) and f.tilted for f in features)
    return CascadeModel(
        kind="HAAR",
        width=width,
        height=height,
        stages=stages,
        features=tuple(features),
        mode="ALL" if tilted else "BASIC",
        face=face_of(cascade),
    )


def _stage(element: Element, where: str, size: tuple[int, int], features: Features) -> Stage:
    threshold = finite(text(element, "stage_threshold", where), f"{where}, stage_threshold")
    trees = tuple(_tree(e, f"{where}, tree {i}", size, features) for i, e in enumerate(items(element, "trees", where)))
    return Stage(threshold=threshold, trees=trees)


def _tree(element: Element, where: str, size: tuple[int, int], features: Features) -> Tree:
    found = entries(element, f"{where} has no nodes")
    nodes: list[Node] = []
    leaves: list[float] = []
    for index, node in enumerate(found):
        here = f"{where}, node {index}"
        feature = _feature(node, here, size)
        threshold = finite(text(node, "threshold", here), f"{here}, threshold")
        left = _side(node, "left", here, (index, len(found)), leaves)
        right = _side(node, "right", here, (index, len(found)), leaves)
        nodes.append(Node(left, right, features.setdefault(feature, len(features)), threshold=threshold))
    if len(leaves) != len(nodes) + 1:
        raise Unfit(f"{where}: {len(leaves)} leaves for {len(nodes)} nodes, expected {len(nodes) + 1}")
    return Tree(tuple(nodes), tuple(leaves))


def _feature(node: Element, where: str, size: tuple[int, int]) -> HaarFeature:
    feature = haar_feature(child(node, "feature", where), where, *size)
    if len(feature.rects) == 3 and abs(feature.rects[2].weight) < DROPPED_WEIGHT:
        return HaarFeature(feature.rects[:2], feature.tilted)
    return feature


def _side(node: Element, side: str, where: str, index_count: tuple[int, int], leaves: list[float]) -> int:
    """The child of a node; a leaf is appended to `leaves`."""
    value = optional(node, f"{side}_val", where)
    if value is not None:
        leaves.append(finite((value.text or "").strip(), f"{where}, {side}_val"))
        return 1 - len(leaves)
    index, count = index_count
    target = whole(text(node, f"{side}_node", where), f"{where}, {side}_node")
    if not index < target < count:  # later nodes only, so that no walk can run in a circle
        raise Unfit(f"{where} leads to node {target}, which is no later one of {count}")
    return target


# ------------------------------------------------------------------------------------------------------- writing


def old_lines(model: CascadeModel) -> Iterator[str]:
    """The document, line by line.

    Raises:
        CascadeError: an LBP cascade, or a weight that OpenCV would lose.
    """
    if model.kind != "HAAR":
        raise CascadeError(
            "OpenCV's old format knows Haar features only, this cascade has LBP; write the new format (opencv)"
        )
    yield from ('<?xml version="1.0"?>', "<opencv_storage>", '<cascade type_id="opencv-haar-classifier">')
    yield f"  <size>{model.width} {model.height}</size>"
    yield "  <stages>"
    for index, stage in enumerate(model.stages):
        yield "    <_>"
        yield "      <trees>"
        for tree in stage.trees:
            yield from ("        <_>", *(_node_line(node, tree, model) for node in tree.nodes), "        </_>")
        yield "      </trees>"
        yield f"      <stage_threshold>{number(stage.threshold)}</stage_threshold>"
        yield f"      <parent>{index - 1}</parent><next>-1</next></_>"
    yield from ("  </stages>", *face_line(model.face), "</cascade>", "</opencv_storage>", "")


def _node_line(node: Node, tree: Tree, model: CascadeModel) -> str:
    feature = model.features[node.feature]
    assert isinstance(feature, HaarFeature)
    if len(feature.rects) == 3 and 0 < abs(feature.rects[2].weight) < DROPPED_WEIGHT:
        raise CascadeError(
            f"feature {node.feature} has a third rectangle of weight {feature.rects[2].weight:g}, which OpenCV's old "
            "format loses; write the new format (opencv)"
        )
    left, right = (
        f"<{side}_node>{target}</{side}_node>"
        if target > 0
        else f"<{side}_val>{number(tree.leaves[-target])}</{side}_val>"
        for side, target in (("left", node.left), ("right", node.right))
    )
    threshold = f"<threshold>{number(node.threshold)}</threshold>"
    return f"          <_><feature>{rects_element(feature)}</feature>{threshold}{left}{right}</_>"
